"""Intervals of means that were measured in several processes: hierarchical bootstrap, effect size, what was detectable.

Steps of one process are not independent of each other: they share its memory layout, its processor clock and its
neighbours, and a slow step is followed by slow ones. So processes are drawn first and steps within them. What holds of
one process alone cannot be told from what holds of the program; with a single process steps are all that can be drawn,
and an interval then says nothing of what another process would give.

Percentiles of so few processes are far too narrow: of three, a resample has but ten different compositions. Their
distances from the estimate are therefore stretched until they would be Welch's t interval of the process means if the
resampled means were normal, which leaves them their skew (the correction of Hesterberg, "What teachers should know
about the bootstrap", 2015, by stretching in place of moving percentiles that so few samples do not have).

All functions take rows of samples at once, and every row is resampled alike: the rows of one comparison stay
correlated as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Values = np.ndarray[Any, np.dtype[np.float64]]
Processes = tuple[int, int]

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 2000
_SEED = 2024
_LARGEST_MATRIX = 1 << 20
"""Weights made at a time."""


@dataclass(frozen=True)
class _Side:
    """Samples of one side.

    Attributes:
        samples: shape (rows, units, samples of a unit).
        mean: of each row, shape (rows,).
        variance: of that mean, by the spread of the units' means, shape (rows,); NaN with a single unit.
        units: independent parts: processes, or steps where there is one process.
    """

    samples: Values
    mean: Values
    variance: Values
    units: int

    @staticmethod
    def of(samples: Values, processes: int) -> _Side:
        rows = np.atleast_2d(np.asarray(samples, np.float64))
        units = processes if processes > 1 else rows.shape[1]
        if units == 0 or rows.shape[1] % units:
            raise ValueError(f"{rows.shape[1]} samples are not those of {processes} equal processes")
        rows = rows.reshape(len(rows), units, -1)
        means = rows.mean(axis=2)
        variance = means.var(axis=1, ddof=1) / units if units > 1 else np.full(len(rows), np.nan)
        return _Side(rows, means.mean(axis=1), variance, units)

    def resampled(self, resamples: int, stream: int) -> Values:
        """Means of each row in each resample, shape (rows, resamples); other ones for each stream."""
        rows, units, size = self.samples.shape
        flat = self.samples.reshape(rows, -1)
        at_once = max(_LARGEST_MATRIX // flat.shape[1], 1)
        parts = [
            flat @ _weights(units, size, min(at_once, resamples - first), (_SEED, stream, first))
            for first in range(0, resamples, at_once)
        ]
        return np.concatenate(parts, axis=1)


@lru_cache(maxsize=4)  # the tables of one diff have the same steps
def _weights(units: int, size: int, resamples: int, seed: tuple[int, ...]) -> Values:
    """Weight of each sample in each resample, shape (units * size, resamples): processes drawn, then their steps."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(units, np.full(units, 1 / units), resamples)
    # A process that is drawn twice has its steps drawn anew each time.
    weights = random.multinomial(drawn * size, np.full(size, 1 / size)).reshape(resamples, -1)
    return np.asarray(weights.T / (units * size), np.float64)


