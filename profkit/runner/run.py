"""Train the network of a bundle step by step: twin of `profkit_run` (`cpp/src/main.cpp`), same flags, same report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from profkit.runner import BUNDLE_SCHEMA
from profkit.runner.layers import LOSS_BUILDERS, OPTIMIZER_BUILDERS, build_layer
from profkit.runner.region import REGIONS, Tool
from profkit.runner.scope import Scopes, no_scopes


class Trainer:
    """The network of a bundle with its loss and optimizer.

    Args:
        bundle: what `torch.load` reads from `bundle.pt`.
    """

    def __init__(self, bundle: dict[str, Any]) -> None:
        self.inputs: torch.Tensor = bundle["inputs"]
        self.targets: torch.Tensor = bundle["targets"]
        self.layers = [(layer["path"], build_layer(layer["kind"], layer["settings"])) for layer in bundle["layers"]]
        self.model = nn.ModuleDict(dict(self.layers))
        self.model.load_state_dict(bundle["weights"])
        self.loss = LOSS_BUILDERS[bundle["loss"]]()
        self.optimizer = OPTIMIZER_BUILDERS[bundle["optimizer"]](self.model.parameters(), bundle["hyperparameters"])
        # The names are made once: what a step computes for itself would be measured with it.
        self.layers_in_scope = [(f"layer/{path}", module) for path, module in self.layers]

    def step(self, index: int, scope: Scopes) -> torch.Tensor:
        """One training step on batch `index` (modulo the number of batches); returns the loss, a scalar."""
        with scope("phase/data"):
            batch = index % self.inputs.size(0)
            outputs, targets = self.inputs[batch], self.targets[batch]
        with scope("phase/optimizer"):
            self.optimizer.zero_grad()
        with scope("phase/forward"):
            for name, module in self.layers_in_scope:
                with scope(name):
                    outputs = module(outputs)
            with scope("layer/loss"):
                loss: torch.Tensor = self.loss(outputs, targets)
        with scope("phase/backward"):
            loss.backward()
        with scope("phase/optimizer"):
            self.optimizer.step()
        return loss.detach()

    def output(self) -> torch.Tensor:
        """Output for the first batch, (batch size, classes), without gradients."""
        with torch.no_grad():
            outputs = self.inputs[0]
            for _, module in self.layers:
                outputs = module(outputs)
        return outputs


def train(
    trainer: Trainer, warmup: int, steps: int, tool: Tool, progress: Callable[[str], object]
) -> tuple[list[int], list[float]]:
    """Take `warmup` steps, then `steps` more inside the tool's region.

    Returns:
        Time of each step of the region [ns] and the loss of every step, the warm-up's included.
    """
    losses = []
    for index in range(warmup):
        progress(f"warm-up {index + 1}/{warmup}")
        losses.append(trainer.step(index, no_scopes))
    times = []
    with REGIONS[tool.name](tool) as scope:
        for index in range(steps):
            progress(f"step {index + 1}/{steps}")
            start = time.perf_counter_ns()
            with scope(f"ProfilerStep#{index}"):
                losses.append(trainer.step(warmup + index, scope))
            times.append(time.perf_counter_ns() - start)
    progress("writing")
    return times, [loss.item() for loss in losses]


def report(trainer: Trainer, times: list[int], losses: list[float]) -> dict[str, Any]:
    """What the run has to say of itself, with the keys of the C++ report."""
    return {
        "step_ns": times,
        "losses": losses,
        "threads": torch.get_num_threads(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "build": {"torch": " ".join(torch.__config__.show().split())},
        "settings": {
            "language": "python",
            "device": "cpu",
            "grad": str(torch.is_grad_enabled()).lower(),
            "training": str(trainer.model.training).lower(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "onednn": str(torch.backends.mkldnn.is_available()).lower(),
            "deterministic": str(torch.are_deterministic_algorithms_enabled()).lower(),
        },
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m profkit.runner", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="bundle.pt")
    parser.add_argument("--report", type=Path, required=True, help="where to write the report (JSON)")
    parser.add_argument("--warmup", type=int, default=0, help="steps before the region")
    parser.add_argument("--steps", type=int, required=True, help="steps in the region")
    parser.add_argument("--threads", type=int, default=1, help="intra-operator threads")
    parser.add_argument("--tool", choices=sorted(REGIONS), default="none", help="tool that records the region")
    parser.add_argument("--artefact", type=Path, help="file that the tool writes")
    parser.add_argument("--extension", type=Path, help="shared object with Callgrind's client requests")
    parser.add_argument("--progress", type=Path, help="file to append a line to at each step")
    parser.add_argument("--results", type=Path, help="where to write outputs, losses and weights (torch.save)")
    return parser.parse_args()


def main() -> None:
    """Run the bundle as the command line says."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    bundle = torch.load(arguments.bundle, weights_only=True)
    if bundle["schema"] != BUNDLE_SCHEMA:
        raise SystemExit(f"bundle of schema {bundle['schema']}, this runner reads {BUNDLE_SCHEMA}")
    trainer = Trainer(bundle)
    output = trainer.output() if arguments.results else None
    tool = Tool(arguments.tool, arguments.artefact, arguments.extension)
    if arguments.progress:
        with arguments.progress.open("a", buffering=1) as file:
            times, losses = train(
                trainer, arguments.warmup, arguments.steps, tool, lambda line: file.write(f"{line}\n")
            )
    else:
        times, losses = train(trainer, arguments.warmup, arguments.steps, tool, lambda _: None)
    if arguments.results:
        weights = {name: weight.detach() for name, weight in trainer.model.state_dict().items()}
        results = {"output": output, "losses": torch.tensor(losses, dtype=torch.float64), "weights": weights}
        torch.save(results, arguments.results)
    arguments.report.write_text(json.dumps(report(trainer, times, losses)))
