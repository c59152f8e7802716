"""R05: warm-up is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, off_by
from profkit.profile import Profile
from profkit.run import Run
from profkit.step_times import Times, first_iteration, processes
from profkit.summary import is_host, summarise
from profkit.units import format_share

NOTABLE = 0.01
"""What a slow first step must add to the mean step to be worth a word."""
COLD = 0.2
"""What it must add to spoil a comparison although there was a warm-up: another process that takes a time slice from one
step of twenty adds less, and a cold step, which is five to a hundred times as slow, adds more."""

_ADVICE = "leave the first steps out: --warmup 3 or more on both sides, in every process"
_RECORD = "record five steps or more, with their times"
_WARM_UP = "record with profkit record, which keeps how many steps were left out"


@dataclass(frozen=True)
class _Start:
    """How the processes of a run start.

    Attributes:
        factors: first step over the median of the others, of each process that can tell.
        cold: whether most of them start with an outlier.
        adds: what the first steps add to the mean step, as a share.
        tool: under which the steps were timed; empty without.
    """

    factors: tuple[float, ...]
    cold: bool
    adds: float
    tool: str = ""


def check(sides: Sides) -> Finding:
    """Ask for a warm-up, and test the first step of every process for being an outlier."""
    starts = seen(sides, lambda side: _without_tool(side) or _under_tool(side))
    facts: Mapping[str, tuple[Fact, ...]] = {
        "warm-up": seen(sides, lambda side: side.run.warmup),
        "first step over the others": of_known(starts, lambda start: max(start.factors)),
        "what it adds to the mean": of_known(starts, lambda start: start.adds),
        "timed under": of_known(starts, lambda start: start.tool or "no tool"),
    }
    alike = None not in starts and len({start.tool != "" for start in starts if start}) == 1
    effect = off_by([1 + start.adds for start in starts if start]) if alike else None
    whose = "either side" if len(sides) > 1 else "it"
    done = f"after the warm-up, no first step of {whose} is an outlier that moves the mean"
    return decided(of_each(sides, _objections), done, facts, effect)


def _without_tool(profile: Profile) -> _Start | None:
    return _started(processes(profile.run.step_ns, profile.run.repeats))


def _under_tool(profile: Profile) -> _Start | None:
    """By the program's own clock, else by the operators of each step."""
    times = profile.run.tool_step_ns or _recorded_steps(profile)
    return _started(processes(times, profile.run.repeats), profile.run.tool)


def _recorded_steps(profile: Profile) -> Sequence[int]:
    """Self time of the host in each step; none of a tool without a clock."""
    if profile.operators["self_ns"].null_count == profile.operators.num_rows:
        return ()
    steps = summarise(profile, ("phase",), is_host(profile)).per_step
    return () if steps is None else steps.sum(axis=0).tolist()


def _started(times: Sequence[Times], tool: str = "") -> _Start | None:
    """None where no process has enough steps."""
    found = [(first, _adds(each)) for each in times if (first := first_iteration(each)) is not None]
    if not found:
        return None
    cold = sum(first.outlier for first, _ in found) > len(found) / 2
    return _Start(tuple(first.factor for first, _ in found), cold, float(np.mean([adds for _, adds in found])), tool)


def _adds(times: Times) -> float:
    """What the first step adds to the mean of one process."""
    known = times[np.isfinite(times)]
    rest = float(known[1:].mean())
    return max(float(known.mean()) / rest - 1, 0.0) if rest > 0 else 0.0


def _objections(name: str, profile: Profile) -> Iterator[Objection]:
    without, under = _without_tool(profile), _under_tool(profile)
    start = without or under
    if start is None:
        says = f"{name} has too few steps with times to test the first one"
        yield Objection(Outcome.UNKNOWN, says, _RECORD, ("times of five steps",))
    elif start.cold and start.adds > NOTABLE:
        spoiled = profile.run.warmup == 0 or start.adds > COLD
        yield Objection(Outcome.FAIL if spoiled else Outcome.WARN, _slow(name, profile.run, start), _ADVICE)
    elif profile.run.warmup == 0:
        says = f"{name} had no warm-up, though its first step is no outlier that moves the mean"
        yield Objection(Outcome.WARN, says, _ADVICE)
    elif profile.run.warmup is None:
        yield Objection(Outcome.UNKNOWN, f"nobody recorded the warm-up of {name}", _WARM_UP, ("steps of warm-up",))
    if without and not without.cold and under and under.cold and under.adds > COLD and not _counts(profile):
        yield Objection(Outcome.WARN, _slow(name, profile.run, under), _ADVICE)


def _counts(profile: Profile) -> bool:
    """Whether the profile counts instructions, of which a slow step has no more than others."""
    rows = profile.operators.num_rows
    return profile.operators["self_ns"].null_count == rows > profile.operators["self_instructions"].null_count


def _slow(name: str, run: Run, start: _Start) -> str:
    warmed = "" if run.warmup is None else f" after {run.warmup} of warm-up" if run.warmup else ", with no warm-up,"
    under = f" under {start.tool}" if start.tool else ""
    return (
        f"the first step of {name}{warmed}{under} took {max(start.factors):.3g} times the median of the others, "
        f"which adds {format_share(start.adds)} to the mean"
    )


R05 = Rule(
    name="R05",
    demand="warm-up is left out, and the first step is tested for being an outlier",
    decides_on="steps of warm-up; times of all steps with and without the tool, of every process",
    unknown_when="there are fewer than five steps with times in every process of a side, or nobody recorded its "
    "warm-up",
    check=check,
)
