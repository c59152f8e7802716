"""Run a bundle: twin of `profkit_run` (`cpp/src/main.cpp`), same flags, same report, same exit codes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from profkit.datasets import SPLITS
from profkit.errors import InputError, ProfkitError
from profkit.runner import BUNDLE_SCHEMA
from profkit.runner.batches import Batches
from profkit.runner.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from profkit.runner.engine import Choices, Engine, EngineKind, UnsupportedError
from profkit.runner.evidence import write_evidence
from profkit.runner.loading import load_images
from profkit.runner.loop import Course, Loop, Measured, NotFiniteError, Save
from profkit.runner.metrics import reconstruct
from profkit.runner.region import REGIONS, Tool
from profkit.runner.report import report
from profkit.runner.scope import NO_SCOPES

ENGINES = ("torch", "numba")
"""Each is the value `ENGINE` of the module `profkit.runner.<name>_engine`."""
WRITERS = ("torch", "wallclock")
"""Tools that write their artefact from within the program."""
EXIT_CODES = {"usage": 2, "nan": 10, "memory": 11, "unsupported": 12, "other": 1}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m profkit.runner", description=__doc__)
    add = parser.add_argument
    add("--bundle", type=Path, required=True, help="bundle.pt")
    add("--report", type=Path, required=True, help="where to write the report (JSON)")
    add("--mode", choices=("train", "infer"), default="train", help="train, or infer without gradients")
    add("--warmup", type=int, default=0, help="steps before the region")
    add("--steps", type=int, help="steps in the region")
    add("--epochs", type=int, help="epochs in the region, in place of steps")
    add("--threads", type=int, default=1, help="intra-operator threads")
    add("--device", default="cpu", help="cpu, cuda or mps")
    add("--tool", choices=sorted(REGIONS), default="none", help="tool that records the region")
    add("--artefact", type=Path, help="file that the tool writes")
    add("--extension", type=Path, help="shared object with Callgrind's client requests")
    add("--control", type=Path, help="directory for asking the recorder to attach the tool")
    add("--engine", choices=ENGINES, default="torch", help="who computes")
    add("--double", action="store_true", help="compute in float64 (engine torch)")
    add("--progress", type=Path, help="file to append a line to at each step")
    add("--results", type=Path, help="where to write outputs, losses and weights (torch.save)")
    add("--evidence", type=Path, help="directory to write weights, state, inputs and the outcome of a step to")
    add("--workers", type=int, default=0, help="threads that make batches ahead")
    add("--data", type=Path, help="read the images from these files, not from the bundle")
    add("--checkpoint", type=Path, help="where to write weights and optimizer state after each epoch")
    add("--resume", type=Path, help="checkpoint to go on from")
    add("--masks", action="store_true", help="take dropout from the bundle's masks")
    add("--deterministic", action="store_true", help="only algorithms that repeat themselves to the bit")
    add("--cudnn-benchmark", action="store_true", help="let cuDNN time its algorithms and choose")
    add("--flush-denormals", action="store_true", help="take subnormal numbers as zero")
    arguments = parser.parse_args()
    if (arguments.steps is None) == (arguments.epochs is None):
        parser.error("one of --steps and --epochs is needed")
    if arguments.artefact is None and arguments.tool in WRITERS:
        parser.error("--artefact is missing")
    for name, least in {"steps": 1, "epochs": 1, "warmup": 0, "threads": 1, "workers": 0}.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name} takes a whole number from {least}, not '{value}'")
    return arguments


def _course(arguments: argparse.Namespace) -> Course:
    return Course(
        mode=arguments.mode,
        steps=arguments.steps,
        epochs=arguments.epochs,
        warmup=arguments.warmup,
        workers=arguments.workers,
        device=arguments.device,
        tool=Tool(arguments.tool, arguments.artefact, arguments.extension, arguments.control),
    )


def _engine(arguments: argparse.Namespace, bundle: dict[str, Any], *, masks: bool = False) -> Engine:
    """The engine that was asked for; with `masks` in any case one that drops what the bundle says."""
    if arguments.deterministic:
        # cuBLAS repeats itself only with a workspace of its own, chosen before it starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Numba's pool is made when it is imported, and one with more threads than are used costs each kernel a wait.
    os.environ["NUMBA_NUM_THREADS"] = str(arguments.threads)
    kind: EngineKind = importlib.import_module(f"profkit.runner.{arguments.engine}_engine").ENGINE
    choices = Choices(
        device=arguments.device,
        masks=arguments.masks or masks,
        deterministic=arguments.deterministic,
        cudnn_benchmark=arguments.cudnn_benchmark,
        flush_denormals=arguments.flush_denormals,
        double=arguments.double,
    )
    try:
        return kind.make(bundle, choices)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"cannot read {arguments.bundle}: not a bundle, or a damaged one ({error})") from error


def run(arguments: argparse.Namespace, progress: Callable[[str], object]) -> dict[str, Any]:
    """Run the bundle as the command line says; returns the report."""
    bundle = _read_bundle(arguments.bundle)
    load_ns = _load(bundle, arguments.data)
    engine = _engine(arguments, bundle)
    course = _course(arguments)
    start = _resume(engine, course, arguments.resume)
    output = _output(engine, bundle) if arguments.results else None
    loop = Loop(engine, bundle, course, progress)
    measured = loop.run(start, _saver(arguments.checkpoint))
    said = report(engine, course, measured, load_ns)
    if arguments.results:
        torch.save(_results(engine, bundle, output, measured), arguments.results)
    if arguments.evidence:
        fresh = None if course.mode == "infer" else partial(_engine, arguments, bundle, masks=True)
        write_evidence(arguments.evidence, engine, loop.batches.make(0), fresh, bundle["target"])
    return said


def _read_bundle(path: Path) -> dict[str, Any]:
    """The bundle, if it is one that this program knows.

    Raises:
        InputError: it cannot be read or is of another schema.
    """
    try:
        bundle = torch.load(path, weights_only=True)
        schema = bundle["schema"]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"cannot read {path}: not a bundle, or a damaged one") from error
    if schema != BUNDLE_SCHEMA:
        raise InputError(f"cannot read {path}: bundle of schema {schema}, this runner reads {BUNDLE_SCHEMA}")
    return bundle


def _load(bundle: dict[str, Any], data: Path | None) -> int | None:
    """Read the images from their files in place of the bundle's; the time it took [ns]."""
    if data is None:
        return None
    start = time.perf_counter_ns()
    counts = {split: len(bundle[split]["images"]) for split in SPLITS}
    loaded = load_images(bundle["dataset"], data, tuple(bundle["train"]["images"].shape[1:]), counts)
    elapsed = time.perf_counter_ns() - start
    for split, part in loaded.items():
        if not all(torch.equal(tensor, bundle[split][name]) for name, tensor in part.items()):
            raise InputError(f"the {split} images in {data} are not those of the bundle")
        bundle[split] = part
    return elapsed


