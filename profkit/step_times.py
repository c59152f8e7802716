"""What the times of steps tell by themselves: a cold first step, drift over the run, and single slow steps.

All of it holds against medians, because what is looked for would move a mean. Times that are no number or infinite
are left out, and where the median is not above zero nothing is found: a share of it would mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Times: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.integer[Any]]

FEWEST_STEPS = 5
"""With fewer, one slow step is as likely to be the rule as the exception."""
FEWEST_FOR_DRIFT = 8
"""Six in perfect order are the fewest that chance explains in less than one case of a hundred; two may be out of it."""
FAR = 3.5
"""Modified z-score of an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
SLOW = 1.5
"""A step is slow from this multiple of the median on: frequency steps and a neighbour's caches stay below it, and one
time slice that another process takes from a step of milliseconds is above it."""
COMMON = 0.05
"""Where this share of the steps is as slow as the first, the first is none of a kind."""
CHANCE = 0.01
"""Drift is no chance below this probability: one steady run of a hundred passes for drifting."""
NOTABLE_DRIFT = 0.05
"""Change over the run, as a share of the median, from which it matters: less is what a warming processor does."""
PARTS = 1000
"""Blocks whose medians stand for a longer run, because the slope is that of all pairs."""

_NORMAL = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


@dataclass(frozen=True)
class FirstStep:
    """The first step against the rest.

    Attributes:
        factor: its time over the median of the others.
        outlier: whether it is slower than chance and noise explain.
    """

    factor: float
    outlier: bool


@dataclass(frozen=True)
class Drift:
    """How steps get slower or faster while the program runs.

    Attributes:
        change: from the first step to the last, as a share of the median step; negative where they get faster.
            Theil-Sen slope, which a quarter of outliers does not move.
        p: probability of such an order of steps by chance (Mann-Kendall test).
        excess: median step over the faster end of the slope, less one: what the drift adds to the median, never below
            zero.
        significant: whether it is neither chance nor too little to matter.
    """

    change: float
    p: float
    excess: float
    significant: bool


def processes(times: Sequence[float], repeats: int | None) -> list[Times]:
    """The times of each fresh process.

    Args:
        times: process after process.
        repeats: how many there were; None for one.

    Returns:
        One array a process; a single one of all where they cannot be of equal length.
    """
    values = np.asarray(times, np.float64)
    if not len(values):
        return []
    count = repeats if repeats and repeats > 0 and len(values) % repeats == 0 else 1
    return list(values.reshape(count, -1))


def first_iteration(times: Sequence[float] | Times) -> FirstStep | None:
    """Test the first step for being an outlier.

    Args:
        times: of the steps of one process.

    Returns:
        None where there are fewer than five steps or no time to speak of.

    >>> first_iteration([300, 100, 101, 99, 100, 102])
    FirstStep(factor=3.0, outlier=True)
    >>> first_iteration([104, 100, 101, 99, 100, 102]).outlier
    False
    """
    values = np.asarray(times, np.float64)
    if not len(values) or not np.isfinite(values[0]):
        return None
    rest = _numbers(values[1:])
    middle = _middle(rest)
    if len(rest) < FEWEST_STEPS - 1 or middle is None:
        return None
    first = float(values[0])
    alone = float(np.mean(rest >= first)) < COMMON
    return FirstStep(first / middle, bool(alone and _slow(np.array([first]), rest)[0]))


def drift(times: Sequence[float] | Times) -> Drift | None:
    """Test the steps of one process for a trend.

    Args:
        times: of the steps of one process.

    Returns:
        None where there are fewer than eight steps or no time to speak of.
    """
    values = _numbers(times)
    middle = _middle(values)
    if len(values) < FEWEST_FOR_DRIFT or middle is None:
        return None
    if np.all(values == values[0]):
        return Drift(0.0, 1.0, 0.0, False)
    blocks = np.array([np.median(part) for part in np.array_split(values, min(len(values), PARTS))])
    slope, p = _trend(blocks)
    change = slope * (len(blocks) - 1) / middle
    # A curve may be so steep that its line falls below zero; its least step is the fast end then.
    fast = max(1 - abs(change) / 2, float(np.min(values[values > 0])) / middle)
    return Drift(change, p, max(1 / fast - 1, 0.0), p < CHANCE and abs(change) > NOTABLE_DRIFT)


def _trend(values: Times) -> tuple[float, float]:
    """Theil-Sen slope, and the p value of the Mann-Kendall test with its correction for ties.

    As scipy.stats has them, but importing that takes longer than all the rest of a diff.
    """
    size = len(values)
    earlier, later = np.triu_indices(size, 1)
    steps = values[later] - values[earlier]
    score = float(np.sign(steps).sum())
    _, ties = np.unique(values, return_counts=True)
    variance = (size * (size - 1) * (2 * size + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    # The score goes by twos: one less is the middle of its step. Blocks of a long run may all have one median.
    z = max(abs(score) - 1, 0) / sqrt(variance) if variance > 0 else 0.0
    return float(np.median(steps / (later - earlier))), erfc(z / sqrt(2))


def outliers(times: Sequence[float] | Times) -> Indices:
    """Places of the steps that are far slower than the others, as after a sleep or a preemption.

    Fast ones are none: nothing makes a step faster by accident.

    Args:
        times: of the steps of one process.

    >>> outliers([100, 101, 99, 500, 100, 102]).tolist()
    [3]
    """
    values = np.asarray(times, np.float64)
    rest = _numbers(values)
    if len(rest) < FEWEST_STEPS or _middle(rest) is None:
        return np.zeros(0, np.intp)
    return np.flatnonzero(_slow(values, rest))


def _numbers(times: Sequence[float] | Times) -> Times:
    values = np.asarray(times, np.float64)
    return values[np.isfinite(values)]


def _middle(values: Times) -> float | None:
    """The median; None where there is none above zero."""
    middle = float(np.median(values)) if len(values) else 0.0
    return middle if middle > 0 else None


def _slow(values: Times, others: Times) -> npt.NDArray[np.bool_]:
    """Which values are both improbably and notably above the median of others, shape (values,)."""
    middle = np.median(others)
    deviation = _NORMAL * np.median(np.abs(others - middle))
    return np.isfinite(values) & (values > middle + FAR * deviation) & (values > SLOW * middle)
