"""Work: what a step computes, so that the times of two runs can be set against it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from profkit.columns import valid
from profkit.errors import DataError
from profkit.profile import Profile
from profkit.quantities import working_rows
from profkit.run import Run
from profkit.work_by_place import work_of

MACS, FLOP = "MACs", "FLOP"


@dataclass(frozen=True)
class StepWork:
    """Work of two runs on one scale.

    Attributes:
        unit: `MACs` of a sample forward where both counted them, else `MACs` or `FLOP` of a whole step.
        per_step: of the baseline and of the candidate; None where a batch size is not known.
        per_sample: likewise.
        counts_operators: whether it is the sum over the operators of a step, backward and optimizer too, and not the
            networks' own.
    """

    unit: str
    per_step: tuple[float, float] | None
    per_sample: tuple[float, float] | None
    counts_operators: bool

    @property
    def step_ratio(self) -> float | None:
        """The candidate's work a step over the baseline's."""
        return _ratio(self.per_step)

    @property
    def sample_ratio(self) -> float | None:
        """The candidate's work a sample over the baseline's."""
        return _ratio(self.per_sample)


@dataclass(frozen=True)
class PerWork:
    """What is left of a difference in time when the work is taken out of it; ratios of candidate over baseline.

    Attributes:
        times: of a step's time, or of its instructions.
        work: of a step's work.
        measured: what `times` is of.
    """

    times: float
    work: float
    measured: str

    @property
    def per_work(self) -> float:
        """Time for the same work: above 1 the candidate is slower than the baseline."""
        return self.times / self.work


def trains(run: Run) -> bool | None:
    """Whether the steps train; None where the run does not say."""
    mode = run.settings.get("mode")
    if mode is not None:
        return mode == "train"
    training = run.settings.get("training")
    return None if training is None else training == "true"


def samples_a_step(run: Run) -> int | None:
    """The batch size, by the run or by the first batch that it made."""
    inputs = run.evidence.inputs
    return run.batch_size or (inputs.shape[0] if inputs is not None and inputs.shape else None) or None


def step_work(baseline: Profile, candidate: Profile) -> StepWork | None:
    """Count the work of both in the same way: from the networks, else from the operators.

    Returns:
        None where neither way is open to both.
    """
    runs = baseline.run, candidate.run
    return _of_networks(*runs) or _of_operators(baseline, candidate, MACS) or _of_operators(baseline, candidate, FLOP)


def costed_share(profile: Profile) -> float:
    """Share of the operators' self cost that is in operators whose FLOP are known.

    Returns:
        1 where the tool saw no shapes at all, because then FLOP are those of the network.
    """
    rows = working_rows(profile.operators)
    known = valid(profile.operators["flop"])
    if not known.any():
        return 1.0
    try:
        cost = profile.cost()
    except DataError:  # no cost in any row
        return 0.0
    whole = int(cost[rows].sum())
    return float(cost[rows & known].sum()) / whole if whole > 0 else 0.0


def verdict_per_work(baseline: Profile, candidate: Profile) -> PerWork | None:
    """Take the work out of the difference of two runs; None where work or times of a step are not known of both."""
    counted = step_work(baseline, candidate)
    work = None if counted is None else counted.step_ratio
    if work is None:
        return None
    without = [_median_step(profile.run) for profile in (baseline, candidate)]
    if (times := _ratio_of(*without)) is not None:
        return PerWork(times, work, "median step without the tool")
    units = [_unit(profile) for profile in (baseline, candidate)]
    if units[0] != units[1] or units[0] not in ("ns", "instructions"):
        return None
    costs = [_cost_a_step(profile) for profile in (baseline, candidate)]
    if (times := _ratio_of(*costs)) is None:
        return None
    return PerWork(times, work, "instructions a step" if units[0] == "instructions" else "self time a step")


def _unit(profile: Profile) -> str | None:
    try:
        return profile.unit
    except DataError:
        return None  # no row has any cost


def _of_networks(baseline: Run, candidate: Run) -> StepWork | None:
    """From the multiply-adds of a sample forward: only of two runs that both train or both infer."""
    works = [run.evidence.work for run in (baseline, candidate)]
    if trains(baseline) is not trains(candidate) and None not in (trains(baseline), trains(candidate)):
        return None
    macs = [None if work is None else work.macs for work in works]
    if macs[0] is None or macs[1] is None or min(macs[0], macs[1]) <= 0:
        return None
    sizes = samples_a_step(baseline), samples_a_step(candidate)
    step = None if sizes[0] is None or sizes[1] is None else (float(macs[0] * sizes[0]), float(macs[1] * sizes[1]))
    return StepWork(MACS, step, (float(macs[0]), float(macs[1])), counts_operators=False)


def _of_operators(baseline: Profile, candidate: Profile, unit: str) -> StepWork | None:
    """From the operators of a whole step, backward and optimizer too."""
    found = [_recorded(profile, unit) for profile in (baseline, candidate)]
    if found[0] is None or found[1] is None:
        return None
    sizes = samples_a_step(baseline.run), samples_a_step(candidate.run)
    sample = None if sizes[0] is None or sizes[1] is None else (found[0] / sizes[0], found[1] / sizes[1])
    return StepWork(unit, (found[0], found[1]), sample, counts_operators=True)


def _recorded(profile: Profile, unit: str) -> float | None:
    """Work of one step by the operator table; None where it has none or does not know its steps."""
    if not profile.run.steps:
        return None
    found = work_of(profile)
    return found.whole if unit == MACS else found.whole_flop


def _median_step(run: Run) -> float | None:
    return median(run.step_ns) if run.step_ns else None


def _cost_a_step(profile: Profile) -> float | None:
    try:
        return float(profile.cost().sum()) / profile.run.steps if profile.run.steps else None
    except DataError:  # no cost in any row
        return None


def _ratio(pair: tuple[float, float] | None) -> float | None:
    return None if pair is None else _ratio_of(*pair)


def _ratio_of(before: float | None, after: float | None) -> float | None:
    """None where either is unknown, zero or no number."""
    if before is None or after is None or not (0 < before < float("inf") and 0 < after < float("inf")):
        return None
    return after / before
