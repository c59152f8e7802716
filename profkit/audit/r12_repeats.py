"""R12: repeats are independent, every sample is kept, and drift is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, off_by, unseen
from profkit.profile import Profile
from profkit.run import Run
from profkit.step_times import Drift, drift, processes

DRIFT_FAILS = 0.1
"""Share that drift adds to the median step from which the comparison is wrong rather than doubtful."""

_REPEAT_ADVICE = "record it with --repeats 3 or more: each is a fresh process with a fresh model"
_TIMES_ADVICE = "record it with profkit record, which runs the program without the tool too (--twice for your own)"
_KEPT_ADVICE = "record it again; no step may be left out of its own times"
_DRIFT_ADVICE = (
    "rebuild the model for each repeat and look for what grows with the steps: subnormal weights (R13), memory that is "
    "kept, a processor that gets hot"
)


def check(sides: Sides) -> Finding:
    """Check that processes are fresh, that their times are whole, and that steps do not drift."""
    times = seen(sides, lambda profile: profile.run.step_ns or None)
    objections = [
        *unseen("times of steps without the tool", times, _TIMES_ADVICE),
        *unseen("the number of repeats", seen(sides, lambda profile: profile.run.repeats), _REPEAT_ADVICE),
        *of_each(sides, _fresh),
        *of_each(sides, _whole),
        *of_each(sides, _steady),
    ]
    found = seen(sides, lambda profile: trend(profile.run))
    evidence = {
        "repeats": seen(sides, lambda profile: profile.run.repeats),
        "steps": seen(sides, lambda profile: len(profile.run.step_ns)),
        "drift": of_known(found, lambda each: round(each.change, 4)),
        "drift by chance": of_known(found, lambda each: round(each.p, 4)),
    }
    drifts = any(each is not None and each.significant for each in found)
    factors = [1 + each.excess if each is not None and each.significant else 1.0 for each in found]
    whose = "both have" if len(sides) > 1 else "it has"
    otherwise = f"{whose} fresh processes ({_counted(sides)}), every step is kept, and none drifts"
    return decided(objections, otherwise, evidence, off_by(factors) if drifts else None)


def trend(run: Run) -> Drift | None:
    """The drift of most processes: the median one of those that drift alike, else of all, and then not significant.

    None where no process can tell.

    A single process of several that gets slower met something on the machine; what is in the program is in them all.
    """
    found = [each for each in map(drift, processes(run.step_ns, run.repeats)) if each is not None]
    for sign in (1, -1):
        alike = [each for each in found if each.significant and each.change * sign > 0]
        if 2 * len(alike) > len(found):
            return _median(alike)
    return replace(_median(found), significant=False) if found else None


def _median(drifts: Sequence[Drift]) -> Drift:
    return sorted(drifts, key=lambda each: each.change)[len(drifts) // 2]


def _fresh(name: str, profile: Profile) -> Iterator[Objection]:
    repeats, marks = profile.run.repeats, profile.run.evidence.processes
    if repeats == 1:
        says = f"{name} ran in one process: differences between processes are not seen"
        yield Objection(Outcome.WARN, says, _REPEAT_ADVICE)
    elif repeats is not None and not marks:
        says = f"nobody recorded whether the {repeats} repeats of {name} were fresh processes"
        yield Objection(Outcome.UNKNOWN, says, _REPEAT_ADVICE, ("marks of the processes",))
    elif repeats is not None and len(set(marks)) < repeats:
        says = f"the {repeats} repeats of {name} ran in {len(set(marks))} process{'es' if len(set(marks)) > 1 else ''}"
        yield Objection(Outcome.FAIL, says, _REPEAT_ADVICE)


def _whole(name: str, profile: Profile) -> Iterator[Objection]:
    run = profile.run
    if run.repeats and len(run.step_ns) % run.repeats:
        says = f"{name} has {len(run.step_ns)} times of steps in {run.repeats} processes of equal length: some are lost"
        yield Objection(Outcome.FAIL, says, _KEPT_ADVICE)
    if run.steps and run.tool_step_ns and len(run.tool_step_ns) != run.steps:
        says = f"{name} has {len(run.tool_step_ns)} times of {run.steps} recorded steps"
        yield Objection(Outcome.FAIL, says, _KEPT_ADVICE)


def _steady(name: str, profile: Profile) -> Iterator[Objection]:
    run = profile.run
    found = trend(run)
    if run.step_ns and found is None:
        says = f"{name} has too few steps in a process to see drift ({len(processes(run.step_ns, run.repeats)[0])})"
        yield Objection(Outcome.UNKNOWN, says, "record more steps", ("eight steps in a process",))
    if found is None or not found.significant:
        return
    outcome = Outcome.FAIL if found.excess > DRIFT_FAILS else Outcome.WARN
    way = "slower" if found.change > 0 else "faster"
    says = f"steps of {name} get {abs(100 * found.change):.0f} % {way} from the first to the last (p {found.p:.1g})"
    yield Objection(outcome, says, _DRIFT_ADVICE)


def _counted(sides: Sides) -> str:
    return " and ".join(dict.fromkeys(f"{run.repeats} of {_steps(run)} steps" for run in (each.run for each in sides)))


def _steps(run: Run) -> int:
    return int(median(len(each) for each in processes(run.step_ns, run.repeats))) if run.step_ns else 0


R12 = Rule(
    name="R12",
    demand="repeats are independent (a fresh model and process), every sample is kept, drift is tested",
    decides_on="times of steps without the tool, process by process; marks of the processes",
    unknown_when="there are no times without the tool, or fewer than eight steps in a process",
    check=check,
)
