"""The causes of a gap in sentences: what speaks for each, and what the reader must know before believing them."""

from __future__ import annotations

import numpy as np

from profkit.columns import counts
from profkit.explanation import INSTRUCTIONS, NOISE, SHARE, Cause, Explanation, Place
from profkit.explanation.causes import (
    BINDING,
    DATA,
    DISPATCH,
    FIRST,
    INTERPRETER,
    KERNELS,
    MEMORY,
    OTHER_ISA,
    RUNTIME,
    SAME_KERNEL,
    UNEXPLAINED,
    WORK,
)
from profkit.explanation.plain_costs import Basis, PlainCosts, plain_times
from profkit.profile import Profile
from profkit.run import Run
from profkit.step_times import drift
from profkit.units import format_count, format_share
from profkit.views.cost import format_cost
from profkit.views.run import name
from profkit.work_by_place import alike

_WORDS = {
    DATA: "making batches",
    INTERPRETER: "Python between operators",
    BINDING: "from Python to C++",
    DISPATCH: "choosing and calling kernels, autograd",
    MEMORY: "allocating and copying",
    RUNTIME: "threads, drivers and waiting",
}
_EVEN = 1.15
"""Kernels whose ratios have their quartiles closer than this are all slower alike."""
_NOTABLE = 1.1
_ROUNDING = 1e-9
_FEWEST_KERNELS = 5
_MOST_NAMED = 3
_MUCH = 0.05


def evidence(found: Explanation, cause: Cause) -> str:
    """What a cause rests on, in a sentence with numbers."""
    if cause.name == WORK:
        return _work(found)
    if cause.name == FIRST:
        return _first(found, cause)
    scaled = " (as it would be with B's work)" if _is_scaled(found, cause) else ""
    both = f"A {_cost(cause.baseline, found)}{scaled}, B {_cost(cause.candidate, found)}"
    if cause.name == UNEXPLAINED:
        return both + _left(found)
    if cause.name in KERNELS:
        return f"{_kernels(found, cause)}{both}{_factor(cause)}"
    compiled = {run.settings.get("language") for run in (found.baseline, found.candidate)} - {"python"}
    own = " (of a compiled program: its own code there)" if cause.name == INTERPRETER and any(compiled) else ""
    return f"{_WORDS[cause.name]}{own}: {both}"


def _is_scaled(found: Explanation, cause: Cause) -> bool:
    """Whether A's cost is not what it was: kernels that the sides have not the same work for."""
    other_work = {(place.layer, place.phase, place.operator) for place in found.cause(WORK).places}
    return cause.name in KERNELS and any(
        (place.layer, place.phase, place.operator) in other_work for place in cause.places
    )


def _left(found: Explanation) -> str:
    """What of the unexplained is in no row."""
    slow = [side.steps.slow if side.corrected else 0.0 for side in found.sides]
    holes = [side.left - part for side, part in zip(found.sides, slow, strict=True)]
    words = ""
    for what, parts in (("single slow steps", slow), ("outside every row", holes)):
        if any(abs(part) > _ROUNDING * max(found.costs) for part in parts):
            words += f"; {what} A {_cost(parts[0], found)}, B {_cost(parts[1], found)}"
    return words


def place_name(place: Place) -> str:
    """`conv1 forward aten::conv2d`."""
    return " ".join(part for part in (place.layer, place.phase, place.operator) if part) or "outside every layer"


def notes(found: Explanation, baseline: Profile, candidate: Profile) -> list[str]:
    """What the reader must know: what was compared, what is missing, and how steady the steps were."""
    runs = ("A", baseline.run), ("B", candidate.run)
    lines = [*_other_work(baseline.run, candidate.run), *_comparability(found)]
    for (side, run), costs in zip(runs, found.sides, strict=True):
        lines += _times(side, run, costs, found)
        lines += _steadiness(side, run, costs) if found.unit == "ns" and found.device == "cpu" else []
    lines += [*_interval(found), *_alike(found), *_untold(found)]
    for side, profile in zip("AB", (baseline, candidate), strict=True):
        estimated = int(counts(profile.operators["estimated_instructions"]).sum())
        if found.exact and estimated:
            share = format_share(estimated / int(profile.cost().sum()))
            lines.append(f"{share} of {side}'s instructions came to their operator by an estimate; causes are exact")
    return lines


