"""What a gate says: a table that fits into eighty columns, and Markdown that no name of a row can break."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from profkit.gate import Gate, gate
from profkit.machine import Machine
from profkit.run import Run
from profkit.views.gate import gate_json, gate_markdown, gate_sentence, gate_view, percent
from tests.test_gate import counted, profile, timed

WORST = "operator|`<b>*(a_b)*</b>`\n|"


def printed(found: Gate) -> str:
    text = io.StringIO()
    Console(file=text, width=80, highlight=False, markup=False).print(gate_view(found))
    return text.getvalue()


def test_the_terminal_shows_the_verdict_first_and_fits() -> None:
    found = gate(counted(mm=1000, relu=9000), counted(mm=1200, relu=9000), 0.05, ("operator",))
    lines = printed(found).splitlines()
    assert lines[0] == "FAILED: B is past the limit of 5 % in aten::mm."
    assert all(len(line) <= 80 for line in lines)
    row = next(line for line in lines if line.startswith("aten::mm"))
    assert row.split()[1:] == ["1.00", "k", "1.20", "k", "+20.0", "%", "exact", "PAST"]


def test_intervals_and_their_processes_are_told_of_times() -> None:
    text = " ".join(printed(gate(timed(0, 1), timed(1, 1), 0.05)).split())
    assert "over 1 and 1 processes" in text
    assert "record with --repeats 5" in text
    assert " .. " in text


def test_only_counts_are_called_exact() -> None:
    steady = profile({"aten::mm": [100] * 4}, repeats=2)
    found = gate(steady, steady, 0.05, ("operator",))
    assert found.total.low == found.total.high == 0
    assert "exact" not in printed(found) + gate_markdown(found)
    assert "+0.00 % .. +0.00 %" in printed(found)


def test_what_is_undecided_stands_with_its_reason() -> None:
    found = gate(counted(mm=5000, relu=5000), counted(addmm=5000, relu=5000), 0.05, ("operator",))
    assert "undecided: aten::mm: only in A" in printed(found)
    markdown = gate_markdown(found)
    assert "2 rows undecided" in markdown
    assert "only in A" in markdown


def test_the_sentence_says_why_a_total_is_undecided() -> None:
    one, other = profile({"aten::mm": [1, 2]}), profile({"aten::mm": [1, 2]}, "self_instructions")
    assert gate_sentence(gate(one, other, 0.05)) == ("Passed, but the total is undecided: A counts ns, B instructions.")


def test_a_total_whose_interval_reaches_over_the_limit_is_told() -> None:
    assert "not surely past the limit of 5 %" in gate_sentence(gate(timed(0, 1), timed(1, 1), 0.05))


def test_markdown_has_the_verdict_the_rows_and_what_was_compared() -> None:
    machine = Machine("AMD EPYC", "avx2", 2, 1 << 34, "Linux")
    before, after = counted(mm=1000, relu=9000), counted(mm=1200, relu=9000)
    before = replace(before, run=replace(before.run, commit="c4f0269", machine=machine, tool_version="3.19"))
    markdown = gate_markdown(gate(before, after, 0.05, ("operator",)))
    lines = markdown.splitlines()
    assert lines[0] == "### ❌ profkit: FAILED"
    assert "| <code>aten::mm</code> | 1.00 k | 1.20 k | +20.0 % | exact | **past the limit** |" in lines
    assert "| commit | <code>c4f0269</code> | <code>unknown</code> |" in lines
    assert "AMD EPYC" in markdown
    assert markdown.count("<details>") == markdown.count("</details>") == 2
    assert gate_markdown(gate(before, before, 0.05)).startswith("### ✅ profkit: Passed")


def test_no_name_breaks_the_tables_of_markdown() -> None:
    before = profile({WORST: [1000, 1000], "aten::mm": [9, 9]}, "self_instructions")
    after = profile({WORST: [2000, 2000], "aten::mm": [9, 9]}, "self_instructions")
    before = replace(before, run=replace(before.run, workload="a|b`c"))
    markdown = gate_markdown(gate(before, after, 0.05, ("operator",)))
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} <= {4, 7}
    assert "<b>" not in markdown
    assert "`" not in markdown.replace("\\`", "")


def test_json_holds_every_row_and_no_number_that_json_has_not() -> None:
    found = gate(timed(0, 2, rows=3), timed(1, 2, rows=3), 0.05, ("operator",))
    read = json.loads(json.dumps(gate_json(found), allow_nan=False))
    assert (read["failed"], len(read["rows"]), read["processes"]) == (False, 3, [2, 2])
    assert read["total"]["low"] < read["total"]["change"] < read["total"]["high"]
    empty = gate(profile({"a": [0, 0]}), profile({"a": [0, 0]}), 0.05)
    json.dumps(gate_json(empty), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "+10.0 %"), (-0.00042, "-0.04 %"), (0.0511, "+5.11 %"), (99.0, "> 1000 %")]
)
def test_changes_have_a_sign_and_few_digits(value: float, text: str) -> None:
    assert percent(value) == text


def test_a_run_that_nothing_is_known_of_is_told_as_unknown() -> None:
    bare = profile({"aten::mm": [5, 5]}, "self_instructions", run=Run(tool="callgrind"))
    assert "| machine | <code>unknown</code> | <code>unknown</code> |" in gate_markdown(gate(bare, bare, 0.05))
