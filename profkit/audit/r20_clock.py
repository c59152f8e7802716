"""R20: the clock is monotonic and fine enough for what it measures."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from statistics import median

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, unseen
from profkit.profile import Profile
from profkit.units import format_ns

COARSE, TOO_COARSE = 0.01, 0.1
"""Resolution over the median step from which differences of a per cent, and of ten, are not seen."""

_RECORD_ADVICE = "record it with profkit record, which tells its clock"
_CLOCK_ADVICE = "time with time.perf_counter_ns or std::chrono::steady_clock"
_LONGER_ADVICE = "time with a finer clock, or larger batches"


def check(sides: Sides) -> Finding:
    """Check the clock that timed the steps, and times that no clock gives."""
    clocks = seen(sides, lambda profile: profile.run.evidence.clock)
    steps = seen(sides, step_ns)
    objections = [
        *unseen("the clock", clocks, _RECORD_ADVICE),
        *unseen("times of steps", steps, _RECORD_ADVICE),
        *of_each(sides, _clock),
        *of_each(sides, _times),
    ]
    evidence = {
        "clock": of_known(clocks, lambda clock: clock.name),
        "resolution_ns": of_known(clocks, lambda clock: clock.resolution_ns),
        "monotonic": of_known(clocks, lambda clock: clock.monotonic),
        "median step_ns": steps,
    }
    words = " and ".join(
        dict.fromkeys(f"{clock.name} (to {format_ns(clock.resolution_ns)})" for clock in clocks if clock)
    )
    return decided(objections, f"steps are timed by {words}, which never goes back", evidence)


def step_ns(profile: Profile) -> float | None:
    """Median step without the tool, or with it where there is no other; None where none was timed."""
    times = profile.run.step_ns or profile.run.tool_step_ns
    return median(times) if times else None


def _clock(name: str, profile: Profile) -> Iterator[Objection]:
    clock, step = profile.run.evidence.clock, step_ns(profile)
    if clock is None:
        return
    if not clock.monotonic:
        says = f"{clock.name} of {name} can go back"
        yield Objection(Outcome.FAIL, says, _CLOCK_ADVICE)
    if not isfinite(clock.resolution_ns) or clock.resolution_ns <= 0:
        says = f"nobody knows how fine {clock.name} of {name} is"
        yield Objection(Outcome.UNKNOWN, says, _RECORD_ADVICE, ("resolution of the clock",))
    elif step and clock.resolution_ns > COARSE * step:
        outcome = Outcome.FAIL if clock.resolution_ns > TOO_COARSE * step else Outcome.WARN
        fine = f"{clock.name} of {name} tells {format_ns(clock.resolution_ns)} apart"
        yield Objection(outcome, f"{fine}, and a step takes {format_ns(step)}", _LONGER_ADVICE)


def _times(name: str, profile: Profile) -> Iterator[Objection]:
    times = profile.run.step_ns or profile.run.tool_step_ns
    impossible = sum(time <= 0 for time in times)
    if impossible:
        says = f"{impossible} of {len(times)} steps of {name} took no time"
        yield Objection(Outcome.FAIL, says, _CLOCK_ADVICE)


R20 = Rule(
    name="R20",
    demand="the clock is monotonic and fine enough for what it measures",
    decides_on="name, smallest difference and direction of the clock; the median step",
    unknown_when="the program did not tell its clock, or times no steps",
    check=check,
)
