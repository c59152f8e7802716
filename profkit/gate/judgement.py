"""Judge a relative difference against a limit: exactly, or by its interval, alone or in a family of rows.

Steps of one process say nothing of how the next process would do: addresses, processor clock and neighbours differ.
With two processes a side and more, an interval is that of processes. With fewer it is widened by `PROCESS_DEVIATION`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto

import numpy as np

from profkit.resampling import LEVEL, Values, relative_difference
from profkit.summary import Key

ENOUGH_PROCESSES = 2
"""The fewest that have a spread; Welch's interval is wide enough for two."""
PROCESS_DEVIATION = 0.05
"""Standard deviation between processes of one program, relative to a step, that is assumed where it was not measured.

Layout of addresses alone moves programs by several per cent (Mytkowicz and others, "Producing wrong data without doing
anything obviously wrong!", 2009); on shared machines it is more.
"""
_NOTHING = -1 + 1e-9
"""An interval that reaches down to no cost at all is as wide as can be."""


class Verdict(StrEnum):
    """What is known of a difference, worst first."""

    PAST = auto()
    UNSURE = auto()
    UNDECIDED = auto()
    WITHIN = auto()


@dataclass(frozen=True)
class Judgement:
    """One row, or the total.

    Attributes:
        key: values of the columns judged by; empty of the total.
        device: `cpu`, or `device` for what ran beside it.
        baseline: cost a step, or in all; None where there is none.
        candidate: likewise.
        change: candidate over baseline, less one; None where it cannot be told.
        low: lower end of its interval; equal to `change` where counts are exact.
        high: upper end.
        share: of the whole, the larger of both sides.
        verdict: past the limit, unsure (the limit is in the interval), within it, or undecided.
        reason: why it is undecided.
    """

    key: Key
    device: str
    baseline: float | None
    candidate: float | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    share: float = 1.0
    verdict: Verdict = Verdict.UNDECIDED
    reason: str = ""


def exact(row: Judgement, costs: Sequence[float], limit: float) -> Judgement:
    """A judgement of counts that repeat: any difference is one.

    Args:
        row: what is judged.
        costs: of the baseline and of the candidate.
        limit: allowed relative difference.

    >>> exact(Judgement(("aten::mm",), "cpu", None, None), (1000.0, 1051.0), 0.05).verdict
    <Verdict.PAST: 'past'>
    """
    row = replace(row, baseline=costs[0], candidate=costs[1])
    if costs[0] <= 0:
        return replace(row, reason="the baseline has no cost")
    change = (costs[1] - costs[0]) / costs[0]
    verdict = Verdict.PAST if change > limit else Verdict.WITHIN
    return replace(row, change=change, low=change, high=change, verdict=verdict)


def judged(
    row: Judgement, samples: Sequence[Values], processes: tuple[int, int], limit: float, level: float = LEVEL
) -> Judgement:
    """A judgement of measured costs, by the interval of their relative difference.

    Args:
        row: what is judged.
        samples: costs of the steps of the baseline and of the candidate, process after process, shape (steps,) each.
        processes: how many processes they are from.
        limit: allowed relative difference.
        level: of the interval.
    """
    row = replace(row, baseline=float(samples[0].mean()), candidate=float(samples[1].mean()))
    reason = _unusable(samples)
    if reason:
        return replace(row, reason=reason)
    used = used_processes(samples, processes)
    found = relative_difference(samples[0], samples[1], used, level)
    change, low, high = (float(values[0]) for values in found)
    if not all(map(math.isfinite, (change, low, high))):
        return replace(row, reason="there is no interval")
    low, high = _widened(change, low, high, used, level)
    verdict = Verdict.PAST if low > limit else Verdict.WITHIN if high <= limit else Verdict.UNSURE
    return replace(row, change=change, low=low, high=high, verdict=verdict, reason="")


def used_processes(samples: Sequence[Values], processes: tuple[int, int]) -> tuple[int, int]:
    """The processes that samples can be told apart by: one, where they are not equally many of each."""
    left, right = (count if len(values) % count == 0 else 1 for values, count in zip(samples, processes, strict=True))
    return left, right


def _unusable(samples: Sequence[Values]) -> str:
    """Why no interval can be made of these; empty where it can."""
    for side, values in zip("AB", samples, strict=True):
        if len(values) < 2:
            return f"{side} has a single step"
        if not np.isfinite(values).all():
            return f"{side} has steps without a time (NaN or infinite)"
        if not values.mean() > 0:
            return f"{side} has no cost"
    return ""


def _widened(change: float, low: float, high: float, processes: Sequence[int], level: float) -> tuple[float, float]:
    """The interval with the spread between processes that it could not see, on a logarithmic scale."""
    if min(processes) >= ENOUGH_PROCESSES:
        return low, high
    from scipy.special import ndtri

    unseen = PROCESS_DEVIATION * math.sqrt(sum(1 / count for count in processes)) * float(ndtri((1 + level) / 2))
    middle = math.log1p(change)
    if low <= _NOTHING or not middle > math.log1p(_NOTHING):
        return low, high
    below = math.hypot(middle - math.log1p(low), unseen)
    above = math.hypot(math.log1p(high) - middle, unseen)
    return math.expm1(middle - below), math.expm1(middle + above)


def family(rows: Sequence[tuple[Judgement, list[Values]]], processes: tuple[int, int], limit: float) -> list[Judgement]:
    """Judge many rows so that the chance of a false alarm among all of them stays that of one (Holm, 1979).

    Args:
        rows: what is judged, each with the samples of `judged`.
        processes: likewise.
        limit: likewise.

    Returns:
        In the order of the rows; each row past the limit leaves the others a family smaller by one.
    """
    past: dict[int, Judgement] = {}
    while True:
        level = 1 - (1 - LEVEL) / max(len(rows) - len(past), 1)
        others = {
            place: judged(row, samples, processes, limit, level)
            for place, (row, samples) in enumerate(rows)
            if place not in past
        }
        more = {place: row for place, row in others.items() if row.verdict is Verdict.PAST}
        if not more:
            found = past | others
            return [found[place] for place in range(len(rows))]
        past |= more
