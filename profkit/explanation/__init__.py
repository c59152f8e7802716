"""Explain: the gap between two profiles in causes that sum to it.

The gap is that of the steps without the tool where they were timed, because a tool slows Python and C++ unequally; the
rows that the causes are made of are brought down to those steps, which is an estimate (`plain_costs`). Counts of
instructions are exact and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profkit.columns import Flags
from profkit.explanation.causes import (
    BY,
    CAUSES,
    FIRST,
    KERNELS,
    OTHER_ISA,
    OTHER_KERNEL,
    PYTHON_TAX,
    SAME_KERNEL,
    UNEXPLAINED,
    WORK,
    Group,
    divide,
)
from profkit.explanation.plain_costs import Basis, PlainCosts, plain_costs, plain_times
from profkit.kernel_costs import BY_NAME
from profkit.profile import Profile
from profkit.resampling import Values, difference
from profkit.run import Run
from profkit.summary import Key, is_host, summarise
from profkit.work_by_place import Ratios, Work, work_of

EXACT, MEASURED, ESTIMATED, NOISE = "exact", "measured", "estimated", "within noise"
"""How sure a cause is."""

INSTRUCTIONS, SHARE = "instructions", "share"

_WITHOUT_INTERVAL = (WORK, FIRST, UNEXPLAINED)
"""What is worked out from means alone."""


@dataclass(frozen=True)
class Place:
    """What one layer, phase and operator has of a cause.

    Attributes:
        layer: None outside every layer.
        phase: None outside every phase.
        operator: None outside every operator; `a | b` where the sides have different ones.
        baseline: cost; of a kernel that the sides have not the same work for, what the baseline's would cost with the
            candidate's work.
        candidate: cost.
    """

    layer: str | None
    phase: str | None
    operator: str | None
    baseline: float
    candidate: float

    @property
    def delta(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline


@dataclass(frozen=True)
class Cause:
    """One part of the gap.

    Attributes:
        name: one of `causes.CAUSES`.
        baseline: what it costs the baseline; of kernels that the sides have not the same work for, what the baseline's
            would cost with the candidate's work, because what work is worth is a cause of its own.
        candidate: what it costs the candidate.
        delta: its part of the gap.
        share: of the gap; None where there is no gap.
        low: lower end of the 95 % interval of delta; None where there is none.
        high: its upper end.
        confidence: exact, measured, estimated, or within noise.
        places: where it is, largest difference first.
    """

    name: str
    baseline: float
    candidate: float
    delta: float
    share: float | None
    low: float | None
    high: float | None
    confidence: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Explanation:
    """A gap, and the causes that sum to it.

    Attributes:
        baseline: run of the first profile.
        candidate: run of the second.
        device: `cpu`, or `device` for what ran beside it.
        unit: ns, instructions, samples, or `share` where the two cannot be subtracted.
        per_step: whether costs are a step's, or all of the recording.
        basis: whether they are times without the tool, what the tool counted, or shares.
        costs: of the whole, on each side.
        low: lower end of the 95 % interval of the gap; None where there is none.
        high: its upper end.
        causes: in the order of `causes.CAUSES`, all of them.
        sides: costs by row that the causes are made of.
        macs: multiply-adds of each side, a step or in all; None where nobody knows.
        instruction_sets: that each side's kernels were made for, as the run names them.
        called: by layer and phase, the operator that its code calls: the one with the largest cost, callees included.
    """

    baseline: Run
    candidate: Run
    device: str
    unit: str
    per_step: bool
    basis: Basis
    costs: tuple[float, float]
    low: float | None
    high: float | None
    causes: tuple[Cause, ...]
    sides: tuple[PlainCosts, PlainCosts]
    macs: tuple[float | None, float | None]
    instruction_sets: tuple[str, str]
    called: Mapping[Key, str]

    @property
    def gap(self) -> float:
        """Candidate minus baseline."""
        return self.costs[1] - self.costs[0]

    @property
    def exact(self) -> bool:
        """Whether costs are counts that repeat."""
        return self.unit == INSTRUCTIONS

    def cause(self, name: str) -> Cause:
        """The cause of that name."""
        return next(cause for cause in self.causes if cause.name == name)

    def python_tax(self, column: str) -> tuple[Place, ...]:
        """What interpreter and binding cost, largest difference first.

        Args:
            column: `layer`, with its phase, or `operator`. Python calls operators, so it is spent outside of them: what
                a layer spends so is that of the operator that the layer calls.
        """
        sums: dict[tuple[str | None, str | None, str | None], list[float]] = {}
        for place in (place for name in PYTHON_TAX for place in self.cause(name).places):
            if column == "layer":
                costs = sums.setdefault((place.layer, place.phase, None), [0.0, 0.0])
            else:
                operator = place.operator or self.called.get((place.layer, place.phase))
                costs = sums.setdefault((None, None, operator), [0.0, 0.0])
            costs[0] += place.baseline
            costs[1] += place.candidate
        return _largest_first([Place(*key, costs[0], costs[1]) for key, costs in sums.items()])


def explain(baseline: Profile, candidate: Profile, device: str = "cpu") -> Explanation:
    """Explain what the candidate costs more, or less, than the baseline.

    Args:
        baseline: first profile.
        candidate: second profile.
        device: `cpu` for costs of the processor, `device` for what ran beside it, always as the tool recorded it.

    Raises:
        DataError: a profile has no cost in any row.
    """
    unit, basis = _unit(baseline, candidate, device)
    rows = is_host(baseline) == (device == "cpu"), is_host(candidate) == (device == "cpu")
    sides = _sides(baseline, candidate, basis, rows)
    isas = _instruction_sets(baseline.run, candidate.run)
    groups = divide(sides[0].keys, sides[1].keys, unit == INSTRUCTIONS, _same(baseline.run, candidate.run, isas))
    layered = all(any(key[0] for key in side.keys) for side in sides)
    work = _work(baseline, candidate, rows, layered)
    parts = _Parts.of(groups, sides, Ratios.of(*work, layered))
    low, high = (None, None) if unit == INSTRUCTIONS else _gap_interval(sides)
    return Explanation(
        baseline=baseline.run,
        candidate=candidate.run,
        device=device,
        unit=unit,
        per_step=_per_step(baseline, candidate),
        basis=basis,
        costs=(sides[0].steps.mean, sides[1].steps.mean),
        low=low,
        high=high,
        causes=_causes(parts, sides, unit),
        sides=sides,
        macs=(work[0].whole, work[1].whole),
        instruction_sets=isas,
        called={**_called(candidate), **_called(baseline)},
    )


def _per_step(baseline: Profile, candidate: Profile) -> bool:
    """Whether costs are a step's: a step of one is no counterpart of the whole other one."""
    return bool(baseline.run.steps and candidate.run.steps)


