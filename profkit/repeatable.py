"""Repeatable: make of a recorded run what it takes to run it again, or say why it cannot be run again here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from profkit.bundle import Bundle
from profkit.errors import InputError
from profkit.implementations import Implementation
from profkit.machine import differences, this_machine
from profkit.native import BUILD_TYPES, RELEASE
from profkit.prepare import Task
from profkit.programs import Course
from profkit.registry import find
from profkit.run import Run
from profkit.spec import Workload
from profkit.what_if import Trial
from profkit.what_if.instruction_set import held_to_own

STEPS, FEWEST_STEPS, STEPS_S = 20, 5, 3.0
"""Of a process: as many steps as the run had without a tool (else the first), but no more seconds than the last."""

_AGAIN = "record both again, on this machine: profkit record"
_SYNTHETIC, _ALL, _DRAWN = "synthetic", "all", "drawn"
"""What a run says of data, subset and weights that nobody chose; one from before it said so is taken to have had them,
and its digest shows whether that is so."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_DECIDING = (
    "device",
    "device_name",
    "mode",
    "workers",
    "cpu_capability",
    "onednn",
    "deterministic",
    "flush_denormals",
    "cudnn_benchmark",
    "cudnn_tf32",
    "matmul_tf32",
)
"""Settings that a run again must share with the run."""


def require_same_place(run: Run, side: str) -> None:
    """Refuse a run from another machine, or of another torch than the one here.

    Raises:
        InputError: it says what differs.
    """
    if run.machine is None:
        raise InputError(f"nobody recorded the machine of {side}, so nothing measured here compares with it", _AGAIN)
    different = [
        f"{name.replace('_', ' ')} {there}, here {here}"
        for name, (there, here) in differences(run.machine, this_machine()).items()
    ]
    if different:
        raise InputError(f"{side} was recorded on another machine: {'; '.join(different)}", _AGAIN)
    torch = run.versions.get("torch", "").partition("+")[0]
    installed = importlib.util.find_spec("torch") and importlib.metadata.version("torch").partition("+")[0]
    if torch and torch != installed:
        raise InputError(f"{side} was recorded with torch {torch}, and here is {installed or 'none'}", _AGAIN)


def trial_of(run: Run, side: str, data: Path | None = None, weights: Path | None = None) -> Trial:
    """What it takes to make a run again.

    Args:
        run: recorded by `profkit record`.
        side: `A` or `B`, for the error.
        data: directory with the real data, if the run had any; no run says where it lay.
        weights: file that it started from, likewise.

    Raises:
        InputError: it is a run of the user's own program or of another tool, or had files that are not given.
        UsageError: this profkit has no such workload, option or implementation.
    """
    if run.workload is None or run.implementation is None or run.batch_size is None:
        what = " ".join(run.command) or f"an imported {run.tool} file"
        raise InputError(
            f"{side} is not a run of one of profkit's own networks ({what}), and nothing says how to start it again",
            "set the variable yourself (OMP_NUM_THREADS=2 profkit record -- PROGRAM), and diff the two recordings",
        )
    settings = run.settings
    return Trial(
        run=run,
        task=Task(
            workload=find("profkit.workloads", Workload, run.workload),
            batch_size=run.batch_size,
            options=run.options,
            seed=run.seed or 0,
            data=_file(settings.get("data", _SYNTHETIC) != _SYNTHETIC, data, "--data", side),
            subset=int(settings["subset"]) if settings.get("subset", _ALL) != _ALL else None,
            weights=_file(settings.get("weights", _DRAWN) != _DRAWN, weights, "--weights", side),
        ),
        implementation=find("profkit.implementations", Implementation, run.implementation, "implementation"),
        course=Course(
            mode=settings.get("mode", "train"),
            steps=_steps(run),
            warmup=run.warmup or 0,
            threads=run.threads or 1,
            device=settings.get("device", "cpu"),
            workers=int(settings.get("workers", "0")),
            deterministic=settings.get("deterministic") == "true",
            cudnn_benchmark=settings.get("cudnn_benchmark") == "true",
            flush_denormals=settings.get("flush_denormals") == "true",
        ),
        environment=_environment(run),
        build=next((name for name, kind in BUILD_TYPES.items() if kind == run.build.get("type")), RELEASE),
    )


def require_same_work(run: Run, bundle: Bundle, side: str) -> None:
    """Refuse weights and batches that are not those of the run.

    Raises:
        InputError: the digests differ, or the run has none.
    """
    if run.bundle_sha256 is None:
        raise InputError(f"nobody recorded the digest of the weights and batches of {side}", _AGAIN)
    if run.bundle_sha256 != bundle.sha256:
        raise InputError(
            f"{side} cannot be run again: its weights and batches have the digest {run.bundle_sha256[:12]}, and what "
            f"its workload, options, seed and data make here has {bundle.sha256[:12]}",
            "the data, the weights or profkit changed since: record both again",
        )


def require_same_settings(run: Run, report: Mapping[str, Any], side: str) -> None:
    """Refuse a run again that did not run as the run did.

    Args:
        run: as recorded.
        report: of a process that was to repeat it.
        side: `A` or `B`, for the error.

    Raises:
        InputError: it says what differs.
    """
    pairs: dict[str, tuple[object, object]] = {
        name: (run.settings[name], report["settings"][name])
        for name in _DECIDING
        if name in run.settings and name in report["settings"]
    }
    pairs |= {name: (version, report["versions"].get(name)) for name, version in run.versions.items()}
    pairs["threads"] = run.threads, report["threads"]
    if run.affinity and report["affinity"]:
        pairs["processors"] = tuple(run.affinity), tuple(report["affinity"])
    different = [f"{name} {before}, now {after}" for name, (before, after) in pairs.items() if before != after]
    if different:
        raise InputError(f"{side} does not run here as it was recorded: {'; '.join(different)}", _AGAIN)


def _steps(run: Run) -> int:
    """Steps of one process, for a time that bears many of them."""
    if not run.step_ns:
        return STEPS
    own = len(run.step_ns) // max(len(set(run.evidence.processes)), 1)
    affordable = int(1e9 * STEPS_S / max(median(run.step_ns), 1))
    return max(min(own, affordable), FEWEST_STEPS)


def _environment(run: Run) -> dict[str, str]:
    """The variables that the run had, and those that hold its libraries to the instruction set that it used."""
    return {name: value for name, value in run.settings.items() if _VARIABLE.fullmatch(name)} | held_to_own(run)


def _file(had: bool, given: Path | None, option: str, side: str) -> Path | None:
    """A file or folder of the user, where the run had one."""
    if not had:
        return None
    if given is None:
        raise InputError(f"{side} was recorded with files of its own, and no run says where they lie", f"give {option}")
    return given
