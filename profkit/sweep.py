"""Sweep: what a benchmark measures, as axes with values, and every combination of them as a cell."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from profkit.errors import UsageError
from profkit.implementations import REFERENCE, Implementation
from profkit.options import Value
from profkit.registry import Named, discover, find, unknown
from profkit.spec import Workload

N = TypeVar("N", bound=int | float)
T = TypeVar("T", bound=Named)

MODES = ("train", "infer", "latency")
LOADERS = ("bundle", "native")
SHORTCUTS: Mapping[str, Callable[[str], int | float] | None] = {
    "kernel_size": int,
    "layers": int,
    "optimizer": None,
    "loss": None,
    "lr": float,
    "momentum": float,
    "weight_decay": float,
}
"""Options of workloads with a flag of their own, and how their values are read; None for words."""


@dataclass(frozen=True)
class Cell:
    """One combination of the axes: what one program is started for.

    Attributes:
        workload: name of the network and its recipe.
        implementation: name of who runs it.
        device: `cpu`, `cuda` or `mps`.
        mode: one of `MODES`.
        batch_size: samples in a step.
        threads: intra-operator threads.
        workers: threads that prepare batches ahead.
        seed: of weights, order and synthetic data.
        options: of the workload, names and values in alphabetical order.
    """

    workload: str
    implementation: str
    device: str
    mode: str
    batch_size: int
    threads: int
    workers: int
    seed: int
    options: tuple[tuple[str, Value], ...] = ()

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits, the same for the same cell on every machine."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def axes(self) -> dict[str, Value]:
        """Every coordinate by the name of its axis, options among them."""
        plain = {name: value for name, value in asdict(self).items() if name != "options"}
        return {**plain, **dict(self.options)}

    def by(self, implementation: str) -> Cell:
        """The same work on the same device by another implementation."""
        return replace(self, implementation=implementation)


@dataclass(frozen=True)
class Sweep:
    """The axes of a benchmark as given, and what is the same for every cell.

    Attributes:
        workloads: networks and recipes.
        implementations: who runs them; the first is the baseline of the others.
        devices: where.
        mode: one of `MODES`.
        batch_sizes: samples in a step; empty for each workload's own.
        threads: intra-operator threads.
        workers: threads that prepare batches ahead.
        seeds: of weights, order and synthetic data.
        options: values of each swept option of the workloads.
        epochs: of a run; None where `steps` says it.
        steps: of a run; None where `epochs` says it.
        warmup: steps before those that are timed.
        repeats: fresh processes a cell.
        subset: use only the first samples; None for all.
        data: directory with the real files; None for the synthetic twin.
        weights: file to take the initial weights from.
        loader: `bundle`, or `native`: each program reads the data files with its own reader.
        deterministic: only algorithms that repeat themselves to the bit.
        cudnn_benchmark: let cuDNN choose its algorithms by timing them.
        flush_denormals: take subnormal numbers as zero.
        agree: check first that every implementation computes what the reference does.
        checkpoint: keep the state of every training run after each epoch, and go on from there where it was killed.
        resume: checkpoint that every training run goes on from.
    """

    workloads: tuple[Workload, ...]
    implementations: tuple[Implementation, ...]
    devices: tuple[str, ...] = ("cpu",)
    mode: str = "train"
    batch_sizes: tuple[int, ...] = ()
    threads: tuple[int, ...] = (1,)
    workers: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    options: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    epochs: int | None = None
    steps: int | None = None
    warmup: int = 0
    repeats: int = 1
    subset: int | None = None
    data: Path | None = None
    weights: Path | None = None
    loader: str = "bundle"
    deterministic: bool = False
    cudnn_benchmark: bool = False
    flush_denormals: bool = False
    agree: bool = True
    checkpoint: bool = False
    resume: Path | None = None

    def check(self) -> None:
        """Refuse what no cell could be measured with.

        Raises:
            UsageError: with the option and its value.
        """
        for option, value, choices in (("--mode", self.mode, MODES), ("--loader", self.loader, LOADERS)):
            if value not in choices:
                raise UsageError(f"{option} is '{value}'", f"it is one of {', '.join(choices)}")
        if self.mode != "train" and (self.checkpoint or self.resume):
            raise UsageError(f"--checkpoint and --resume with --mode {self.mode}", "they are for --mode train")
        if self.repeats < 1:
            raise UsageError(f"--repeats is {self.repeats}", "1 or more")
        if self.mode == "latency" and self.batch_sizes:
            raise UsageError("--mode latency has batches of 1", "leave out --batch-size, or choose --mode infer")
        if self.mode == "latency" and self.epochs is not None:
            raise UsageError("--mode latency counts steps, not epochs", "give --steps instead of --epochs")

    def configuration(self) -> dict[str, Any]:
        """Everything that decides what is measured, as plain JSON values."""
        return {
            "workload": [workload.name for workload in self.workloads],
            "implementation": [implementation.name for implementation in self.implementations],
            "device": list(self.devices),
            "mode": self.mode,
            "batch_size": list(self.batch_sizes),
            "threads": list(self.threads),
            "workers": list(self.workers),
            "seed": list(self.seeds),
            "options": {name: list(values) for name, values in sorted(self.options.items())},
            **{name: getattr(self, name) for name in ("epochs", "steps", "warmup", "repeats", "subset")},
            "data": str(self.data.resolve()) if self.data else None,
            "weights": str(self.weights.resolve()) if self.weights else None,
            "resume": str(self.resume.resolve()) if self.resume else None,
            **{name: getattr(self, name) for name in ("loader", "deterministic", "cudnn_benchmark", "checkpoint")},
            **{name: getattr(self, name) for name in ("flush_denormals", "agree")},
        }


def cells(sweep: Sweep) -> tuple[Cell, ...]:
    """Every combination of the axes; implementations change fastest, so that what is compared is measured in a row."""
    names = sorted(sweep.options)
    combined = [
        tuple(zip(names, values, strict=True)) for values in itertools.product(*(sweep.options[name] for name in names))
    ]
    found = []
    for workload in sweep.workloads:
        batch_sizes = (1,) if sweep.mode == "latency" else sweep.batch_sizes or (workload.batch_size,)
        axes = (combined, batch_sizes, sweep.seeds, sweep.workers, sweep.threads, sweep.devices, sweep.implementations)
        found += [
            Cell(workload.name, implementation.name, device, sweep.mode, batch_size, threads, workers, seed, options)
            for options, batch_size, seed, workers, threads, device, implementation in itertools.product(*axes)
        ]
    return tuple(found)


def order(planned: Sequence[Cell], repeats: int) -> list[tuple[Cell, int]]:
    """Cells and repeats in the order of measuring: there and back again (A B, B A, A B, ...).

    What drifts with time, a processor that grows hot, then falls on every cell alike.
    """
    return [(cell, repeat) for repeat in range(repeats) for cell in (planned if repeat % 2 == 0 else reversed(planned))]


def varying(planned: Sequence[Cell]) -> list[str]:
    """Names of the axes on which these cells differ, the implementation last."""
    names = [name for name in dict.fromkeys(name for cell in planned for name in cell.axes) if name != "implementation"]
    return [name for name in (*names, "implementation") if len({str(cell.axes.get(name)) for cell in planned}) > 1]


def words(option: str, text: str) -> tuple[str, ...]:
    """A comma list without its repetitions.

    Args:
        option: as typed, for the error.
        text: the list.

    Raises:
        UsageError: a place between two commas is empty.
    """
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise UsageError(f"{option} '{text}' has an empty place", "values stand between commas, as in a,b,c")
    return tuple(dict.fromkeys(items))


def numbers(option: str, text: str, kind: Callable[[str], N], least: float) -> tuple[N, ...]:
    """A comma list of numbers without its repetitions.

    Args:
        option: as typed, for the error.
        text: the list.
        kind: `int` or `float`.
        least: the smallest that a number may be.

    Raises:
        UsageError: an item is no such number.

    >>> numbers("--batch-size", "8, 32,8", int, 1)
    (8, 32)
    """
    what = "whole number" if kind is int else "number"
    found: list[N] = []
    for word in words(option, text):
        try:
            value = kind(word)
        except ValueError as error:
            raise UsageError(f"{option} has '{word}', which is not a {what}", f"for example {option} 1,2,4") from error
        if not (value >= least and math.isfinite(value)):
            raise UsageError(f"{option} has {word}", f"{what}s from {least:g}")
        found.append(value)
    return tuple(dict.fromkeys(found))


def chosen(package: str, kind: type[T], what: str, text: str) -> tuple[T, ...]:
    """The values of a package by a comma list of their names, or with `all` every one, the reference first.

    Args:
        package: that `registry.discover` looks in.
        kind: of the values.
        what: option that it is the value of, without dashes.
        text: as typed.

    Raises:
        UsageError: a name that does not exist.
    """
    if text == "all":
        return tuple(sorted(discover(package, kind).values(), key=lambda value: value.name != REFERENCE))
    return tuple(find(package, kind, name) for name in words(f"--{what}", text))


def chosen_devices(implementations: Sequence[Implementation], text: str) -> tuple[str, ...]:
    """Devices by a comma list, or with `all` every one that some implementation can run on.

    Raises:
        UsageError: none of them has such a device.
    """
    known = tuple(dict.fromkeys(device for implementation in implementations for device in implementation.devices))
    names = known if text == "all" else words("--device", text)
    for name in names:
        if name not in known:
            raise unknown("device", name, known)
    return names


def option_axes(texts: Sequence[str], shortcuts: Mapping[str, str | None]) -> dict[str, tuple[Value, ...]]:
    """Options of the workloads: `name=value,value` pairs beside those that have a flag of their own.

    Args:
        texts: as typed after --option.
        shortcuts: comma list by the name of the option, see `SHORTCUTS`; None where the flag is not given.

    Raises:
        UsageError: one is not of that form, or an option is given twice.

    >>> option_axes(["padding=same,seed"], {"kernel_size": "3,5", "layers": None})
    {'kernel_size': (3, 5), 'padding': ('same', 'seed')}
    """
    axes: dict[str, tuple[Value, ...]] = {}
    for name, values in shortcuts.items():
        if values is not None:
            kind, flag = SHORTCUTS[name], f"--{name.replace('_', '-')}"
            axes[name] = words(flag, values) if kind is None else numbers(flag, values, kind, 0)
    for text in texts:
        name, separator, values = text.partition("=")
        if not separator or not name or not values:
            raise UsageError(f"--option '{text}' is not name=value", "for example --option filters1=8,16")
        if name in axes:
            raise UsageError(f"option {name} is given twice", f"put its values in one list: {name}=A,B")
        axes[name] = tuple(dict.fromkeys(_plain(word) for word in words(f"--option {name}", values)))
    return axes


def _plain(word: str) -> Value:
    """A number where it is one, so that it is ordered and drawn as one."""
    for kind in (int, float):
        try:
            value = kind(word)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return word