def _sides(
    baseline: Profile, candidate: Profile, basis: Basis, rows: tuple[Flags, Flags]
) -> tuple[PlainCosts, PlainCosts]:
    per_step = _per_step(baseline, candidate)
    return (
        plain_costs(baseline, BY, basis, rows[0], per_step=per_step),
        plain_costs(candidate, BY, basis, rows[1], per_step=per_step),
    )


def _work(baseline: Profile, candidate: Profile, rows: tuple[Flags, Flags], layered: bool) -> tuple[Work, Work]:
    per_step = _per_step(baseline, candidate)
    return (
        work_of(baseline, rows[0], layered=layered, per_step=per_step),
        work_of(candidate, rows[1], layered=layered, per_step=per_step),
    )


def _unit(baseline: Profile, candidate: Profile, device: str) -> tuple[str, Basis]:
    """The unit of the explanation: times without the tool wherever both sides have them, but counts stay counts."""
    timed = all(plain_times(profile.run) and profile.run.steps for profile in (baseline, candidate))
    if INSTRUCTIONS not in (baseline.unit, candidate.unit) and timed and device == "cpu":
        return "ns", Basis.PLAIN
    return (baseline.unit, Basis.RECORDED) if baseline.counts_like(candidate) else (SHARE, Basis.SHARES)


def _called(profile: Profile) -> dict[Key, str]:
    """The operator with the largest total in each layer and phase."""
    found: dict[Key, tuple[int, str]] = {}
    summary = summarise(profile, BY[:3])
    for key, total in zip(summary.keys, summary.total_cost, strict=True):
        if key[0] is not None and key[2] is not None and total is not None:
            found[key[:2]] = max(found.get(key[:2], (0, "")), (total, key[2]))
    return {key: operator for key, (_, operator) in found.items()}


def _instruction_sets(baseline: Run, candidate: Run) -> tuple[str, str]:
    return baseline.settings.get("cpu_capability", ""), candidate.settings.get("cpu_capability", "")


def _same(baseline: Run, candidate: Run, isas: tuple[str, str]) -> str:
    """The cause of what kernels of one name differ by: hand-written ones have but the name of ATen's."""
    makers = {run.implementation if run.implementation in BY_NAME else None for run in (baseline, candidate)}
    if len(makers) > 1:
        return OTHER_KERNEL
    return OTHER_ISA if all(isas) and isas[0] != isas[1] else SAME_KERNEL


