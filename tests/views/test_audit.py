"""An audit as people and programs read it."""

from __future__ import annotations

import json

import pytest
from rich.console import Console, RenderableType

from profkit.audit import Audit, Finding, Outcome, audit, rules
from profkit.views.audit import (
    audit_json,
    audit_line,
    audit_view,
    counts,
    effect_words,
    rules_json,
    rules_markdown,
    rules_table,
)
from tests.audit.profiles import profile

SIDES = (profile(), profile(implementation="libtorch"))
AUDIT = Audit(
    {
        "R01": Finding(Outcome.FAIL, "B does a tenth", {"macs": (10_000, 1000)}, -90.0, "run the same"),
        "R12": Finding(Outcome.WARN, "A ran once", {"repeats": (1, 3)}, None, "repeat it"),
        "R14": Finding(Outcome.PASS, "both ran here", {"fingerprint": ("f00", "f00")}),
        "R19": Finding(Outcome.UNKNOWN, "nobody counted", {}, None, "record it", ("samples",)),
        "R20": Finding(Outcome.UNKNOWN, "nobody looked", {}, None, "record it", ("clock",)),
    }
)


def printed(view: RenderableType) -> str:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def test_counts_name_all_rules_but_those_that_hold() -> None:
    assert counts(AUDIT) == "1 pass, 1 fails (R01), 1 warns (R12), 2 unknown (R19, R20)"
    assert counts(Audit({"R14": AUDIT.findings["R14"]})) == "1 pass"


def test_a_diff_gets_one_line() -> None:
    (line,) = audit_line(AUDIT)
    assert line == f"audit: {counts(AUDIT)}; profkit audit A B shows why and what to do"
    assert audit_line(Audit({"R14": AUDIT.findings["R14"]})) == ["audit: 1 pass"]


def test_the_table_fits_and_what_does_not_hold_has_advice_and_effect() -> None:
    text = printed(audit_view(AUDIT, SIDES))
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("A: mnist_cnn, pytorch") < text.index("1 pass, 1 fails") < text.index("B does a tenth")
    assert "R01 fails: macs 10,000 | 1,000" in text
    assert "effect: B looks 10 times faster than it is" in text
    assert "to do: repeat it" in text
    assert "R19, R20: record it" in text
    assert "fingerprint" not in text


def test_everything_shows_the_evidence_of_rules_that_hold() -> None:
    assert "R14 pass: fingerprint f00 | f00" in printed(audit_view(AUDIT, SIDES, everything=True))


def test_json_has_everything_and_no_nan() -> None:
    odd = Audit({"R13": Finding(Outcome.WARN, "odd", {"share": (float("nan"), 1.0)}, float("inf"), "look")})
    found = json.loads(json.dumps(audit_json(odd, SIDES, rules()), allow_nan=False))
    assert found["rules"][0]["evidence"] == {"share": [None, 1.0]}
    assert found["rules"][0]["effect"] is None
    whole = json.loads(json.dumps(audit_json(audit(*SIDES), SIDES, rules()), allow_nan=False))
    assert [each["rule"] for each in whole["rules"]] == list(rules())
    assert sum(whole["counts"].values()) == 24
    assert {"outcome", "says", "evidence", "effect", "advice", "missing", "demand"} <= set(whole["rules"][0])


@pytest.mark.parametrize(
    ("effect", "sides", "words"),
    [
        (890.0, 2, "B looks 9.9 times slower than it is"),
        (-90.0, 2, "B looks 10 times faster than it is"),
        (-4.0, 2, "B looks 4.0 % faster than it is"),
        (12.5, 1, "it looks 12.5 % slower than it is"),
    ],
)
def test_an_effect_is_said_in_words(effect: float, sides: int, words: str) -> None:
    assert effect_words(effect, sides) == words


def test_the_table_of_rules_has_one_row_each() -> None:
    lines = rules_markdown(rules()).splitlines()
    assert len(lines) == 26
    assert all(line.count("|") == 5 for line in lines)
    assert len(rules_json(rules())) == 24
    assert all(name in printed(rules_table(rules())) for name in rules())
