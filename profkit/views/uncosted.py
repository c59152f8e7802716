"""Operators whose FLOP are not known: which, how much time they take, and why."""

from __future__ import annotations

from typing import Any

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
    """One row an operator, those that take most time first; how much is covered in the last line."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("operator", overflow="fold", ratio=2)
    table.add_column("shapes", overflow="fold", ratio=2)
    for head in ("self cost", "share"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    _, rows = uncosted_rows(profile)
    operators: dict[tuple[Any, ...], list[list[Any]]] = {}
    for row in sorted(rows, key=lambda row: -row[3]):
        operators.setdefault((row[0], row[1], row[-1]), []).append(row)
    costs = {key: sum(row[3] for row in several) for key, several in operators.items()}
    order = sorted(operators, key=lambda key: -costs[key])
    for key in order[:top]:
        (device, operator, why), several = key, operators[key]
        label = name_of(operator, "operator") + ("" if device == "cpu" else " (device)")
        shapes = name_of(several[0][2], "input_shapes") + (f" and {len(several) - 1} other" if len(several) > 1 else "")
        share = format_share(sum(row[4] for row in several))
        table.add_row(label, shapes, format_cost(costs[key], profile.unit), share, why)
    if len(order) > top:
        rest = sum(costs[key] for key in order[top:])
        table.add_row(f"({len(order) - top} more)", "", format_cost(rest, profile.unit))
    return Group(Text(title(profile.run), style="bold"), table, Text(costed_line(profile)))


def _why(operator: str | None, shapes: str | None) -> str:
    if operator is None:
        return "no operator launched it"
    if formula(operator) is None:
        return "no formula"
    return "no shapes in the trace" if shapes is None else "values or shapes missing"
