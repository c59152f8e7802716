"""Audit: is a comparison of two runs fair, and is one run what it claims to be? One rule a module, R01 to R24.

A rule looks at one profile or at two and passes, warns, fails, or says that it cannot know and what is missing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TypeVar

from profkit.profile import Profile
from profkit.registry import discover

T = TypeVar("T")

Sides = tuple[Profile, ...]
"""One profile, or baseline and candidate."""
Fact = bool | int | float | str | None
"""One value of evidence; None where a side does not have it."""

DECISIVE = ("R01", "R02", "R14")
"""Rules without which there is no comparison: other work, other training, another machine."""


class Outcome(StrEnum):
    """What a rule says, from best to worst."""

    PASS = auto()
    UNKNOWN = auto()
    WARN = auto()
    FAIL = auto()


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        outcome: of the rule.
        says: one sentence, with the values that decided; sides are called A and B.
        evidence: by fact, its value on each side, in the order of the sides.
        effect: by how many percent the measured ratio of times, B over A, is off what it would be if the rule held:
            +890 where B looks 9.9 times slower than it is; None where it cannot be estimated. Of one profile: its own
            time.
        advice: what to do; empty where nothing has to be done.
        missing: evidence that it would take to decide, where the outcome is unknown.
    """

    outcome: Outcome
    says: str
    evidence: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    effect: float | None = None
    advice: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One rule of a fair comparison.

    Attributes:
        name: `R01`.
        demand: what must hold, as a clause ("both do the same work").
        decides_on: the evidence that it looks at.
        unknown_when: when it cannot tell.
        check: of one profile or of two. Never raises because of what is in them.
    """

    name: str
    demand: str
    decides_on: str
    unknown_when: str
    check: Callable[[Sides], Finding] = field(repr=False)


@dataclass(frozen=True)
class Audit:
    """All rules on the same profiles.

    Attributes:
        findings: by rule, in the order of their numbers.
    """

    findings: Mapping[str, Finding]

    @property
    def worst(self) -> Outcome:
        """The worst of all outcomes."""
        order = list(Outcome)
        return max((finding.outcome for finding in self.findings.values()), key=order.index, default=Outcome.PASS)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Decisive rules that failed: why the two are not comparable at all."""
        return tuple(rule for rule in DECISIVE if self.count(Outcome.FAIL, rule))

    def count(self, outcome: Outcome, *rules: str) -> int:
        """How many rules (of these, or of all) came out so."""
        return sum(finding.outcome is outcome for rule, finding in self.findings.items() if not rules or rule in rules)


def rules() -> dict[str, Rule]:
    """All rules by their names."""
    return discover("profkit.audit", Rule)


def audit(*sides: Profile) -> Audit:
    """Apply every rule.

    Args:
        sides: one profile, or baseline and candidate.
    """
    return Audit({name: rule.check(sides) for name, rule in rules().items()})


def seen(sides: Sides, fact: Callable[[Profile], T]) -> tuple[T, ...]:
    """A fact of each side."""
    return tuple(fact(profile) for profile in sides)


def of_known(things: Sequence[T | None], fact: Callable[[T], Fact]) -> tuple[Fact, ...]:
    """A fact of what each side has; None of a side that has it not."""
    return tuple(None if thing is None else fact(thing) for thing in things)


def passes(says: str, evidence: Mapping[str, tuple[Fact, ...]] | None = None) -> Finding:
    """The rule holds."""
    return Finding(Outcome.PASS, says, evidence or {})


def lacking(what: str, facts: Sequence[object | None], advice: str) -> Finding | None:
    """An unknown outcome where any side does not have a fact, naming the side; None where all have it.

    Args:
        what: the fact in words, as in "nobody recorded of B: ...".
        facts: of each side.
        advice: how to get it.
    """
    without = [side for side, fact in zip("AB", facts, strict=False) if fact is None]
    if not without:
        return None
    whose = " and ".join(without) if len(facts) > 1 else "this run"
    return Finding(Outcome.UNKNOWN, f"nobody recorded of {whose}: {what}", advice=advice, missing=(what,))
