"""R21: outliers (sleep, preemption) are flagged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, off_by, unseen
from profkit.profile import Profile
from profkit.run import Run
from profkit.step_times import FEWEST_STEPS, outliers, processes

MOVES = 0.05
"""Share by which outliers may move the mean: one step of twenty that takes twice as long, which no machine that has
anything else to do goes without."""
NAMED = 5

_TIMES_ADVICE = "record it with profkit record, which runs the program without the tool too (--twice for your own)"
_ADVICE = "record it again on a machine with nothing else to do, or with more --repeats; trust the medians until then"


@dataclass(frozen=True)
class Slow:
    """The outliers among the steps of a run.

    Attributes:
        steps: their places, over all processes.
        moves: what they add to the mean step, as a share of the mean without them.
    """

    steps: tuple[int, ...]
    moves: float


def check(sides: Sides) -> Finding:
    """Find slow steps among the others, and what they do to the mean."""
    times = seen(sides, lambda profile: profile.run.step_ns or None)
    found = seen(sides, lambda profile: slow_steps(profile.run))
    objections = [*unseen("times of steps without the tool", times, _TIMES_ADVICE), *of_each(sides, _moved)]
    evidence = {
        "outliers": of_known(found, lambda each: _places(each.steps) or "none"),
        "mean moved by": of_known(found, lambda each: round(each.moves, 4)),
    }
    moved = any(each is not None and each.moves > MOVES for each in found)
    effect = off_by([1 + each.moves if each else 1.0 for each in found]) if moved else None
    return decided(objections, _harmless([each for each in found if each]), evidence, effect)


def slow_steps(run: Run) -> Slow | None:
    """Outliers of every process against its own steps; None where there are too few steps to tell."""
    parts = processes(run.step_ns, run.repeats)
    if not parts or len(parts[0]) < FEWEST_STEPS:
        return None
    places = [outliers(part) + start * len(part) for start, part in enumerate(parts)]
    steps, times = np.concatenate(places), np.concatenate(parts)
    without = float(np.mean(np.delete(times, steps)))
    moves = float(np.mean(times)) / without - 1 if without > 0 else 0.0
    return Slow(tuple(int(step) for step in steps), moves)


def _moved(name: str, profile: Profile) -> Iterator[Objection]:
    run, found = profile.run, slow_steps(profile.run)
    if run.step_ns and found is None:
        says = f"{name} has too few steps in a process to tell outliers"
        yield Objection(Outcome.UNKNOWN, says, "record more steps", (f"{FEWEST_STEPS} steps in a process",))
    if found is not None and found.moves > MOVES:
        many = f"{len(found.steps)} of {len(run.step_ns)} steps of {name} are"
        kind = "outliers" if len(found.steps) > 1 else "an outlier"
        if len(found.steps) == 1:
            many = f"one of {len(run.step_ns)} steps of {name} is"
        says = f"{many} {kind} ({_places(found.steps)}), which moves the mean by {100 * found.moves:.1f} %"
        yield Objection(Outcome.WARN, says, _ADVICE)


def _places(steps: Sequence[int]) -> str:
    """As people count, from one on."""
    rest = len(steps) - NAMED
    return ", ".join(str(step + 1) for step in steps[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _harmless(found: Sequence[Slow]) -> str:
    count = sum(len(each.steps) for each in found)
    if not count:
        return "no step is an outlier"
    moves = max(each.moves for each in found)
    what, move = ("outliers", "move") if count > 1 else ("outlier", "moves")
    return f"{count} {what} among the steps {move} a mean by {100 * moves:.1f} %"


R21 = Rule(
    name="R21",
    demand="outliers (sleep, preemption) are flagged",
    decides_on="times of steps without the tool, against the median of their process",
    unknown_when="there are no times without the tool, or fewer than five steps in a process",
    check=check,
)
