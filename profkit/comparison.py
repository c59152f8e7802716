"""Diff: align two operator tables and say for each row how much the candidate differs, and how surely.

Costs are compared per step where both recordings have steps, else as a whole. Only equal units are subtracted:
profiles of different units, or samples of different periods, are compared by the shares of their own wholes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from profkit.profile import Profile
from profkit.resampling import LEVEL, Values, detectable_difference, difference, effect_size
from profkit.run import Run
from profkit.summary import Key, Summary, is_host, summarise

Pair = tuple[tuple[Key, ...], tuple[Key, ...]]

SHARES = "share"
FINEST = ("layer", "phase", "operator")


@dataclass(frozen=True)
class Row:
    """One aligned row.

    Attributes:
        key: values of the columns compared by.
        baseline: cost a step (or in all) in the unit of the diff; None where the baseline has no such row.
        candidate: likewise.
        baseline_share: of the baseline's whole.
        candidate_share: likewise.
        low: lower end of the 95 % interval of candidate - baseline; None where there is none.
        high: its upper end.
        keys: what the row is the sum over, in the baseline and in the candidate.
        effect_size: Cliff's delta of the candidate's steps against the baseline's, from -1 (each costs less) to 1;
            None where there is no interval.
        detectable: smallest true difference that measurements with this spread find in four of five cases; None
            where there is no interval.
    """

    key: Key
    baseline: float | None
    candidate: float | None
    baseline_share: float
    candidate_share: float
    low: float | None = None
    high: float | None = None
    keys: Pair = ((), ())
    effect_size: float | None = None
    detectable: float | None = None

    @property
    def delta(self) -> float:
        """Candidate minus baseline; a missing row costs nothing."""
        return (self.candidate or 0.0) - (self.baseline or 0.0)

    @property
    def verdict(self) -> str:
        """`only in baseline`, `only in candidate`, `same` (the interval contains zero), `more` or `less`."""
        if self.candidate is None:
            return "only in baseline"
        if self.baseline is None:
            return "only in candidate"
        if self.delta == 0 or (self.low is not None and self.high is not None and self.low <= 0 <= self.high):
            return "same"
        return "more" if self.delta > 0 else "less"


@dataclass(frozen=True)
class Diff:
    """Two profiles side by side.

    Attributes:
        baseline: run of the first profile.
        candidate: run of the second.
        by: the columns that rows were aligned by.
        unit: ns, instructions, samples, or `share` where the two cannot be subtracted.
        units: of the two profiles.
        exact: whether costs are counts that repeat, so that rows need no interval.
        per_step: whether costs are per step.
        device: `cpu`, or `device` for what ran beside it at the same time.
        total: the whole.
        rows: largest difference first.
        processes: that the steps of each side are from; where both have several, intervals are of processes and steps
            (`resampling`), else of steps alone (Welch): what another process would give they cannot tell.
    """

    baseline: Run
    candidate: Run
    by: tuple[str, ...]
    unit: str
    units: tuple[str, str]
    exact: bool
    per_step: bool
    device: str
    total: Row
    rows: tuple[Row, ...]
    processes: tuple[int, int] = (1, 1)


def diff(baseline: Profile, candidate: Profile, by: Sequence[str] = FINEST, device: str = "cpu") -> Diff:
    """Compare two profiles row by row.

    Args:
        baseline: first profile.
        candidate: second profile.
        by: columns to align by. With layer, phase and operator, operators of one place that only one side has are
            set against those that only the other has, because languages decompose the same layer differently.
        device: `cpu` for costs of the processor, `device` for kernels that ran beside it.
    """
    unit = baseline.unit if baseline.counts_like(candidate) else SHARES
    per_step = bool(baseline.run.steps and candidate.run.steps)
    sides = [
        _Side.of(profile, summarise(profile, by, is_host(profile) == (device == "cpu")), per_step, unit)
        for profile in (baseline, candidate)
    ]
    pairs: list[Pair] = [((key,), (key,)) for key in dict.fromkeys((*sides[0].index, *sides[1].index))]
    if tuple(by) == FINEST:
        pairs = _match_decompositions(pairs, sides[0], sides[1])
    exact = unit == "instructions"
    everything = tuple(sides[0].index), tuple(sides[1].index)
    total, *rows = _rows([everything, *pairs], sides[0], sides[1], exact)
    return Diff(
        baseline=baseline.run,
        candidate=candidate.run,
        by=tuple(by),
        unit=unit,
        units=(baseline.unit, candidate.unit),
        exact=exact,
        per_step=per_step,
        device=device,
        total=replace(total, key=()),
        rows=tuple(sorted(rows, key=lambda row: -abs(row.delta))),
        processes=(sides[0].processes, sides[1].processes),
    )


@dataclass(frozen=True)
class _Side:
    """Costs of one profile by key.

    Attributes:
        index: row of each key.
        samples: costs of each key, (keys, steps), or (keys, 1) where there are no steps, or none to tell apart.
        whole: sum over all keys, of which shares are taken.
        processes: that the samples are from, equally many of each.
    """

    index: dict[Key, int]
    samples: Values
    whole: float
    processes: int

    @staticmethod
    def of(profile: Profile, summary: Summary, per_step: bool, unit: str) -> _Side:
        """Costs in `unit` from the sums of a profile."""
        whole_cost = summary.self_cost.astype(float)[:, None] / ((profile.run.steps or 1) if per_step else 1)
        samples = summary.per_step.astype(float) if per_step and summary.per_step is not None else whole_cost
        whole = float(samples.mean(axis=1).sum())
        if unit == SHARES and whole:
            samples = samples / whole
        processes = profile.run.repeats or 1
        return _Side(
            index={key: row for row, key in enumerate(summary.keys)},
            samples=samples,
            whole=1.0 if unit == SHARES else whole,
            # Steps that are not equally many of each process cannot be told apart by their process.
            processes=processes if samples.shape[1] >= processes and samples.shape[1] % processes == 0 else 1,
        )

    def cost(self, keys: Sequence[Key]) -> Values | None:
        """Samples of the sum of some keys, (steps,); None where this side has none of them."""
        rows = [self.index[key] for key in keys if key in self.index]
        return self.samples[rows].sum(axis=0) if rows else None


def _rows(pairs: Sequence[Pair], baseline: _Side, candidate: _Side, exact: bool) -> list[Row]:
    """Align the sum of some of the baseline's keys with the sum of some of the candidate's, pair by pair."""
    costs = [(baseline.cost(left), candidate.cost(right)) for left, right in pairs]
    spreads = iter(
        [] if exact else _spreads([(a, b) for a, b in costs if a is not None and b is not None], baseline, candidate)
    )
    rows = []
    for (left, right), (before, after) in zip(pairs, costs, strict=True):
        means = [None if samples is None else float(samples.mean()) for samples in (before, after)]
        shares = [
            (cost or 0.0) / side.whole if side.whole else 0.0
            for cost, side in zip(means, (baseline, candidate), strict=True)
        ]
        spread = _NO_SPREAD if before is None or after is None else next(spreads, _NO_SPREAD)
        rows.append(
            Row(
                key=_joined(left, right) if left and right else (),
                baseline=means[0],
                candidate=means[1],
                baseline_share=shares[0],
                candidate_share=shares[1],
                keys=(tuple(left), tuple(right)),
                **asdict(spread),
            )
        )
    return rows


@dataclass(frozen=True)
class _Spread:
    """How sure the difference of one row is; the same as in `Row`."""

    low: float | None = None
    high: float | None = None
    effect_size: float | None = None
    detectable: float | None = None


_NO_SPREAD = _Spread()


def _spreads(costs: Sequence[tuple[Values, Values]], baseline: _Side, candidate: _Side) -> list[_Spread]:
    """How sure the difference of each row is that both sides have."""
    processes = baseline.processes, candidate.processes
    if not costs or min(side.samples.shape[1] for side in (baseline, candidate)) < 2:
        return [_NO_SPREAD] * len(costs)
    sides = np.stack([before for before, _ in costs]), np.stack([after for _, after in costs])
    if min(processes) > 1:
        ends = list(zip(*(end.tolist() for end in difference(*sides, processes)), strict=True))
    else:
        processes = 1, 1
        ends = [interval(before, after) for before, after in costs]
    detectable = detectable_difference(*sides, processes).tolist()
    return [
        _Spread(low, high, effect_size(before, after), smallest)
        for (before, after), (low, high), smallest in zip(costs, ends, detectable, strict=True)
    ]


def interval(baseline: Values, candidate: Values) -> tuple[float | None, float | None]:
    """95 % interval of the difference of two means that may differ in variance.

    Welch (1947), with the Welch-Satterthwaite degrees of freedom. None where a side has fewer than two samples.

    >>> interval(np.array([10.0, 11.0, 12.0]), np.array([20.0, 21.0, 22.0]))
    (7.733..., 12.266...)
    """
    if min(len(baseline), len(candidate)) < 2:
        return None, None
    from scipy.special import stdtrit

    variances = np.array([baseline.var(ddof=1) / len(baseline), candidate.var(ddof=1) / len(candidate)])
    delta = float(candidate.mean() - baseline.mean())
    variance = float(variances.sum())
    if variance == 0:
        return delta, delta
    freedom = variance**2 / float((variances**2 / np.array([len(baseline) - 1, len(candidate) - 1])).sum())
    margin = float(stdtrit(freedom, (1 + LEVEL) / 2)) * variance**0.5
    return delta - margin, delta + margin


def _match_decompositions(pairs: Sequence[Pair], baseline: _Side, candidate: _Side) -> list[Pair]:
    """Set the operators that only one side has in a layer and phase against those that only the other has."""
    lonely: dict[Key, tuple[list[Key], list[Key]]] = {}
    matched: list[Pair] = []
    for pair in pairs:
        key = pair[0][0]
        if (key in baseline.index) == (key in candidate.index):
            matched.append(pair)
        else:
            lonely.setdefault(key[:2], ([], []))[key in candidate.index].append(key)
    for (layer, _), (left, right) in lonely.items():
        if layer is not None and left and right:
            matched.append((tuple(left), tuple(right)))
        else:
            matched.extend(((key,), (key,)) for key in (*left, *right))
    return matched


def _joined(left: Sequence[Key], right: Sequence[Key]) -> Key:
    """The key of an aligned row: `aten::linear | aten::t + aten::addmm` where the sides decompose differently."""
    if tuple(left) == tuple(right):
        return left[0]
    names = [" + ".join(str(key[-1]) for key in keys) for keys in (left, right)]
    return (*left[0][:-1], " | ".join(names))
