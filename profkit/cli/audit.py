"""`profkit audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profkit.audit import Audit, Rule

EXAMPLES = (
    "profkit audit python.json cpp.json",
    "profkit audit python.json",
    "profkit audit python.json cpp.json --rule R10,R12 --all",
    "profkit audit trace.json.gz --json",
    "profkit audit --rules",
)


def command(
    baseline: Annotated[Path | None, Argument(help="A: profile, or artefact of a tool")] = None,
    candidate: Annotated[Path | None, Argument(help="B: likewise; without it, A alone is checked")] = None,
    rule: Annotated[str, Option(help="only these: R01,R10")] = "",
    everything: Annotated[bool, Option("--all", help="the evidence of rules that hold, too")] = False,
    table: Annotated[bool, Option("--rules", help="say what each rule decides on, and when it cannot")] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON, everything")] = False,
) -> None:
    """Say whether it is fair to compare A with B, by 24 rules: exit code 10 where one warns, 11 where one fails."""
    from profkit.audit import Audit, rules
    from profkit.errors import UsageError
    from profkit.loader import load
    from profkit.views.audit import audit_json, audit_view, rules_json, rules_table
    from profkit.views.output import print_json, print_view

    wanted = _chosen(rule, rules())
    if table:
        print_json(rules_json(wanted)) if as_json else print_view(rules_table(wanted))
        return
    if baseline is None:
        raise UsageError("nothing to audit", "give one profile or two; --rules says what is looked at")
    sides = tuple(load(path) for path in (baseline, candidate) if path is not None)
    audit = Audit({name: each.check(sides) for name, each in wanted.items()})
    if as_json:
        print_json(audit_json(audit, sides, wanted))
    else:
        print_view(audit_view(audit, sides, everything=everything))
    _judge(audit, "the advice of each rule says what to do" if as_json else "what to do stands below the table")


def _chosen(text: str, rules: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """The rules of `R01,r10`; all of them where nothing is asked for."""
    from profkit.registry import unknown

    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in rules:
            raise unknown("rule", name, rules)
    return {name: each for name, each in rules.items() if name in names} if names else rules


def _judge(audit: Audit, hint: str) -> None:
    """End with the code of the worst outcome.

    Raises:
        UnfairError: a rule fails.
        WarnedError: none fails, and one warns.
    """
    from profkit.audit import Outcome
    from profkit.errors import UnfairError, WarnedError

    kinds = {Outcome.FAIL: (UnfairError, "fail"), Outcome.WARN: (WarnedError, "warn")}
    if audit.worst not in kinds:
        return
    kind, word = kinds[audit.worst]
    found = [name for name, finding in audit.findings.items() if finding.outcome is audit.worst]
    raise kind(f"{', '.join(found)} {word}{'s' if len(found) == 1 else ''}", hint)
