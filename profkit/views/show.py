"""A profile as a table for the terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.profile import Profile
from profkit.summary import Summary, coverage, is_host, summarise
from profkit.units import format_count, format_share
from profkit.views.cost import format_cost, name_of
from profkit.views.run import title


def profile_view(profile: Profile, by: tuple[str, ...], top: int) -> RenderableType:
    """What was run, the rows by `by` (processor first, devices beside it next), and the coverage as the last line."""
    parts: list[RenderableType] = [Text(title(profile.run), style="bold")]
    summaries = _summaries(profile, by)
    parts += [_table(summary, top, f"on the {device}" if len(summaries) > 1 else None) for device, summary in summaries]
    parts.extend(Text(f"note: {note}", style="dim") for note in profile.notes)
    parts.append(Text(coverage_line(profile)))
    return Group(*parts)


def coverage_line(profile: Profile) -> str:
    """How much of the cost on the processor is attributed to what, in one line."""
    known = coverage(profile, is_host(profile))
    words = [f"{format_share(known.operator)} in an operator", f"{format_share(known.layer)} in a layer"]
    words.append(f"{format_share(known.phase)} in a phase")
    line = f"coverage of the self cost: {', '.join(words)}"
    return f"{line}; {format_share(known.estimated)} estimated" if known.estimated else line


def _table(summary: Summary, top: int, caption: str | None) -> Table:
    whole = int(summary.self_cost.sum())
    table = Table(title=caption, title_justify="left", box=None, pad_edge=False, header_style="bold", expand=True)
    for dimension in summary.by:
        table.add_column(dimension.replace("_", " "), overflow="fold", ratio=1)
    with_total = "operator" in summary.by and any(value is not None for value in summary.total_cost)
    heads = [
        "self time" if summary.unit == "ns" else summary.unit,
        "share",
        *(["total"] if with_total else []),
        "count",
    ]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row, key in enumerate(summary.keys[:top]):
        cost = int(summary.self_cost[row])
        mark = "~" if summary.estimated[row] > 0.1 * cost else ""
        names = [name_of(value, dimension) for value, dimension in zip(key, summary.by, strict=True)]
        cells = [mark + format_cost(cost, summary.unit), format_share(cost / whole if whole else 0.0)]
        if with_total:
            cells.append(format_cost(summary.total_cost[row], summary.unit))
        count = summary.count[row]
        table.add_row(*names, *cells, "-" if count is None else format_count(count))
    rest = len(summary.keys) - top
    if rest > 0:
        cost = int(summary.self_cost[top:].sum())
        cells = [format_cost(cost, summary.unit), format_share(cost / whole if whole else 0.0)]
        table.add_row(f"({rest} more)", *[""] * (len(summary.by) - 1), *cells, style="dim")
    table.add_section()
    table.add_row(
        "all", *[""] * (len(summary.by) - 1), format_cost(whole, summary.unit), format_share(1.0), style="bold"
    )
    return table


def profile_rows(profile: Profile, by: tuple[str, ...]) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV, every key."""
    heads = [
        "device",
        *by,
        f"self_{profile.unit}",
        "share",
        f"total_{profile.unit}",
        "count",
        f"estimated_{profile.unit}",
    ]
    rows: list[list[Any]] = []
    for device, summary in _summaries(profile, by):
        whole = int(summary.self_cost.sum())
        for row, key in enumerate(summary.keys):
            cost = int(summary.self_cost[row])
            share = cost / whole if whole else 0.0
            tail = [summary.total_cost[row], summary.count[row], int(summary.estimated[row])]
            rows.append([device, *key, cost, share, *tail])
    return heads, rows


def profile_json(profile: Profile, by: tuple[str, ...]) -> dict[str, Any]:
    """Run, coverage and every row, for programs."""
    heads, rows = profile_rows(profile, by)
    return {
        "title": title(profile.run),
        "run": asdict(profile.run),
        "unit": profile.unit,
        "coverage": asdict(coverage(profile, is_host(profile))),
        "notes": list(profile.notes),
        "rows": [dict(zip(heads, row, strict=True)) for row in rows],
    }


def _summaries(profile: Profile, by: tuple[str, ...]) -> list[tuple[str, Summary]]:
    """Processor first, then the devices beside it, where there is anything."""
    host = is_host(profile)
    sides = (("cpu", host), ("device", ~host))
    return [(device, summarise(profile, by, rows)) for device, rows in sides if rows.any()]
