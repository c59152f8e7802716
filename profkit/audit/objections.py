"""What speaks against a pair of runs, side by side, and the finding that all of it together makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from profkit.audit import Fact, Finding, Outcome, Sides, lacking
from profkit.profile import Profile

SLIGHT = 0.05
"""Percent below which an effect is none: it would be told as 0.0 %."""


@dataclass(frozen=True)
class Objection:
    """One thing that speaks against the comparison, or that nobody knows.

    Attributes:
        outcome: how bad it is.
        says: a clause with the side and the values.
        advice: what to do.
        missing: evidence that would settle it.
    """

    outcome: Outcome
    says: str
    advice: str = ""
    missing: tuple[str, ...] = ()


def names(sides: Sides) -> tuple[str, ...]:
    """What the sides are called: A and B, or `it`."""
    return ("A", "B") if len(sides) > 1 else ("it",)


def of_each(sides: Sides, check: Callable[[str, Profile], Iterable[Objection]]) -> list[Objection]:
    """The objections to each side by itself.

    Args:
        sides: to check.
        check: of the name of a side and its profile.
    """
    return [objection for name, profile in zip(names(sides), sides, strict=True) for objection in check(name, profile)]


def unseen(what: str, facts: Sequence[object | None], advice: str) -> list[Objection]:
    """That a fact is missing where any side does not have it: `lacking` as an objection among others."""
    finding = lacking(what, facts, advice)
    return [] if finding is None else [Objection(Outcome.UNKNOWN, finding.says, advice, finding.missing)]


def unseen_parts(parts: Mapping[str, Sequence[object | None]], advice: str) -> list[Objection]:
    """Several missing facts, those that the same sides lack as one objection.

    Args:
        parts: facts of each side, by what they are in words.
        advice: how to get them.
    """
    by_sides: dict[tuple[bool, ...], list[str]] = {}
    for what, facts in parts.items():
        by_sides.setdefault(tuple(fact is not None for fact in facts), []).append(what)
    found = [
        (lacking(", ".join(missing), [known or None for known in sides], advice), missing)
        for sides, missing in by_sides.items()
    ]
    return [Objection(Outcome.UNKNOWN, finding.says, advice, tuple(missing)) for finding, missing in found if finding]


def differing(what: str, facts: Sequence[Fact], outcome: Outcome, advice: str) -> list[Objection]:
    """That two sides have a fact, and not the same one."""
    if len(facts) < 2 or None in facts or facts[0] == facts[1]:
        return []
    return [Objection(outcome, f"A has {what} {facts[0]}, B {facts[1]}", advice)]


def decided(
    objections: Sequence[Objection],
    otherwise: str,
    evidence: Mapping[str, tuple[Fact, ...]] | None = None,
    effect: float | None = None,
) -> Finding:
    """The finding of some objections: as bad as the worst of them, which comes first; a pass where there are none.

    Args:
        objections: in any order.
        otherwise: what to say where there are none.
        evidence: as in a finding.
        effect: likewise; only where something warns or fails, and where it is more than slight.
    """
    if not objections:
        return Finding(Outcome.PASS, otherwise, evidence or {})
    order = list(Outcome)
    ranked = sorted(objections, key=lambda objection: -order.index(objection.outcome))
    outcome = ranked[0].outcome
    matters = outcome in (Outcome.WARN, Outcome.FAIL) and effect is not None and abs(effect) >= SLIGHT
    return Finding(
        outcome,
        "; ".join(dict.fromkeys(objection.says for objection in ranked)),
        evidence or {},
        effect if matters else None,
        "; ".join(dict.fromkeys(objection.advice for objection in ranked if objection.advice)),
        tuple(dict.fromkeys(missing for objection in ranked for missing in objection.missing)),
    )


def off_by(factors: Sequence[float]) -> float:
    """By how many percent the ratio of times, B over A, is off; of one profile, its own time.

    Args:
        factors: of each side, its measured time over what it would be if the rule held.

    >>> off_by([1.0, 2.0])
    100.0
    >>> off_by([1.25])
    25.0
    """
    return 100 * (factors[-1] / (factors[0] if len(factors) > 1 else 1) - 1)
