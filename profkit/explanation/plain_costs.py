"""Costs of a profile's rows as a step without the tool has them, as far as that can be told.

A tool slows a program unequally: a profiler adds its cost to every call that it records, and Python makes more of them.
What the steps cost without it is measured; the rows are brought down to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

import numpy as np

from profkit.columns import Flags
from profkit.profile import Profile
from profkit.resampling import Values
from profkit.run import Run
from profkit.step_times import first_iteration, outliers, processes
from profkit.summary import Key, Summary, summarise

_ROUNDING = 1e-12
"""Share of a whole that rounding of its parts comes to."""
_CHEAPEST = 0.05
"""Share of all calls below which one is among the cheapest: doing next to nothing, they cost what the tool does."""


class Basis(StrEnum):
    """What costs are given as."""

    PLAIN = auto()
    """Nanoseconds of the steps without the tool."""
    RECORDED = auto()
    """What the tool counted."""
    SHARES = auto()
    """Shares of the whole."""


@dataclass(frozen=True)
class Steps:
    """Costs of whole steps.

    Attributes:
        samples: process after process, without the first of each where it is an outlier, shape (steps,).
        processes: that they are from, equally many of each.
        mean: of all steps, first ones too.
        first: what the first steps add to it.
        factor: how much slower the first step is than the others, in the process where that is most; None where it
            cannot be told.
        slow: what single steps that are far slower than the others add to the mean.
        slow_steps: how many there are.
    """

    samples: Values
    processes: int
    mean: float
    first: float
    factor: float | None
    slow: float
    slow_steps: int


@dataclass(frozen=True)
class PlainCosts:
    """Costs by key, in one unit, a step or in all.

    Attributes:
        keys: of the rows that cost anything.
        samples: shape (keys, steps); of one step more where there is nothing to tell steps apart.
        processes: that the samples are from.
        count: calls a step of each key, 0 where nobody counted, shape (keys,).
        steps: of the whole, from the steps without the tool where they were timed.
        corrected: whether rows were brought down, or up, to those.
        per_call: what the tool is taken to cost a recorded call; the rest of the correction is in proportion.
        under_tool: what a step of rows costs under the tool, in `tool_unit`.
        tool_unit: what the tool counts.
        left: what the mean step has beyond its rows and its first steps: single slow steps without the tool, which no
            row can be blamed for, and holes between the rows.
    """

    keys: tuple[Key, ...]
    samples: Values
    processes: int
    count: Values
    steps: Steps
    corrected: bool
    per_call: float
    under_tool: float
    tool_unit: str
    left: float


def plain_times(run: Run) -> list[Values]:
    """Times of the steps without the tool by process; times that are none (zero, not a number) are left out."""
    count = len(set(run.evidence.processes)) or (run.repeats if len(run.step_ns) == run.steps else 1)
    parts = [part[np.isfinite(part) & (part > 0)] for part in processes(run.step_ns, count)]
    return [part for part in parts if len(part)]


def plain_costs(profile: Profile, by: Sequence[str], basis: Basis, rows: Flags, *, per_step: bool) -> PlainCosts:
    """Costs of some rows of a profile.

    Args:
        profile: to be summed.
        by: columns that make a key.
        basis: what costs are given as; plain times need `plain_times`.
        rows: which rows count, shape (rows,).
        per_step: whether costs are those of a step, or of all the recording; plain times are always of a step.
    """
    summary = summarise(profile, by, rows)
    samples, repeats = _recorded(profile, summary, per_step)
    tool_steps = _steps(_parts(samples.sum(axis=0), repeats))
    plain = plain_times(profile.run) if basis is Basis.PLAIN else []
    steps = _steps(plain) if plain else tool_steps
    samples, repeats = _without_first(samples, repeats, tool_steps)
    under_tool = float(samples.mean(axis=1).sum())
    count = np.array([value or 0 for value in summary.count], float) / _steps_of(profile, per_step)
    factors, per_call = np.ones(len(samples)), 0.0
    if plain:
        wanted = (steps.mean - steps.first - steps.slow) * _seen(profile, tool_steps, under_tool)
        factors, per_call = _factors(samples.mean(axis=1), count, wanted, profile.unit)
    elif basis is Basis.SHARES and under_tool:
        factors /= under_tool
        steps = _steps(_parts(samples.sum(axis=0) / under_tool, repeats))
    costly = np.any(samples, axis=1)  # a row without a cost is no counterpart of one that has some
    samples = samples * factors[:, None]
    return PlainCosts(
        keys=tuple(key for key, kept in zip(summary.keys, costly.tolist(), strict=True) if kept),
        samples=samples[costly],
        processes=repeats,
        count=count[costly],
        steps=steps,
        corrected=bool(plain),
        per_call=per_call,
        under_tool=under_tool,
        tool_unit=profile.unit,
        left=_unless_rounding(steps.mean - steps.first - float(samples.mean(axis=1).sum()), steps.mean),
    )


def _unless_rounding(left: float, whole: float) -> float:
    return left if abs(left) > _ROUNDING * whole else 0.0


def _recorded(profile: Profile, summary: Summary, per_step: bool) -> tuple[Values, int]:
    """Costs of each key in each step, (keys, steps), or (keys, 1), and of how many processes the steps are."""
    steps = _steps_of(profile, per_step)
    if not per_step or summary.per_step is None or not summary.per_step.any():
        return summary.self_cost.astype(float)[:, None] / steps, 1
    repeats = profile.run.repeats or 1
    return summary.per_step.astype(float), repeats if steps % repeats == 0 else 1


def _steps_of(profile: Profile, per_step: bool) -> int:
    """What sums over the recording are divided by."""
    return (profile.run.steps or 1) if per_step else 1


def _seen(profile: Profile, tool_steps: Steps, under_tool: float) -> float:
    """Share of a step that the rows account for: a trace may have holes, the samples of a sampler have none."""
    by_own_clock = [time for time in profile.run.tool_step_ns if time > 0]
    if profile.unit != "ns" or not by_own_clock or not under_tool:
        return 1.0
    # As means of all steps, first ones too.
    return min(tool_steps.mean / float(np.mean(by_own_clock)), 1.0)


def _parts(samples: Values, repeats: int) -> list[Values]:
    return list(samples.reshape(repeats, -1))


def _steps(parts: Sequence[Values]) -> Steps:
    """Sum up whole steps, process by process."""
    every = np.concatenate(parts)
    firsts = [found for found in map(first_iteration, parts) if found is not None]
    factor = max((found.factor for found in firsts), default=None)
    rest = every
    if any(found.outlier for found in firsts):
        # Of all processes, so that they stay equally long.
        parts = [part[1:] for part in parts if len(part) > 1]
        rest = np.concatenate(parts)
    equal = len({len(part) for part in parts}) == 1
    mean = float(every.mean())
    slow = [part[outliers(part)] - np.median(part) for part in parts]
    return Steps(
        samples=rest,
        processes=len(parts) if equal else 1,
        mean=mean,
        first=mean - float(rest.mean()),
        factor=factor,
        slow=float(sum(map(np.sum, slow))) / len(rest),
        slow_steps=sum(map(len, slow)),
    )


def _without_first(samples: Values, repeats: int, steps: Steps) -> tuple[Values, int]:
    """The samples of the rows in the steps that were kept."""
    if len(steps.samples) == samples.shape[1]:
        return samples, repeats
    return samples.reshape(len(samples), repeats, -1)[:, :, 1:].reshape(len(samples), -1), repeats


def _factors(cost: Values, count: Values, wanted: float, unit: str) -> tuple[Values, float]:
    """What to multiply each row with, so that they sum to the step without the tool.

    A profiler's cost is taken off each row by its calls, never below zero; no call costs it more than the cheapest
    recorded ones take. The rest goes in proportion: that is the processor's clock and the neighbours, and what a
    sampler does, which costs nothing a call.

    Returns:
        Factors, shape (keys,), and the cost of a call.
    """
    whole = float(cost.sum())
    if not whole:
        return np.ones(len(cost)), 0.0
    each = 0.0
    if unit == "ns" and count.any() and whole > wanted:
        each = min((whole - wanted) / float(count.sum()), _cheapest(cost, count))
    plain = np.maximum(cost - each * count, 0.0)
    plain = plain * (wanted / float(plain.sum())) if plain.any() else plain
    return np.divide(plain, cost, out=np.ones(len(cost)), where=cost > 0), each


def _cheapest(cost: Values, count: Values) -> float:
    """Cost of one call in the rows with the cheapest calls."""
    called = np.flatnonzero(count > 0)
    order = called[np.argsort(cost[called] / count[called])]
    place = int(np.searchsorted(np.cumsum(count[order]), _CHEAPEST * count.sum()))
    return float(cost[order[place]] / count[order[place]])
