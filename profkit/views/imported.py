"""What was read of which file: recognised, left out, and how its total compares with the tool's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.loader import Read
from profkit.profile import Profile
from profkit.summary import coverage, is_host
from profkit.units import format_count
from profkit.views.cost import format_cost
from profkit.views.run import title
from profkit.views.show import coverage_line


def import_view(profile: Profile, output: Path | None) -> RenderableType:
    """What was recognised, what was left out, and where it went."""
    lines = [title(profile.run), *(f"note: {note}" for note in profile.notes), coverage_line(profile)]
    cost = format_cost(_total(profile), profile.unit)
    lines.append(f"{profile.operators.num_rows} rows, {cost} ({profile.unit}) of self cost")
    lines.append(f"profile: {output}" if output else "-o writes it as a profile")
    return Group(*(Text(line) for line in lines))


def import_table(results: Sequence[Read]) -> RenderableType:
    """One row a file; below it why some cannot be read."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("file", overflow="fold", ratio=2)
    table.add_column("format", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    table.add_column("the tool's own", justify="right", overflow="fold", ratio=1)
    for result in results:
        profile = result.profile
        if profile is None:
            table.add_row(result.path.name, "-", "-", "-", "not read", style="dim")
            continue
        own = ", ".join(f"{total:,} {name}" for name, total in result.tool_totals.items()) or "-"
        total = f"{_total(profile):,} {profile.unit}"
        table.add_row(result.path.name, profile.run.tool, format_count(profile.operators.num_rows), total, own)
    errors = [Text(result.error.message, style="dim") for result in results if result.error]
    return Group(table, *errors)


def import_json(results: Sequence[Read], output: Path | None) -> Any:
    """The same for programs: an object for one file, a list for several."""
    rows = [_row(result, output) for result in results]
    return rows[0] if len(rows) == 1 else rows


def _row(result: Read, output: Path | None) -> dict[str, Any]:
    profile = result.profile
    if profile is None:
        return {"file": str(result.path), "error": result.error.message if result.error else None}
    return {
        "file": str(result.path),
        "profile": str(output) if output else None,
        "format": profile.run.tool,
        "rows": profile.operators.num_rows,
        "unit": profile.unit,
        "self_cost": _total(profile),
        "tool_totals": dict(result.tool_totals),
        "coverage": asdict(coverage(profile, is_host(profile))),
        "notes": list(profile.notes),
    }


def _total(profile: Profile) -> int:
    return int(profile.cost().sum())
