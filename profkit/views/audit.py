"""An audit: the counts first, a line a rule, and below it what to do about those that do not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from profkit.audit import Audit, Fact, Finding, Outcome, Rule
from profkit.profile import Profile
from profkit.views.run import title

STYLES = {Outcome.PASS: "green", Outcome.UNKNOWN: "dim", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}
WORDS = {Outcome.PASS: "pass", Outcome.UNKNOWN: "unknown", Outcome.WARN: "warns", Outcome.FAIL: "fails"}
MANY_WORDS = {**WORDS, Outcome.WARN: "warn", Outcome.FAIL: "fail"}
_SAID_SO_FAR = 48
"""Characters of a fact that the evidence has room for."""
_RULE_HEADS = ("rule", "fair only if", "decides on", "unknown when")


def audit_view(audit: Audit, sides: Sequence[Profile], *, everything: bool = False) -> RenderableType:
    """The profiles, the counts, one row a rule, then advice and estimated effect of what does not hold.

    Args:
        audit: of the profiles.
        sides: one or two.
        everything: also the evidence of rules that hold.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("rule", "", "because"):
        table.add_column(head, no_wrap=head != "because", overflow="fold")
    for rule, finding in audit.findings.items():
        table.add_row(rule, Text(finding.outcome, STYLES[finding.outcome]), _sentence(finding.says))
    shown = [rule for rule, finding in audit.findings.items() if everything or _matters(finding)]
    details = [part for rule in shown for part in _details(rule, audit.findings[rule])]
    return Group(*map(Text, titles(sides)), Text(counts(audit), "bold"), "", table, *details, *_unknown(audit))


def audit_line(audit: Audit) -> list[str]:
    """The audit in one line and how to see the rest: what a diff begins with."""
    shows = [] if audit.worst is Outcome.PASS else ["profkit audit A B shows why and what to do"]
    return ["; ".join([f"audit: {counts(audit)}", *shows])]


def counts(audit: Audit) -> str:
    """`21 pass, 1 warns (R12), 2 unknown (R19, R20)`, without what there is none of."""
    parts = []
    for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.WARN, Outcome.UNKNOWN):
        found = [rule for rule, finding in audit.findings.items() if finding.outcome is outcome]
        named = "" if outcome is Outcome.PASS else f" ({', '.join(found)})"
        word = (WORDS if len(found) == 1 else MANY_WORDS)[outcome]
        parts += [f"{len(found)} {word}{named}"] if found else []
    return ", ".join(parts)


def audit_json(audit: Audit, sides: Sequence[Profile], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Everything, for programs; no fact in it is a NaN or infinite."""
    return {
        "outcome": audit.worst,
        "counts": {outcome: audit.count(outcome) for outcome in Outcome},
        "refusals": list(audit.refusals),
        "sides": [title(profile.run) for profile in sides],
        "rules": [
            {"rule": name, "demand": rules[name].demand, **_plain(asdict(finding))}
            for name, finding in audit.findings.items()
        ],
    }


def rules_table(rules: Mapping[str, Rule]) -> RenderableType:
    """What each rule demands, what it decides on and when it cannot."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for head in _RULE_HEADS:
        table.add_column(head, no_wrap=head == "rule", ratio=None if head == "rule" else 1)
    for rule in rules.values():
        table.add_row(rule.name, rule.demand, rule.decides_on, rule.unknown_when)
    return table


def rules_json(rules: Mapping[str, Rule]) -> list[dict[str, str]]:
    """The same for programs."""
    return [
        {"rule": rule.name, "demand": rule.demand, "decides_on": rule.decides_on, "unknown_when": rule.unknown_when}
        for rule in rules.values()
    ]


def rules_markdown(rules: Mapping[str, Rule]) -> str:
    """The same as a table for the README."""
    rows = [_RULE_HEADS, ("---",) * len(_RULE_HEADS)]
    rows += [(rule.name, rule.demand, rule.decides_on, rule.unknown_when) for rule in rules.values()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def titles(sides: Sequence[Profile]) -> list[str]:
    """What was audited, a line a side."""
    names = ("A: ", "B: ") if len(sides) > 1 else ("",)
    return [f"{name}{title(profile.run)}" for name, profile in zip(names, sides, strict=True)]


def effect_words(effect: float, sides: int) -> str:
    """What an estimated effect means.

    >>> effect_words(890.0, 2)
    'B looks 9.9 times slower than it is'
    >>> effect_words(-4.0, 2)
    'B looks 4.0 % faster than it is'
    >>> effect_words(12.5, 1)
    'it looks 12.5 % slower than it is'
    """
    who = "B" if sides > 1 else "it"
    factor = 1 + effect / 100
    if factor >= 2:
        return f"{who} looks {factor:.3g} times slower than it is"
    if 0 < factor <= 0.5:
        return f"{who} looks {1 / factor:.3g} times faster than it is"
    return f"{who} looks {abs(effect):.1f} % {'slower' if effect > 0 else 'faster'} than it is"


def _matters(finding: Finding) -> bool:
    return finding.outcome in (Outcome.WARN, Outcome.FAIL)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _details(rule: str, finding: Finding) -> list[RenderableType]:
    """The evidence of a rule, what it does to the result and what to do."""
    sides = max((len(facts) for facts in finding.evidence.values()), default=1)
    lines: list[RenderableType] = [
        Text.assemble((f"{rule} {WORDS[finding.outcome]}", STYLES[finding.outcome]), ": ", _evidence(finding))
    ]
    if finding.effect is not None:
        lines.append(_indented(f"effect: {effect_words(finding.effect, sides)}, about ({finding.effect:+.3g} %)"))
    if finding.advice and _matters(finding):
        lines.append(_indented(f"to do: {finding.advice}"))
    return ["", *lines]


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, len("R01 ")))


def _evidence(finding: Finding) -> str:
    facts = [
        f"{what} {' | '.join(_fact(fact) for fact in values)}"
        for what, values in finding.evidence.items()
        if any(fact is not None for fact in values)
    ]
    return "; ".join(facts) or "no evidence"


def _fact(fact: Fact) -> str:
    if fact is None:
        return "-"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    text = f"{fact:,}" if isinstance(fact, int) else f"{fact:.6g}" if isinstance(fact, float) else str(fact)
    return text if len(text) <= _SAID_SO_FAR else f"{text[: _SAID_SO_FAR - 1]}…"


def _unknown(audit: Audit) -> list[RenderableType]:
    """How to get what is missing, each advice once with the rules that it is for."""
    wanted: dict[str, list[str]] = {}
    for rule, finding in audit.findings.items():
        if finding.outcome is Outcome.UNKNOWN and finding.advice:
            wanted.setdefault(finding.advice, []).append(rule)
    return ["", *(Text(f"{', '.join(rules)}: {advice}", "dim") for advice, rules in wanted.items())] if wanted else []


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and value - value != 0 else value
