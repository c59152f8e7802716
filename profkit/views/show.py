"""A profile as a table for the terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.profile import Profile
from profkit.quantities import QUANTITIES, Derived, derive
from profkit.summary import Summary, coverage, is_host, summarise
from profkit.units import format_count, format_share
from profkit.views.cost import format_cost, name_of, plain_quantity, quantity_cell
from profkit.views.run import title
from profkit.views.uncosted import costed_line


def profile_view(profile: Profile, by: tuple[str, ...], top: int, columns: tuple[str, ...] = ()) -> RenderableType:
    """What was run, the rows by `by` (processor first, devices beside it next), and the coverage as the last line."""
    parts: list[RenderableType] = [Text(title(profile.run), style="bold")]
    summaries = _summaries(profile, by)
    for device, summary in summaries:
        derived = derive(profile, by, [(key,) for key in summary.keys], columns, _rows_of(profile, device))
        parts.append(_table(summary, top, f"on the {device}" if len(summaries) > 1 else None, derived))
    parts.extend(Text(f"note: {note}", style="dim") for note in profile.notes)
    parts.append(Text(coverage_line(profile)))
    if columns:
        parts.append(Text(costed_line(profile)))
    return Group(*parts)


def coverage_line(profile: Profile) -> str:
    """How much of the cost on the processor is attributed to what, in one line."""
    known = coverage(profile, is_host(profile))
    words = [f"{format_share(known.operator)} in an operator", f"{format_share(known.layer)} in a layer"]
    words.append(f"{format_share(known.phase)} in a phase")
    line = f"coverage of the self cost: {', '.join(words)}"
    return f"{line}; {format_share(known.estimated)} estimated" if known.estimated else line


def _table(summary: Summary, top: int, caption: str | None, derived: Derived) -> Table:
    whole = int(summary.self_cost.sum())
    table = Table(title=caption, title_justify="left", box=None, pad_edge=False, header_style="bold", expand=True)
    for dimension in summary.by:
        table.add_column(dimension.replace("_", " "), overflow="fold", ratio=1)
    with_total = (
        "operator" in summary.by and not derived.values and any(value is not None for value in summary.total_cost)
    )
    heads = [
        "self time" if summary.unit == "ns" else summary.unit,
        "share",
        *(["total"] if with_total else []),
        "count",
        *(QUANTITIES[name].head for name in derived.values),
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
        more = [quantity_cell(derived, name, row) for name in derived.values]
        table.add_row(*names, *cells, "-" if count is None else format_count(count), *more)
    rest = len(summary.keys) - top
    if rest > 0:
        cost = int(summary.self_cost[top:].sum())
        cells = [format_cost(cost, summary.unit), format_share(cost / whole if whole else 0.0)]
        table.add_row(f"({rest} more)", *[""] * (len(summary.by) - 1), *cells, style="dim")
    table.add_section()
    cells = [format_cost(whole, summary.unit), format_share(1.0), *([""] if with_total else []), ""]
    cells += [quantity_cell(derived, name, None) for name in derived.values]
    table.add_row("all", *[""] * (len(summary.by) - 1), *cells, style="bold")
    return table


def profile_rows(
    profile: Profile, by: tuple[str, ...], columns: tuple[str, ...] = ()
) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV, every key."""
    heads = [
        "device",
        *by,
        f"self_{profile.unit}",
        "share",
        f"total_{profile.unit}",
        "count",
        f"estimated_{profile.unit}",
        *columns,
    ]
    rows: list[list[Any]] = []
    for device, summary in _summaries(profile, by):
        whole = int(summary.self_cost.sum())
        derived = derive(profile, by, [(key,) for key in summary.keys], columns, _rows_of(profile, device))
        for row, key in enumerate(summary.keys):
            cost = int(summary.self_cost[row])
            share = cost / whole if whole else 0.0
            tail: list[float | None] = [summary.total_cost[row], summary.count[row], int(summary.estimated[row])]
            tail += [plain_quantity(values[row], name) for name, values in derived.values.items()]
            rows.append([device, *key, cost, share, *tail])
    return heads, rows


def profile_json(profile: Profile, by: tuple[str, ...], columns: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run, coverage and every row, for programs."""
    heads, rows = profile_rows(profile, by, columns)
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
    sides = ((device, _rows_of(profile, device)) for device in ("cpu", "device"))
    return [(device, summarise(profile, by, rows)) for device, rows in sides if rows.any()]


def _rows_of(profile: Profile, device: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return is_host(profile) == (device == "cpu")
