"""Operators whose FLOP are not known: which, how much time they take, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.costs import formula
from profkit.network_costs import network_costs
from profkit.profile import Profile
from profkit.quantities import uncosted_rows as unknown_rows
from profkit.quantities import working_rows
from profkit.summary import is_host, summarise
from profkit.units import format_share
from profkit.views.cost import format_cost, name_of
from profkit.views.run import title

BY = ("operator", "input_shapes")


def costed_line(profile: Profile) -> str:
    """Of how much of the time in operators the FLOP are known, in one line, processor and devices apart."""
    if profile.operators["flop"].null_count == profile.operators.num_rows and network_costs(profile.run) is not None:
        return "FLOP and bytes are those of the network as data: the tool saw no shapes"
    works, unknown, host = working_rows(profile.operators), unknown_rows(profile.operators), is_host(profile)
    cost, parts = profile.cost().astype(float), []
    for device, side in (("processor", host), ("device", ~host)):
        whole = cost[works & side].sum()
        if whole:
            parts.append(f"{format_share(cost[works & side & ~unknown].sum() / whole)} on the {device}")
    return f"FLOP are known of the self cost in operators: {', '.join(parts) or 'of none'}"


def uncosted_rows(profile: Profile) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows: device, operator, shapes, self cost, share of the self cost in operators, why."""
    heads = ["device", *BY, f"self_{profile.unit}", "share", "why"]
    works, unknown, host = working_rows(profile.operators), unknown_rows(profile.operators), is_host(profile)
    rows: list[list[Any]] = []
    for device, side in (("cpu", host), ("device", ~host)):
        whole = int(profile.cost()[works & side].sum())
        summary = summarise(profile, BY, unknown & side)
        for key, cost in zip(summary.keys, np.asarray(summary.self_cost).tolist(), strict=True):
            rows.append([device, *key, cost, cost / whole if whole else 0.0, _why(*key)])
    return heads, rows


def uncosted_view(profile: Profile, top: int) -> RenderableType:
    """One row an operator and shapes, those that take most time first; how much is covered in the last line."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("operator", overflow="fold", ratio=2)
    table.add_column("shapes", overflow="fold", ratio=2)
    for head in ("self cost", "share"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    _, rows = uncosted_rows(profile)
    rows.sort(key=lambda row: -row[3])
    for device, operator, shapes, cost, share, why in rows[:top]:
        label = name_of(operator, "operator") + ("" if device == "cpu" else " (device)")
        table.add_row(label, _shapes(shapes), format_cost(cost, profile.unit), format_share(share), why)
    if len(rows) > top:
        table.add_row(f"({len(rows) - top} more)", "", format_cost(sum(row[3] for row in rows[top:]), profile.unit))
    return Group(Text(title(profile.run), style="bold"), table, Text(costed_line(profile)))


def _shapes(text: str | None) -> str:
    """The shapes of the tensors: `8x16x11x11, 16x8x3x3`; of lists of tensors the first."""
    found = [] if text is None else msgspec.json.decode(text)
    sizes = [one[0] if one and isinstance(one[0], list) else one for one in found]
    return ", ".join("x".join(map(str, size)) for size in sizes if size) or "-"


def _why(operator: str | None, shapes: str | None) -> str:
    if operator is None:
        return "no operator launched it"
    if formula(operator) is None:
        return "no formula"
    return "no shapes in the trace" if shapes is None else "values or shapes missing"