def difference(
    baseline: Values,
    candidate: Values,
    processes: Processes = (1, 1),
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> tuple[Values, Values]:
    """Interval of candidate - baseline, of the means.

    Args:
        baseline: samples, shape (rows, samples) or (samples,), process after process, equally many of each.
        candidate: likewise, as many rows.
        processes: how many processes the samples of each side are from.
        level: how often such an interval is to contain the true difference.
        resamples: how many means are drawn.

    Returns:
        Lower and upper ends, shape (rows,) each; NaN where a side has but one sample.

    Raises:
        ValueError: samples do not divide into the processes.

    >>> low, high = difference(np.array([10.0, 11.0, 12.0]), np.array([20.0, 21.0, 22.0]))
    >>> bool(low[0] < 10 < high[0])
    True
    """
    left, right = _Side.of(baseline, processes[0]), _Side.of(candidate, processes[1])
    if min(left.units, right.units) < 2:
        return np.full(len(left.mean), np.nan), np.full(len(left.mean), np.nan)
    drawn = right.resampled(resamples, 1) - left.resampled(resamples, 0)
    freedom = _freedom((left.variance, right.variance), (left.units, right.units))
    return _stretched(right.mean - left.mean, drawn, left.variance + right.variance, freedom, level)


def relative_difference(
    baseline: Values, candidate: Values, processes: Processes = (1, 1), level: float = LEVEL
) -> tuple[Values, Values, Values]:
    """How much larger the candidate's mean is, of the baseline's (0.05 for 5 % more), with its interval.

    Resampled and stretched as a ratio, on a logarithmic scale.

    Args:
        baseline: samples, shape (rows, samples) or (samples,), process after process, equally many of each.
        candidate: likewise, as many rows.
        processes: how many processes the samples of each side are from.
        level: how often such an interval is to contain the true value.

    Returns:
        Estimate, lower and upper end, shape (rows,) each. The ends are NaN where a side has but one sample or a mean
        that is not positive; the estimate only where the baseline's is not.

    Raises:
        ValueError: samples do not divide into the processes.

    >>> estimate, low, high = relative_difference(np.array([9.0, 10.0, 11.0]), np.array([20.0, 21.0, 19.0]))
    >>> float(estimate[0]), bool(0.5 < low[0] < 1 < high[0])
    (1.0, True)
    """
    left, right = _Side.of(baseline, processes[0]), _Side.of(candidate, processes[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(left.mean > 0, right.mean / left.mean, np.nan)
        if min(left.units, right.units) < 2:
            return ratio - 1, np.full(len(ratio), np.nan), np.full(len(ratio), np.nan)
        drawn = np.log(right.resampled(RESAMPLES, 1)) - np.log(left.resampled(RESAMPLES, 0))
        variances = left.variance / left.mean**2, right.variance / right.mean**2
        freedom = _freedom(variances, (left.units, right.units))
        low, high = _stretched(np.log(ratio), drawn, variances[0] + variances[1], freedom, level)
    usable = (left.mean > 0) & (right.mean > 0) & np.isfinite(drawn).all(axis=1)
    return ratio - 1, np.where(usable, np.expm1(low), np.nan), np.where(usable, np.expm1(high), np.nan)


def detectable_difference(
    baseline: Values, candidate: Values, processes: Processes = (1, 1), level: float = LEVEL, power: float = POWER
) -> Values:
    """The smallest true difference of the means that such measurements find in `power` of all cases.

    Two-sided at `level`, by the t distribution with the Welch-Satterthwaite degrees of freedom.

    Returns:
        In the unit of the samples, shape (rows,); NaN where a side has but one sample.

    Raises:
        ValueError: samples do not divide into the processes.
    """
    from scipy.special import stdtrit

    left, right = _Side.of(baseline, processes[0]), _Side.of(candidate, processes[1])
    freedom = _freedom((left.variance, right.variance), (left.units, right.units))
    quantiles = stdtrit(freedom, (1 + level) / 2) + stdtrit(freedom, power)
    return np.asarray(quantiles * np.sqrt(left.variance + right.variance), np.float64)


def effect_size(baseline: Values, candidate: Values) -> float:
    """Cliff's delta: how much more often a step of the candidate costs more than one of the baseline than less.

    From -1 (each costs less) over 0 to 1 (each costs more). By ranks, because step times are skewed and have outliers,
    which would decide a standardised difference of means.

    Args:
        baseline: samples, shape (samples,).
        candidate: likewise.

    Returns:
        NaN where a side has no sample.

    >>> effect_size(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0]))
    0.8333333333333334
    """
    pairs = len(baseline) * len(candidate)
    if not pairs:
        return float("nan")
    ordered = np.sort(baseline)
    less = np.searchsorted(ordered, candidate, "left").sum()
    more = len(candidate) * len(baseline) - np.searchsorted(ordered, candidate, "right").sum()
    return float((less - more) / pairs)


def _freedom(variances: tuple[Values, Values], units: Processes) -> Values:
    """Degrees of freedom of the sum of two variances of means, after Welch and Satterthwaite; 1 where both are zero."""
    whole = variances[0] + variances[1]
    parts = sum(variance**2 / max(size - 1, 1) for variance, size in zip(variances, units, strict=True))
    return np.divide(whole**2, parts, out=np.ones_like(whole), where=np.asarray(parts) > 0)


def _stretched(
    estimate: Values, drawn: Values, variance: Values, freedom: Values, level: float
) -> tuple[Values, Values]:
    """Percentiles of `drawn` about `estimate`, stretched to the width that t has for that variance."""
    from scipy.special import ndtri, stdtrit

    tail = (1 - level) / 2
    spread = drawn.std(axis=1)
    wanted = stdtrit(freedom, 1 - tail) * np.sqrt(variance)
    stretch = np.divide(wanted, ndtri(1 - tail) * spread, out=np.zeros_like(spread), where=spread > 0)
    ends = np.quantile(drawn, [tail, 1 - tail], axis=1)
    low, high = estimate + (ends - estimate) * stretch
    return np.minimum(low, estimate), np.maximum(high, estimate)