def _cost(value: float, found: Explanation, *, signed: bool = False) -> str:
    return format_cost(value, found.unit, signed=signed)


def _per(found: Explanation) -> str:
    return "a step" if found.per_step else "in all"


def _work(found: Explanation) -> str:
    a, b = found.macs
    unknown = [side for side, macs in (("A", a), ("B", b)) if macs is None]
    if a is None or b is None:
        return f"nobody knows the multiply-adds of {' and '.join(unknown)}: taken to be the same"
    if not found.cause(WORK).places:
        same = format_count(a) == format_count(b)
        counted = f"{format_count(a)} on both sides" if same else f"A {format_count(a)}, B {format_count(b)}"
        return f"multiply-adds {_per(found)}: {counted}; taken to be the same"
    return (
        f"A does {format_count(a)} multiply-adds {_per(found)}, B {format_count(b)} ({_times_more(b / a)}); "
        "at A's speed that is worth so much"
    )


def _first(found: Explanation, cause: Cause) -> str:
    factors = [side.steps.factor for side in found.sides]
    said = [
        f"{side}'s is {factor:.3g} times the median of the others"
        if factor is not None
        else f"{side} has too few steps to tell"
        for side, factor in zip("AB", factors, strict=True)
    ]
    if not cause.baseline and not cause.candidate:
        return f"no first step is an outlier: {', '.join(said)}"
    return f"A {_cost(cause.baseline, found)}, B {_cost(cause.candidate, found)} in the mean step: {', '.join(said)}"


def _kernels(found: Explanation, cause: Cause) -> str:
    count = len(cause.places)
    places = f"{count} place{'s' if count != 1 else ''}"
    if cause.name == OTHER_ISA:
        return f"A runs {found.instruction_sets[0]}, B {found.instruction_sets[1]} code in {places}: "
    if cause.name == SAME_KERNEL:
        return f"operators of one name in {places}: "
    return f"{places}: "


def _factor(cause: Cause) -> str:
    """`: B 1.8 times A`."""
    if cause.baseline <= 0 or cause.candidate <= 0:
        return ""
    return f": B is {_times_more(cause.candidate / cause.baseline)} A"


def _times_more(ratio: float) -> str:
    return f"{ratio:.3g} times"


def _other_work(baseline: Run, candidate: Run) -> list[str]:
    lines = []
    if baseline.workload and candidate.workload and baseline.workload != candidate.workload:
        lines.append(f"different workloads: A is {baseline.workload}, B {candidate.workload}")
    if baseline.batch_size and candidate.batch_size and baseline.batch_size != candidate.batch_size:
        lines.append(f"A has {baseline.batch_size} samples a step, B {candidate.batch_size}")
    return lines


def _comparability(found: Explanation) -> list[str]:
    lines = []
    if found.unit == SHARE:
        lines.append(f"{_unlike(found)}: only shares of each whole are compared, so there is no gap to explain")
    elif found.baseline.tool != found.candidate.tool:
        lines.append(
            f"A was recorded with {found.baseline.tool}, B with {found.candidate.tool}: part of each cause is what the "
            "one can tell apart and the other cannot; record both with one tool"
        )
    if not found.per_step:
        lines.append("at least one side has no steps: whole recordings are compared")
    return lines


