"""Measures: from the reports of single runs to medians with intervals, and the tables that are saved of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from profkit.machine import Machine
from profkit.sweep import Cell, varying

CONFIDENCE = 0.95

PHASES = ("data", "host_to_device", "forward", "backward", "optimizer")
MEMORY = ("rss_bytes", "peak_rss_bytes", "device_allocated_bytes", "device_reserved_bytes", "device_peak_bytes")
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_l1", "test_l2")

METRICS: Mapping[str, str] = {
    "step_p50_ms": "median time of a step [ms]",
    "step_p90_ms": "time that 90 % of the steps do not exceed [ms]",
    "step_p95_ms": "time that 95 % of the steps do not exceed [ms]",
    "step_p99_ms": "time that 99 % of the steps do not exceed [ms]",
    "epoch_s": "median time of an epoch, steps only [s]",
    "total_s": "time of all steps [s]",
    **{f"{phase}_s": f"of that, in {phase}: mean of an epoch, with --steps of a step [s]" for phase in PHASES},
    "other_s": "likewise, outside of these phases [s]",
    "samples_per_s": "all samples over the time of all steps [1/s]",
    **dict.fromkeys(SCORES, "of the last epoch"),
    "load_s": "reading the data files by the program's own reader [s]",
    "compile_s": "compiling kernels before the first step [s]",
    **dict.fromkeys(MEMORY, "of the process or its device [byte]"),
    "improvement": "share of the baseline's time that is saved, repeat by repeat; negative where it is slower",
}
"""What is known of a run; null where it is not."""

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Measured:
    """One finished run in numbers.

    Attributes:
        cell: what ran.
        repeat: which fresh process, from 0.
        values: by the names of `METRICS`, without `improvement`.
        epochs: as the report has them.
    """

    cell: Cell
    repeat: int
    values: Values
    epochs: tuple[Mapping[str, float | None], ...] = ()


@dataclass(frozen=True)
class Omission:
    """A cell, or one run of it, that has no numbers.

    Attributes:
        cell: which.
        kind: `skipped` (it cannot run here), `failed` or `disagrees`.
        reason: in words.
        repeat: of a failed run; None for the whole cell.
    """

    cell: Cell
    kind: str
    reason: str
    repeat: int | None = None


@dataclass(frozen=True)
class Results:
    """All that a benchmark found.

    Attributes:
        configuration: of the sweep, see `Sweep.configuration`.
        machine: where it ran.
        versions: of the libraries it ran with.
        runs: finished ones, those of earlier invocations included.
        omissions: what is missing, and why.
    """

    configuration: Mapping[str, Any]
    machine: Machine
    versions: Mapping[str, str]
    runs: tuple[Measured, ...]
    omissions: tuple[Omission, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those with at least one finished run, in the order of the sweep."""
        return tuple(dict.fromkeys(run.cell for run in self.runs))

    @property
    def baseline(self) -> str:
        """Name of the implementation that the others are compared with: the first one given."""
        return str(self.configuration["implementation"][0])

    @property
    def time(self) -> str:
        """The metric that says how long it takes: an epoch, or where there are none a step."""
        return "epoch_s" if self.configuration["epochs"] else "step_p50_ms"


@dataclass(frozen=True)
class Estimate:
    """Median over the repeats.

    Attributes:
        median: of the repeats.
        low: end of its interval; None for a single repeat.
        high: the other end.
        coverage: probability that such an interval holds the true median, exact for any distribution.
        repeats: how many there are.
    """

    median: float
    low: float | None
    high: float | None
    coverage: float
    repeats: int


@dataclass(frozen=True)
class Summary:
    """A cell over its repeats.

    Attributes:
        cell: which.
        repeats: finished ones.
        values: by the names of `METRICS`; None where the runs do not know.
    """

    cell: Cell
    repeats: int
    values: Mapping[str, Estimate | None]