def _saver(path: Path | None) -> Save:
    """Write checkpoints to a file, or do without."""
    return (lambda state: write_checkpoint(path, state())) if path else (lambda _state: None)


def _resume(engine: Engine, course: Course, path: Path | None) -> Checkpoint:
    """Where the run starts: from the bundle, or from where an earlier one stood."""
    if path is None:
        return Checkpoint()
    checkpoint = read_checkpoint(path)
    if course.epochs is not None and checkpoint.epoch >= course.epochs:
        raise InputError(f"{path} has {checkpoint.epoch} epochs done, and {course.epochs} are asked for")
    engine.restore(checkpoint.weights, checkpoint.optimizer)
    return checkpoint


def _output(engine: Engine, bundle: dict[str, Any]) -> torch.Tensor:
    """Output for the first training batch, before training."""
    inputs, _ = Batches(bundle, "train", in_order=False).make(0)
    return engine.to_host(engine.infer_step(engine.to_device(inputs), NO_SCOPES)).clone()


def _results(engine: Engine, bundle: dict[str, Any], output: Any, measured: Measured) -> dict[str, Any]:
    results = {
        "output": output,
        "losses": torch.tensor(measured.losses, dtype=torch.float64),
        "weights": engine.weights(),
    }
    if bundle["target"] == "inputs":
        split = "test" if len(bundle["test"]["images"]) else "train"
        results["reconstruction"] = reconstruct(engine, Batches(bundle, split, in_order=True))
    return results


def _kind_of(error: Exception) -> str:
    if isinstance(error, NotFiniteError):
        return "nan"
    if isinstance(error, UnsupportedError):
        return "unsupported"
    return "memory" if _is_out_of_memory(error) else "other"


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: torch's allocator on the host raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def main() -> None:
    """Run, and say on standard error and in the report what went wrong."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    try:
        if arguments.progress:
            with arguments.progress.open("a", buffering=1) as file:
                said = run(arguments, lambda line: file.write(f"{line}\n"))
        else:
            said = run(arguments, lambda _: None)
    except (ArithmeticError, MemoryError, OSError, ProfkitError, RuntimeError, UnsupportedError, ValueError) as error:
        kind, message = _kind_of(error), str(error).partition("\n")[0]
        arguments.report.write_text(json.dumps({"failure": message, "kind": kind}))
        sys.stderr.write(f"profkit.runner: {message}\n")
        sys.exit(EXIT_CODES[kind])
    arguments.report.write_text(json.dumps(said))