def _unlike(found: Explanation) -> str:
    """Why costs cannot be subtracted."""
    units = [side.tool_unit for side in found.sides]
    if units[0] == units[1]:
        reason = "A and B count at different periods"
    else:
        reason = f"{found.baseline.tool} and {found.candidate.tool} measure different things"
    if INSTRUCTIONS in units:
        return f"{reason}: one of them counts instructions"
    return reason if found.device != "cpu" else f"{reason}, and not both sides were timed without the tool"


def _times(side: str, run: Run, costs: PlainCosts, found: Explanation) -> list[str]:
    """What the times of a side are."""
    if found.unit in (SHARE, INSTRUCTIONS):
        return []
    dropped = len(run.step_ns) - sum(map(len, plain_times(run)))
    lines = [f"{dropped} of the {len(run.step_ns)} times of {side} are zero or no number: left out"] if dropped else []
    if found.device != "cpu":
        return lines
    if found.basis is not Basis.PLAIN:
        why = "was timed without the tool, the other side was not" if plain_times(run) else "was not timed without it"
        return [
            *lines,
            f"costs of {side} are those under {run.tool}, which slows it by nobody knows how much: it {why}",
        ]
    how = f"{_plain(costs.per_call)} a recorded call, the rest in proportion" if costs.per_call else "in proportion"
    lines.append(
        f"rows of {side} are estimates: {format_cost(costs.under_tool, costs.tool_unit)}"
        f"{' samples' if costs.tool_unit == 'samples' else ''} a step under {run.tool} are brought to the "
        f"{_plain(costs.steps.mean - costs.steps.first - costs.steps.slow)} without it ({how})"
    )
    if run.slowdown is not None and run.slowdown < 1:
        lines.append(
            f"{side} was faster under {run.tool} ({run.slowdown:.2f} times its plain step): noise between runs"
        )
    return lines


def _plain(time_ns: float) -> str:
    return format_cost(time_ns, "ns")


def _steadiness(side: str, run: Run, costs: PlainCosts) -> list[str]:
    """Drift and outliers of the steps, without the tool where they were timed."""
    lines = []
    parts = plain_times(run)
    drifts = [found for found in map(drift, parts) if found and found.significant]
    if drifts:
        worst = max(drifts, key=lambda found: abs(found.change))
        lines.append(f"drift: steps of {side} change by {format_share(worst.change)} over a run (p = {worst.p:.1g})")
    steps = costs.steps
    if steps.slow_steps:
        counted = "; no row is blamed for that: it is unexplained" if costs.corrected else ""
        lines.append(
            f"outliers: {steps.slow_steps} of {len(steps.samples)} steps of {side} are far slower than the others; "
            f"they add {_plain(steps.slow)} to the mean step{counted}"
        )
    return lines


def _interval(found: Explanation) -> list[str]:
    """What the intervals rest on."""
    if found.unit in (INSTRUCTIONS, SHARE):
        return []
    if not found.per_step:
        return ["a whole recording is one number: there are no intervals"]
    lines = []
    for side, run, costs in zip("AB", (found.baseline, found.candidate), found.sides, strict=True):
        if len(costs.steps.samples) < 2:
            alone = costs.corrected or run.steps == 1
            what = "has a single step" if alone else "has no costs of single steps"
            lines.append(f"{side} {what}: there are no intervals")
    rows = min(costs.processes for costs in found.sides)
    whole = min(costs.steps.processes for costs in found.sides)
    if not lines and whole == 1:
        lines.append("the gap's interval is of one process: what another one would give is not in it")
    elif not lines and rows > 1:
        lines.append("intervals are of processes and steps (hierarchical bootstrap, 95 %), not of the estimate of rows")
    return lines