def values_of(report: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of one run.

    Args:
        report: of the program; times in ns.

    Returns:
        By the names of `METRICS`, without `improvement`.
    """
    steps, epochs = sorted(report["step_ns"]), report["epochs"]
    total = sum(steps)
    units = len(epochs) or len(steps)
    phases = {name: sum(report["phase_ns"].get(name, ())) for name in PHASES}
    last = epochs[-1] if epochs else {}
    return {
        "step_p50_ms": median(steps) / 1e6,
        **{f"step_p{percent}_ms": _rank(steps, percent) / 1e6 for percent in (90, 95, 99)},
        "epoch_s": median(epoch["epoch_ns"] for epoch in epochs) / 1e9 if epochs else None,
        "total_s": total / 1e9,
        **{f"{name}_s": time / units / 1e9 for name, time in phases.items()},
        "other_s": (total - sum(phases.values())) / units / 1e9,
        "samples_per_s": sum(report["samples"]) / total * 1e9,
        **{score: last.get(score) for score in SCORES},
        "load_s": _seconds(report.get("load_ns")),
        "compile_s": _seconds(report.get("compile_ns")),
        **{name: report["memory"].get(name) for name in MEMORY},
    }


def interval_rank(count: int) -> tuple[int, float]:
    """Which order statistics bound the median of a sample.

    The k-th smallest and the k-th largest of n values hold the median of their distribution, whatever it is, with
    probability 1 - 2 P(B < k), where B is binomial with n trials of 1/2 (David and Nagaraja, Order Statistics, 7.1).

    Args:
        count: of values, 1 or more.

    Returns:
        The largest k that reaches 95 %, or 1 where none does, and the exact probability.

    >>> interval_rank(3)
    (1, 0.75)
    >>> interval_rank(6)
    (1, 0.96875)
    """
    best, below = (1, 1 - 2 / 2**count), 1 / 2**count
    for rank in range(2, count // 2 + 1):
        below += math.comb(count, rank - 1) / 2**count
        if 1 - 2 * below < CONFIDENCE:
            break
        best = rank, 1 - 2 * below
    return best


def estimate(values: Sequence[float]) -> Estimate | None:
    """Median and interval; None where there are no values."""
    if not values:
        return None
    count, in_order = len(values), sorted(values)
    rank, coverage = interval_rank(count)
    if count == 1:
        return Estimate(in_order[0], None, None, 0.0, 1)
    return Estimate(median(in_order), in_order[rank - 1], in_order[-rank], coverage, count)


def improvement(run: Measured, runs: Mapping[tuple[Cell, int], Measured], results: Results) -> float | None:
    """Share of the baseline's time that a run saves, against the baseline's run of the same repeat.

    Args:
        run: of any implementation.
        runs: all of them by cell and repeat.
        results: that they are of.

    Returns:
        None for the baseline itself and where its run is missing.
    """
    other = runs.get((run.cell.by(results.baseline), run.repeat))
    if other is None or other is run:
        return None
    time, baseline = run.values[results.time], other.values[results.time]
    return 1 - time / baseline if time is not None and baseline else None


def complete(results: Results) -> list[tuple[Measured, dict[str, float | None]]]:
    """Every run with all values, its improvement over the baseline included."""
    runs = {(run.cell, run.repeat): run for run in results.runs}
    return [(run, {**run.values, "improvement": improvement(run, runs, results)}) for run in results.runs]


def summarise(results: Results) -> list[Summary]:
    """Every cell over its repeats."""
    runs = complete(results)
    summaries = []
    for cell in results.cells:
        own = [values for run, values in runs if run.cell == cell]
        columns = {name: [values[name] for values in own] for name in METRICS}
        known = {name: [value for value in column if value is not None] for name, column in columns.items()}
        summaries.append(Summary(cell, len(own), {name: estimate(column) for name, column in known.items()}))
    return summaries


Table = tuple[list[str], list[list[Any]]]
"""Heads and rows."""


def cell_table(results: Results) -> Table:
    """One row a cell: its axes, its repeats, and of every metric median, low and high."""
    axes = _axes(results)
    parts = [(name, part) for name in METRICS for part in ("median", "low", "high")]
    heads = [*axes, "repeats", "coverage", *(name if part == "median" else f"{name}_{part}" for name, part in parts)]
    rows = []
    for summary in summarise(results):
        numbers = [getattr(summary.values[name], part, None) for name, part in parts]
        rows.append([*_place(summary.cell, axes), summary.repeats, interval_rank(summary.repeats)[1], *numbers])
    return heads, rows


def run_table(results: Results) -> Table:
    """One row a run."""
    axes = _axes(results)
    rows = [
        [*_place(run.cell, axes), run.repeat, *(values[name] for name in METRICS)] for run, values in complete(results)
    ]
    return [*axes, "repeat", *METRICS], rows


def epoch_table(results: Results) -> Table:
    """One row a run and epoch, with the columns of the programs' reports."""
    axes = _axes(results)
    columns = list(dict.fromkeys(name for run in results.runs for epoch in run.epochs for name in epoch))
    rows = [
        [*_place(run.cell, axes), run.repeat, *(epoch.get(name) for name in columns)]
        for run in results.runs
        for epoch in run.epochs
    ]
    return [*axes, "repeat", *columns], rows


def results_json(results: Results) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "configuration": dict(results.configuration),
        "machine": {**asdict(results.machine), "fingerprint": results.machine.fingerprint},
        "versions": dict(results.versions),
        "baseline": results.baseline,
        "varying": varying(results.cells),
        "metrics": dict(METRICS),
        "cells": [
            {
                **_cell_json(summary.cell),
                "repeats": summary.repeats,
                "values": {name: value and asdict(value) for name, value in summary.values.items()},
            }
            for summary in summarise(results)
        ],
        "runs": [
            {**_cell_json(run.cell), "repeat": run.repeat, "values": values, "epochs": [dict(e) for e in run.epochs]}
            for run, values in complete(results)
        ],
        "omissions": [
            {**_cell_json(each.cell), "repeat": each.repeat, "kind": each.kind, "reason": each.reason}
            for each in results.omissions
        ],
    }


def _cell_json(cell: Cell) -> dict[str, Any]:
    return {"key": cell.key, **asdict(cell), "options": dict(cell.options)}


def _axes(results: Results) -> list[str]:
    """Every axis, whether it varies or not: a saved table stands alone."""
    return list(dict.fromkeys(name for cell in results.cells for name in cell.axes))


def _place(cell: Cell, axes: Sequence[str]) -> list[Any]:
    return [cell.axes.get(name) for name in axes]


def _rank(in_order: Sequence[int], percent: int) -> int:
    """The smallest value that `percent` of all do not exceed (nearest rank: it is one that was measured)."""
    return in_order[math.ceil(percent * len(in_order) / 100) - 1]


def _seconds(time: float | None) -> float | None:
    return None if time is None else time / 1e9
