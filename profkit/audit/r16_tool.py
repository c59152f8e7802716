"""R16: the tool's slowdown is known, no tool ran inside another, and samples are of the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, off_by, unseen
from profkit.columns import counts
from profkit.profile import Profile
from profkit.run import Run
from profkit.step_times import processes

LARGE = 2.0
"""Slowdown from which most of what is measured is the tool: only shares and counts are of the program."""
DIFFERENT = 1.25
"""Ratio of the slowdowns of A and B from which the tool itself makes one side look slower."""
FOREIGN = 0.01
"""Share of the cost in another tool that is more than its mere presence."""
OUTSIDE, MOSTLY_OUTSIDE = 0.1, 0.5
"""Share of the counted samples outside the steps that moves shares, and that makes them say something else."""
FEWEST_SAMPLES = 100
"""With fewer, a share of a tenth is uncertain by a third."""

_SLOWDOWN_ADVICE = "record it with profkit record, which runs the program without the tool too (--twice for your own)"
_TIMES_ADVICE = "compare times with --tool wallclock, and take shares or instruction counts from this one"
_ALONE_ADVICE = "take the other profiler, tracer or debugger out of the program"
_REGION_ADVICE = "record it with profkit record, or mark the steps with profkit.region(): the rest is left out then"


def check(sides: Sides) -> Finding:
    """Check what the tool did to the program, whether it was alone, and where its samples are."""
    slowdowns = seen(sides, lambda profile: profile.run.slowdown)
    timed = [not _counts_instructions(profile) for profile in sides]
    needed = [factor if needs else 1.0 for factor, needs in zip(slowdowns, timed, strict=True)]
    objections = [
        *unseen("the slowdown by the tool", needed, _SLOWDOWN_ADVICE),
        *unseen("other tools", seen(sides, _other_tools), _SLOWDOWN_ADVICE),
        *of_each(sides, _slow),
        *_unequal(sides, needed),
        *of_each(sides, _nested),
        *of_each(sides, _samples),
    ]
    traces = seen(sides, lambda profile: profile.run.evidence.trace)
    inside = [1 / (1 - min(_foreign(profile), 0.99)) for profile in sides]
    factors = [own * (factor or 1.0) for own, factor in zip(inside, needed, strict=True)]
    evidence = {
        "slowdown": of_known(slowdowns, lambda factor: round(factor, 3)),
        "other tools": tuple(_other_tools(profile) for profile in sides),
        "samples": of_known(traces, lambda trace: trace.samples),
        "samples in steps": of_known(traces, lambda trace: trace.samples_in_steps),
    }
    known = None not in needed and (len(sides) > 1 or any(factor > 1 + FOREIGN for factor in factors))
    words = " and ".join(dict.fromkeys(_words(*each) for each in zip(slowdowns, timed, strict=True)))
    otherwise = f"the tool makes the program {words}, and no other ran inside"
    return decided(objections, otherwise, evidence, off_by(factors) if known else None)


def _counts_instructions(profile: Profile) -> bool:
    """Whether the profile counts instructions, of which a program has as many at any speed."""
    table = profile.operators
    return bool(
        table.num_rows
        and table["self_ns"].null_count == table.num_rows
        and table["self_instructions"].null_count < table.num_rows
    )


def _slow(name: str, profile: Profile) -> Iterator[Objection]:
    factor = profile.run.slowdown
    if factor is not None and factor > LARGE and not _counts_instructions(profile):
        says = f"under {profile.run.tool}, {name} is {factor:.3g} times slower: what it timed is mostly itself"
        yield Objection(Outcome.WARN, says, _TIMES_ADVICE)


def _unequal(sides: Sides, factors: Sequence[float | None]) -> Iterator[Objection]:
    first, last = factors[0], factors[-1]
    if first and last and max(first, last) / min(first, last) > DIFFERENT and not _overlap(sides):
        says = f"the tool makes A {_slower(first)} and B {_slower(last)}"
        yield Objection(Outcome.WARN, says, _TIMES_ADVICE)


def _overlap(sides: Sides) -> bool:
    """Whether some process of A is slowed down as much as one of B: then it is the machine that was busy."""
    first, last = (_of_processes(profile.run) for profile in (sides[0], sides[-1]))
    return min(len(first), len(last)) > 1 and max(min(first), min(last)) <= min(max(first), max(last))


def _of_processes(run: Run) -> list[float]:
    """The slowdown of each process under the tool by the one without it that ran beside it."""
    pairs = zip(processes(run.step_ns, run.repeats), processes(run.tool_step_ns, run.repeats), strict=False)
    medians = [(float(np.median(without)), float(np.median(under))) for without, under in pairs]
    return [under / without for without, under in medians if without > 0 and under > 0]


def _nested(name: str, profile: Profile) -> Iterator[Objection]:
    loaded, share = profile.run.evidence.other_tools, _foreign(profile)
    if loaded:
        yield Objection(Outcome.FAIL, f"inside {name} ran {', '.join(loaded)}", _ALONE_ADVICE)
    if share > FOREIGN:
        says = f"{100 * share:.0f} % of what was recorded of {name} is {_other_tools(profile)}"
        yield Objection(Outcome.FAIL, says, _ALONE_ADVICE)


def _samples(name: str, profile: Profile) -> Iterator[Objection]:
    """Samples that were counted: those that the table holds, because an importer may leave the others out."""
    trace = profile.run.evidence.trace
    if trace is None or trace.samples is None or trace.samples_in_steps is None:
        return
    inside, counted = trace.samples_in_steps, int(counts(profile.operators["samples"]).sum())
    share = 1 - inside / counted if counted > inside else 0.0
    if share > OUTSIDE:
        outcome = Outcome.FAIL if share > MOSTLY_OUTSIDE else Outcome.WARN
        says = f"{100 * share:.0f} % of the {counted} samples of {name} are outside its steps"
        yield Objection(outcome, says, _REGION_ADVICE)
    if inside < FEWEST_SAMPLES:
        says = f"{name} has only {inside} samples in its steps"
        yield Objection(Outcome.WARN, says, "record more steps, or sample more often")


def _foreign(profile: Profile) -> float:
    trace = profile.run.evidence.trace
    return sum(trace.other_tools.values()) if trace else 0.0


def _other_tools(profile: Profile) -> str | None:
    loaded, trace = profile.run.evidence.other_tools, profile.run.evidence.trace
    names = dict.fromkeys((*(loaded or ()), *(trace.other_tools if trace else ())))
    looked = loaded is not None or (trace is not None and (trace.importing is not None or trace.other_tools))
    return ", ".join(names) or "none" if looked else None


def _words(factor: float | None, timed: bool) -> str:
    if factor is None:
        return "slower by as much as does not matter to instruction counts"
    return _slower(factor) + ("" if timed else ", which does not change instruction counts")


def _slower(factor: float) -> str:
    return f"{factor:.3g} times slower" if factor >= 1.005 else "no slower"


R16 = Rule(
    name="R16",
    demand="the tool's slowdown is known and no tool ran inside another; share of samples in the region",
    decides_on="steps with and without the tool; other tools in the process or in the trace; samples in the steps",
    unknown_when="the program never ran without the tool (--twice), or nobody looked for other tools",
    check=check,
)