def _alike(found: Explanation) -> list[str]:
    """Kernels that are all slower by one factor are slower for a reason outside of them."""
    places = [place for place in found.cause(SAME_KERNEL).places if place.baseline > 0 and place.candidate > 0]
    if _conditions(found.baseline) != _conditions(found.candidate):
        return []
    if len(places) < _FEWEST_KERNELS or found.unit == INSTRUCTIONS:
        return []
    places = sorted(places, key=lambda place: -place.baseline)
    weights = np.array([place.baseline for place in places])
    ratios = np.array([place.candidate / place.baseline for place in places])
    order = np.argsort(ratios)
    covered = np.cumsum(weights[order]) / weights.sum()
    low, middle, high = (float(ratios[order][np.searchsorted(covered, part)]) for part in (0.25, 0.5, 0.75))
    if high / low > _EVEN or 1 / _NOTABLE < middle < _NOTABLE:
        return []
    return [
        f"nearly every kernel takes B {middle:.3g} times as long as A (the middle half {low:.3g} to {high:.3g}): that "
        "is the machine, its clock or a neighbour, rather than the code"
    ]


def _conditions(run: Run) -> tuple[object, ...]:
    """What else makes all kernels slower alike."""
    return run.threads, run.batch_size, run.settings.get("flush_denormals")


def _untold(found: Explanation) -> list[str]:
    """What a tool cannot tell apart."""
    lines = []
    python = [run.tool for run in (found.baseline, found.candidate) if run.settings.get("language") == "python"]
    interpreter, binding = found.cause(INTERPRETER), found.cause(BINDING)
    if python and (interpreter.baseline or interpreter.candidate) and not (binding.baseline or binding.candidate):
        tools = " and ".join(dict.fromkeys(python))
        lines.append(f"{tools} cannot tell binding from interpreter: both are in interpreter; callgrind can")
    whole = [side for side, costs in zip("AB", found.sides, strict=True) if not any(key[0] for key in costs.keys)]
    if whole:
        who = f"{whole[0]} has" if len(whole) == 1 else "A and B have"
        lines.append(f"{who} no layers: kernels are matched by phase and operator, or by name alone")
    a, b = found.macs
    if a is None or b is None:
        lines.append(_work(found))
    elif not found.cause(WORK).places and not alike(a, b):
        lines.append(
            f"A does {format_count(a)} counted multiply-adds {_per(found)}, B {format_count(b)}, but not every "
            "operator was counted: work is taken to be the same"
        )
    return lines


def headline(found: Explanation) -> str:
    """The gap in a sentence."""
    names = [name(run) for run in (found.baseline, found.candidate)]
    if found.unit == SHARE:
        return f"A {names[0]}, B {names[1]}: shares of each whole."
    costs = [_cost(cost, found) for cost in found.costs]
    what = {Basis.PLAIN: " without the tool"}.get(found.basis, "")
    units = " instructions" if found.exact else " samples" if found.unit == "samples" else ""
    where = "" if found.device == "cpu" else " on the device"
    per = f"{units}{' ' + _per(found)}{what}{where}"
    gap = f"A {names[0]} {costs[0]}, B {names[1]} {costs[1]}{per}: B - A = {_cost(found.gap, found, signed=True)}"
    if found.exact:
        return f"{gap}, exact."
    if found.low is None or found.high is None:
        return f"{gap}, no interval."
    ends = f"{_cost(found.low, found, signed=True)} .. {_cost(found.high, found, signed=True)}"
    noise = "within noise, " if found.low <= 0 <= found.high else ""
    return f"{gap}, {noise}95 % interval {ends}."


def mainly(found: Explanation) -> list[str]:
    """The causes that make up most of the gap, largest first, in a sentence; none where there is none to speak of."""
    if found.low is not None and found.high is not None and found.low <= 0 <= found.high:
        return []
    surely = [cause for cause in found.causes if cause.confidence != NOISE and abs(cause.share or 0.0) >= _MUCH]
    if not surely:
        return []
    ordered = sorted(surely, key=lambda cause: -abs(cause.delta))[:_MOST_NAMED]
    parts = [f"{cause.name} {format_share(cause.share or 0.0)}" for cause in ordered]
    return [f"Of the gap: {', '.join(parts)}."]
