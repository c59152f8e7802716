"""Reports and results of benchmarks from literals, for the tests of measures, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profkit.machine import Machine
from profkit.measures import Measured, Omission, Results, values_of
from profkit.options import Value
from profkit.sweep import Cell

MACHINE = Machine("a processor", "avx2", 2, 2**30, "Linux 6")


def cell(implementation: str = "pytorch", batch_size: int = 8, mode: str = "train", **options: Value) -> Cell:
    return Cell("convnet", implementation, "cpu", mode, batch_size, 1, 0, 0, tuple(sorted(options.items())))


def report(step_ms: Sequence[int], batch_size: int = 8, epochs: int = 0) -> dict[str, Any]:
    """What a program says of these steps: a tenth of each is data, half forward, three tenths backward."""
    step_ns = [time * 10**6 for time in step_ms]
    parts = {"data": 10, "host_to_device": 0, "forward": 50, "backward": 30, "optimizer": 5}
    phases = {name: [time * percent // 100 for time in step_ns] for name, percent in parts.items()}
    each = len(step_ns) // epochs if epochs else 0
    return {
        "mode": "train",
        "step_ns": step_ns,
        "samples": [batch_size] * len(step_ns),
        "phase_ns": phases,
        "losses": [],
        "epochs": [_epoch(number, step_ns[number * each : (number + 1) * each]) for number in range(epochs)],
        "load_ns": None,
        "compile_ns": 2_500_000_000,
        "memory": {"rss_bytes": 2**28, "peak_rss_bytes": 2**29, "device_peak_bytes": None},
        "versions": {"torch": "2.13.0"},
    }


def _epoch(number: int, step_ns: Sequence[int]) -> dict[str, float | None]:
    return {
        "epoch": number,
        "samples": 8 * len(step_ns),
        "epoch_ns": sum(step_ns),
        "train_loss": 2.0 / (number + 1),
        "train_accuracy": 0.25 * (number + 1),
        "test_loss": 2.2 / (number + 1),
        "test_accuracy": 0.2 * (number + 1),
        "test_l1": None,
        "test_l2": None,
    }


def results(
    runs: Sequence[tuple[Cell, dict[str, Any]]], omissions: Sequence[Omission] = (), **configuration: object
) -> Results:
    """Of these runs; those of one cell are its repeats, in their order."""
    seen: dict[Cell, int] = {}
    measured = []
    for place, said in runs:
        measured.append(Measured(place, seen.get(place, 0), values_of(said), tuple(said["epochs"])))
        seen[place] = seen.get(place, 0) + 1
    implementations = list(dict.fromkeys(place.implementation for place, _ in runs))
    settled = {"implementation": implementations, "mode": "train", "epochs": None, "steps": 4, "subset": None}
    return Results({**settled, **configuration}, MACHINE, {"torch": "2.13.0"}, tuple(measured), tuple(omissions))