@dataclass(frozen=True)
class _Parts:
    """Costs by cause.

    Attributes:
        left: the baseline's samples of each cause, (steps,).
        right: the candidate's.
        places: of each cause.
    """

    left: Mapping[str, Values]
    right: Mapping[str, Values]
    places: Mapping[str, list[Place]]

    @staticmethod
    def of(groups: Sequence[Group], sides: tuple[PlainCosts, PlainCosts], ratios: Ratios) -> _Parts:
        """Sum groups up by cause; kernels where the work differs first by what the work is worth, at A's speed."""
        left = {name: np.zeros(sides[0].samples.shape[1]) for name in CAUSES}
        right = {name: np.zeros(sides[1].samples.shape[1]) for name in CAUSES}
        places: dict[str, list[Place]] = {name: [] for name in CAUSES}
        for group in groups:
            before = sides[0].samples[list(group.left)].sum(axis=0)
            after = sides[1].samples[list(group.right)].sum(axis=0)
            ratio = ratios.of_rows(*_keys(group, sides)) if group.cause in KERNELS else 1.0
            if ratio != 1.0:
                # What one side alone has work for, and what has no cost to scale, is all work.
                whole = not before.any() or not after.any() or not np.isfinite(ratio)
                same_work = float(after.mean() if whole else before.mean() * ratio)
                places[WORK].append(_place(group, float(before.mean()), same_work))
                if whole:
                    continue
                before = before * ratio
            left[group.cause] += before
            right[group.cause] += after
            places[group.cause].append(_place(group, float(before.mean()), float(after.mean())))
        return _Parts(left, right, places)

    def intervals(self, processes: tuple[int, int]) -> dict[str, tuple[float, float]]:
        """95 % intervals of the causes; none where a side has but one step."""
        sides = np.stack([self.left[name] for name in CAUSES]), np.stack([self.right[name] for name in CAUSES])
        low, high = difference(*sides, processes)
        return (
            {} if np.isnan(low).any() else dict(zip(CAUSES, zip(low.tolist(), high.tolist(), strict=True), strict=True))
        )


def _keys(group: Group, sides: tuple[PlainCosts, PlainCosts]) -> tuple[list[Key], list[Key]]:
    return [sides[0].keys[row] for row in group.left], [sides[1].keys[row] for row in group.right]


def _place(group: Group, before: float, after: float) -> Place:
    layer, phase, operator = group.key
    return Place(layer, phase, operator, before, after)


def _processes(left: int, right: int) -> tuple[int, int]:
    """Processes where both sides have several; else steps are all that can be compared."""
    return (left, right) if min(left, right) > 1 else (1, 1)


def _gap_interval(sides: tuple[PlainCosts, PlainCosts]) -> tuple[float | None, float | None]:
    steps = sides[0].steps, sides[1].steps
    low, high = difference(steps[0].samples, steps[1].samples, _processes(steps[0].processes, steps[1].processes))
    first = steps[1].first - steps[0].first
    return (float(low[0]) + first, float(high[0]) + first) if np.isfinite(low[0]) else (None, None)


def _causes(parts: _Parts, sides: tuple[PlainCosts, PlainCosts], unit: str) -> tuple[Cause, ...]:
    """All causes; what rows do not account for is unexplained, so that the sum is the gap."""
    ends = {} if unit == INSTRUCTIONS else parts.intervals(_processes(sides[0].processes, sides[1].processes))
    gap = sides[1].steps.mean - sides[0].steps.mean
    found: list[Cause] = []
    for name in CAUSES:
        places = _largest_first(parts.places[name])
        costs = sum(place.baseline for place in places), sum(place.candidate for place in places)
        if name == FIRST:
            costs = sides[0].steps.first, sides[1].steps.first
        elif name == UNEXPLAINED:
            costs = costs[0] + sides[0].left, costs[1] + sides[1].left
        delta = costs[1] - costs[0]
        low, high = ends.get(name, (None, None)) if name not in _WITHOUT_INTERVAL else (None, None)
        found.append(
            Cause(
                name=name,
                baseline=costs[0],
                candidate=costs[1],
                delta=delta,
                share=delta / gap if gap and unit != SHARE else None,
                low=low,
                high=high,
                confidence=_confidence(low, high, unit, _is_estimate(name, bool(places), sides)),
                places=places,
            )
        )
    return tuple(found)


def _is_estimate(name: str, found: bool, sides: tuple[PlainCosts, PlainCosts]) -> bool:
    """Whether the cause rests on more than what was measured."""
    return found if name == WORK else name != FIRST and any(side.corrected for side in sides)


def _confidence(low: float | None, high: float | None, unit: str, estimate: bool) -> str:
    """How sure a cause is."""
    if low is not None and high is not None and low <= 0 <= high and low < high:
        return NOISE
    if estimate:
        return ESTIMATED
    return EXACT if unit == INSTRUCTIONS else MEASURED


def _largest_first(places: Sequence[Place]) -> tuple[Place, ...]:
    return tuple(sorted(places, key=lambda place: -abs(place.delta)))
