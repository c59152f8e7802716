"""What a gate found: for the terminal, for programs, and as a summary of a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.gate import Gate
from profkit.gate.judgement import Judgement, Verdict
from profkit.run import Run
from profkit.views.cost import format_cost, name_of
from profkit.views.markdown import escaped
from profkit.views.run import title

_MANY = 10
_STYLES = {Verdict.PAST: "bold red", Verdict.UNSURE: "yellow", Verdict.UNDECIDED: "dim", Verdict.WITHIN: "green"}
_WORDS = {
    Verdict.PAST: "PAST",
    Verdict.UNSURE: "not sure",
    Verdict.UNDECIDED: "undecided",
    Verdict.WITHIN: "within",
}


def gate_sentence(gate: Gate) -> str:
    """The answer in one sentence."""
    limit = percent(gate.limit, signed=False)
    past = [row for row in gate.rows if row.verdict is Verdict.PAST]
    if gate.failed:
        what = [*(["the total"] if gate.total.verdict is Verdict.PAST else []), *(_label(row, gate) for row in past)]
        more = f" and {len(what) - 3} more" if len(what) > 3 else ""
        return f"FAILED: B is past the limit of {limit} in {', '.join(what[:3])}{more}."
    total = gate.total
    if total.verdict is Verdict.UNDECIDED:
        return f"Passed, but the total is undecided: {total.reason}."
    if total.verdict is Verdict.UNSURE:
        return (
            f"Passed: B is not surely past the limit of {limit}, but the interval {_interval(total)} reaches over it."
        )
    return f"Passed: the total changed by {_change(total)}, within the limit of {limit}."


def gate_view(gate: Gate, top: int = 15) -> RenderableType:
    """The answer, what it rests on, and the total with the rows that matter."""
    verdict = Text(gate_sentence(gate), style="bold red" if gate.failed else "bold green")
    runs = [Text(f"{side}  {title(run)}") for side, run in _runs(gate)]
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column(", ".join(gate.by) or "judged by", overflow="fold", ratio=1)
    for head in ("A", "B", "change", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_row(f"total, {gate.measured}", *_cells(gate.total, gate.unit, exact=gate.exact), style="bold")
    for row in gate.rows[:top]:
        table.add_row(_label(row, gate), *_cells(row, gate.row_unit, exact=gate.exact))
    if len(gate.rows) > top:
        table.add_row(f"({len(gate.rows) - top} more)", style="dim")
    reasons = [f"undecided: {_label(row, gate)}: {row.reason}" for row in _undecided(gate)[:top]]
    return Group(
        verdict, *runs, table, *(Text(line, style="dim") for line in reasons), *(Text(line) for line in _basis(gate))
    )


def gate_json(gate: Gate) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "failed": gate.failed,
        "answer": gate_sentence(gate),
        "limit": gate.limit,
        "by": list(gate.by),
        "unit": gate.unit,
        "row_unit": gate.row_unit,
        "measured": gate.measured,
        "exact": gate.exact,
        "per_step": gate.per_step,
        "processes": list(gate.processes),
        "baseline": _compared(gate.baseline),
        "candidate": _compared(gate.candidate),
        "total": asdict(gate.total),
        "rows": [asdict(row) for row in gate.rows],
        "family": gate.family,
        "small": gate.small,
        "notes": list(gate.notes),
    }


def gate_markdown(gate: Gate, top: int = 20) -> str:
    """A summary for a pull request: the answer, the rows that matter, and the rest folded away."""
    sentence = gate_sentence(gate)
    head, _, rest = sentence.partition(":")
    lines = [f"### {'❌' if gate.failed else '✅'} profkit: {escaped(head)}", "", escaped(rest.strip()), ""]
    heads = (", ".join(gate.by) or "what", "A", "B", "change", "95 % interval", "verdict")
    lines += [_line(heads), "|---|--:|--:|--:|--:|---|"]
    lines.append(
        _line((f"**total**, {escaped(gate.measured)}", *_markdown_cells(gate.total, gate.unit, exact=gate.exact)))
    )
    important = [row for row in gate.rows if row.verdict in (Verdict.PAST, Verdict.UNSURE)]
    lines += _markdown_rows(gate, important[:top])
    if len(important) > top:
        lines += ["", f"{len(important) - top} more rows are past the limit or not sure."]
    undecided = _undecided(gate)
    lines += _folded(
        f"{_rows(len(undecided))} undecided",
        [f"- {_code(_label(row, gate))}: {escaped(row.reason)}" for row in undecided[:top]],
    )
    within = [row for row in gate.rows if row.verdict is Verdict.WITHIN]
    table = [_line(heads), "|---|--:|--:|--:|--:|---|", *_markdown_rows(gate, within[:top])]
    lines += _folded(f"{_rows(len(within))} within the limit", table if within else [])
    compared = [_line(("", "A", "B")), "|---|---|---|"]
    sides = [_compared(run) for run in (gate.baseline, gate.candidate)]
    compared += [_line((name, *(_code(_known(side[name])) for side in sides))) for name in sides[0]]
    basis = [f"- {escaped(line)}" for line in _basis(gate)]
    lines += _folded("what was compared", [*compared, "", *basis])
    return "\n".join(lines) + "\n"


def percent(value: float, *, signed: bool = True) -> str:
    """A relative difference: `+4.20 %`; small ones keep two digits, and past ten times it does not matter.

    >>> percent(0.1), percent(-0.00042), percent(0.05, signed=False)
    ('+10.0 %', '-0.04 %', '5 %')
    """
    if not signed:
        return f"{100 * value:g} %"
    if value > _MANY:
        return f"> {100 * _MANY} %"
    digits = 1 if abs(value) >= 0.0995 else 2
    return f"{100 * value:+.{digits}f} %"


def _runs(gate: Gate) -> Iterator[tuple[str, Run]]:
    yield from (("A", gate.baseline), ("B", gate.candidate))


def _compared(run: Run) -> dict[str, str | int | None]:
    """What tells two recordings apart."""
    return {
        "run": title(run),
        "commit": run.commit,
        "recorded": run.recorded_at,
        "machine": run.machine.processor if run.machine else None,
        "tool": " ".join(part for part in (run.tool, run.tool_version) if part),
        "steps": run.steps,
        "processes": run.repeats,
    }


def _known(value: str | int | None) -> str:
    return "unknown" if value is None else str(value)


def _basis(gate: Gate) -> list[str]:
    """What the answer rests on, in sentences."""
    lines = []
    if gate.exact:
        lines.append("Instructions are counted and repeat, so there is no interval: any difference is real.")
    else:
        counts = f"{gate.processes[0]} and {gate.processes[1]}"
        lines.append(
            f"Intervals are at 95 %, over {counts} processes; the gate fails where all of one is past the limit."
        )
    if gate.family > 1:
        lines.append(f"{gate.family} rows were judged together: their intervals are wider, so that all hold at once.")
    if gate.rows and not gate.exact:
        lines.append(f"Rows are times under the tool ({gate.baseline.tool}), which slows rows of many calls most.")
    if gate.small:
        lines.append(f"Below 1 % of the whole and not judged: {_rows(gate.small)}.")
    return [*lines, *(f"note: {note}" for note in gate.notes)]


def _undecided(gate: Gate) -> list[Judgement]:
    return [row for row in (gate.total, *gate.rows) if row.verdict is Verdict.UNDECIDED]


def _label(row: Judgement, gate: Gate) -> str:
    """The key in words."""
    if not row.key:
        return "the total"
    if len(row.key) != len(gate.by):
        return " ".join(str(value) for value in row.key)
    names = [name_of(value, dimension) for value, dimension in zip(row.key, gate.by, strict=True)]
    return " ".join(names) + (" (device)" if row.device != "cpu" else "")


def _cells(row: Judgement, unit: str, *, exact: bool) -> list[str | Text]:
    cost = [format_cost(row.baseline, unit), format_cost(row.candidate, unit)]
    return [*cost, _change(row), _interval(row, exact=exact), Text(_WORDS[row.verdict], _STYLES[row.verdict])]


def _markdown_cells(row: Judgement, unit: str, *, exact: bool) -> list[str]:
    cost = [format_cost(row.baseline, unit), format_cost(row.candidate, unit)]
    verdict = "**past the limit**" if row.verdict is Verdict.PAST else _WORDS[row.verdict]
    return [*cost, _change(row), _interval(row, exact=exact), verdict]


def _markdown_rows(gate: Gate, rows: list[Judgement]) -> list[str]:
    return [_line((_code(_label(row, gate)), *_markdown_cells(row, gate.row_unit, exact=gate.exact))) for row in rows]


def _change(row: Judgement) -> str:
    return "-" if row.change is None else percent(row.change)


def _interval(row: Judgement, *, exact: bool = False) -> str:
    if row.low is None or row.high is None:
        return "-"
    return "exact" if exact else f"{percent(row.low)} .. {percent(row.high)}"


def _rows(number: int) -> str:
    return f"{number} row{'s' if number != 1 else ''}"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(summary: str, lines: list[str]) -> list[str]:
    """A part that opens on a click; nothing where there is nothing in it."""
    return ["", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"] if lines else []


def _code(text: str) -> str:
    """A name in code style: no Markdown in it, no end of a cell, and no end of the code either."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<code>{plain.replace('|', '&#124;').replace('`', '&#96;')}</code>"
