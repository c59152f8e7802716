"""What works here, as tables: checks, tools, implementations, and the matrix with the reason for each no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.doctor import LIMITED, MISSING, OK, Finding
from profkit.doctor.examination import Examination
from profkit.doctor.matrix import Matrix, Subject, Tool
from profkit.options import Option

_STYLES = {OK: "green", LIMITED: "yellow", MISSING: "bold red"}
_REMEDY = "-> "
_INDENT = "  "


def doctor_view(examination: Examination) -> RenderableType:
    """Everything, what is missing with how to get it."""
    parts: list[RenderableType] = []
    for section, findings in groupby(examination.findings, lambda found: found.check.section):
        parts += [_head(section), _table([row for found in findings for row in _finding_rows(found)]), Text()]
    parts += [_head("Tools"), _table([row for tool in examination.tools for row in _tool_rows(tool)]), Text()]
    if not examination.focus:
        subjects = [subject for subject in examination.subjects if not subject.own]
        rows = [row for subject in subjects for row in _subject_rows(subject)]
        parts += [_head("Implementations"), _table(rows), Text()]
    parts += [_head("What records what"), *_matrix(examination.matrix, examination.subjects), Text()]
    parts += _options(examination.tools)
    return Group(*parts, _verdict(examination))


def _head(text: str) -> Text:
    return Text(text, "bold")


def _table(rows: Sequence[tuple[Text, str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=len(MISSING) + len(_INDENT))
    table.add_column(no_wrap=True, min_width=18)
    table.add_column(overflow="fold")
    for mark, name, words in rows:
        table.add_row(Text(_INDENT) + mark, name, Text(words))
    return table


def _finding_rows(found: Finding) -> Iterator[tuple[Text, str, str]]:
    seen, check = found.seen, found.check
    style = "dim" if check.optional and seen.status == MISSING else _STYLES[seen.status]
    words = "; ".join(part for part in (seen.version, seen.note) if part)
    if seen.status != OK:
        words += f" ({'optional: ' if check.optional else ''}{check.purpose})"
    yield Text(seen.status, style), check.name, words
    yield from _remedies(seen.remedy)


def _remedies(remedy: Sequence[str]) -> Iterator[tuple[Text, str, str]]:
    for line in remedy:
        yield Text(), "", _REMEDY + line


def _tool_rows(tool: Tool) -> Iterator[tuple[Text, str, str]]:
    status = MISSING if tool.problem else OK
    tried = "tried, it works" if tool.tried else "in the program itself" if tool.recorder.inside else "not tried: --try"
    words = [tool.version, tool.problem or tried]
    yield Text(status, _STYLES[status]), tool.name, "; ".join(part for part in words if part)
    yield from _remedies(tool.remedy)


def _subject_rows(subject: Subject) -> Iterator[tuple[Text, str, str]]:
    status = MISSING if subject.problem else OK
    able = [device for device, reason in subject.devices.items() if reason is None]
    words = subject.problem or "; ".join(part for part in (f"on {', '.join(able)}", subject.note) if part)
    yield Text(status, _STYLES[status]), subject.name, words
    yield from _remedies(subject.remedy)
    if not subject.problem:
        for device, reason in subject.devices.items():
            if reason:
                yield Text(), "", f"not on {device}: {reason}"


def _matrix(matrix: Matrix, subjects: Sequence[Subject]) -> list[RenderableType]:
    """Yes, or no with a number; the reasons stand below."""
    reasons = list(dict.fromkeys(reason for row in matrix.values() for reason in row.values() if reason))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(min_width=18)
    for subject in subjects:
        table.add_column(subject.name)
    for tool, row in matrix.items():
        cells = [
            Text("yes", "green") if why is None else Text(f"no {reasons.index(why) + 1}", "red") for why in row.values()
        ]
        table.add_row(f"{_INDENT}{tool}", *cells)
    notes = Table.grid(padding=(0, 1))
    for number, reason in enumerate(reasons, 1):
        notes.add_row(f"{_INDENT}{number}", Text(reason))
    return [table, notes] if reasons else [table]


def _options(tools: Sequence[Tool]) -> list[RenderableType]:
    """Of each tool: name, default and meaning."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("", "option", "default", "meaning"):
        table.add_column(head, overflow="fold")
    for tool in tools:
        for name, option in tool.recorder.options.items():
            table.add_row(f"{_INDENT}{tool.name}", name, _value(option), Text(_meaning(option)))
    if not table.row_count:
        return []
    return [_head("Options of tools (record --tool-option NAME=VALUE)"), table, Text()]


def _value(option: Option) -> str:
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def _meaning(option: Option) -> str:
    choices = ", ".join(str(choice) for choice in option.choices)
    return f"{option.meaning} ({choices})" if choices else option.meaning


def _verdict(examination: Examination) -> Text:
    lacking = examination.lacking()
    if lacking:
        return Text(f"Missing here: {', '.join(lacking)}.", "bold")
    if examination.focus:
        return Text(f"{examination.focus} works here.", "bold")
    limits = [found.check.name for found in examination.findings if found.seen.status == LIMITED]
    return Text(f"All works; limited: {', '.join(limits)}." if limits else "All works.", "bold")


def doctor_json(examination: Examination) -> dict[str, Any]:
    """The same for programs."""
    return {
        "checks": [_finding_json(found) for found in examination.findings],
        "tools": {tool.name: _tool_json(tool) for tool in examination.tools},
        "implementations": {
            subject.name: _subject_json(subject) for subject in examination.subjects if not subject.own
        },
        "matrix": {
            tool: {subject: {"works": why is None, "reason": why} for subject, why in row.items()}
            for tool, row in examination.matrix.items()
        },
        "missing": examination.lacking(),
    }


def _finding_json(found: Finding) -> dict[str, Any]:
    check, seen = found.check, found.seen
    return {
        "name": check.name,
        "section": check.section,
        "purpose": check.purpose,
        "status": seen.status,
        "version": seen.version,
        "note": seen.note,
        "remedy": list(seen.remedy),
        "needed_by": list(check.needed_by),
        "helps": list(check.helps),
        "optional": check.optional,
    }


def _tool_json(tool: Tool) -> dict[str, Any]:
    options = tool.recorder.options.items()
    return {
        "summary": tool.recorder.summary,
        "version": tool.version,
        "works": tool.problem is None,
        "tried": tool.tried,
        "problem": tool.problem,
        "remedy": list(tool.remedy),
        "refuses": dict(tool.recorder.refuses),
        "options": {
            name: {"default": option.default, "meaning": option.meaning, "choices": list(option.choices)}
            for name, option in options
        },
    }


def _subject_json(subject: Subject) -> dict[str, Any]:
    return {
        "summary": subject.summary,
        "language": subject.language,
        "works": subject.problem is None,
        "problem": subject.problem,
        "remedy": list(subject.remedy),
        "note": subject.note,
        "devices": {name: {"works": why is None, "reason": why} for name, why in subject.devices.items()},
    }
