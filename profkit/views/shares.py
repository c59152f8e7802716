"""Several profiles side by side, by shares of their own cost: what may be compared across tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.profile import Profile
from profkit.summary import is_host, summarise
from profkit.units import format_share
from profkit.views.cost import name_of
from profkit.views.run import title

Key = tuple[str | None, ...]


def shares_rows(profiles: Sequence[Profile], by: tuple[str, ...]) -> list[tuple[Key, list[float | None]]]:
    """Share of the cost on the processor by key, largest mean first; None in a profile that does not have the key."""
    columns = [_shares(profile, by) for profile in profiles]
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = [(key, [column.get(key) for column in columns]) for key in keys]
    return sorted(rows, key=lambda row: -sum(share or 0.0 for share in row[1]))


def shares_table(
    profiles: Sequence[Profile], paths: Sequence[Path], by: tuple[str, ...]
) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV and JSON."""
    heads = [*by, *(f"share_{path.stem}" for path in paths)]
    return heads, [[*key, *shares] for key, shares in shares_rows(profiles, by)]


def shares_view(profiles: Sequence[Profile], paths: Sequence[Path], by: tuple[str, ...], top: int) -> RenderableType:
    """One row a key, one column a profile; below it what each profile is, and what it could not see."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for dimension in by:
        table.add_column(dimension.replace("_", " "), overflow="fold", ratio=1)
    for path in paths:
        table.add_column(path.stem, justify="right", overflow="fold")
    rows = shares_rows(profiles, by)
    for key, shares in rows[:top]:
        names = [name_of(value, dimension) for value, dimension in zip(key, by, strict=True)]
        table.add_row(*names, *("-" if share is None else format_share(share) for share in shares))
    if len(rows) > top:
        rest = [sum(shares[index] or 0.0 for _, shares in rows[top:]) for index in range(len(paths))]
        table.add_row(f"({len(rows) - top} more)", *[""] * (len(by) - 1), *map(format_share, rest), style="dim")
    lines = [
        f"{path.stem}: {title(profile.run)}, in {profile.unit}" for path, profile in zip(paths, profiles, strict=True)
    ]
    notes = [f"{path.stem}: {note}" for path, profile in zip(paths, profiles, strict=True) for note in profile.notes]
    return Group(table, *(Text(line) for line in lines), *(Text(f"note: {note}", style="dim") for note in notes))


def _shares(profile: Profile, by: tuple[str, ...]) -> dict[Key, float]:
    summary = summarise(profile, by, is_host(profile))
    whole = int(summary.self_cost.sum())
    return {
        tuple(key): int(cost) / whole if whole else 0.0
        for key, cost in zip(summary.keys, summary.self_cost, strict=True)
    }
