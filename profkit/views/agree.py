"""Agreement of implementations as a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.agree import Check
from profkit.rounding import FACTOR, FLIPPED
from profkit.run import Agreement

COLUMNS = {"output": "output", "loss": "losses", "weight": "weights", "statistics": "statist.", "exact": "float64"}


def agreement_view(checks: Sequence[Check]) -> RenderableType:
    """One row a workload and two implementations: their largest differences."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("implementations")
    for head in COLUMNS.values():
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("")
    for check in checks:
        table.add_row(Text(check.workload, "bold"))
        for pair, agreement in check.found.items():
            table.add_row(f"  {pair}", *_cells(agreement))
    found = [agreement for check in checks for agreement in check.found.values()]
    return Group(table, *_refused(checks), *_caption(found))


def _refused(checks: Sequence[Check]) -> list[Text]:
    """A line for each platform that is unsupported, naming the workloads where these are not all."""
    where: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        for platform, reason in check.refused.items():
            where.setdefault((platform, reason), []).append(check.workload)
    lines = []
    for (platform, reason), names in where.items():
        of = "" if len(names) == len(checks) else f" for {', '.join(names)}"
        lines.append(Text(f"{platform} is unsupported{of}: {reason}"))
    return lines


def _cells(agreement: Agreement) -> list[Text]:
    """Each difference, the largest share of what is allowed, and the verdict."""
    values = [getattr(agreement, name) for name in COLUMNS]
    share = "" if agreement.excess is None else _number(agreement.excess, ".2g")
    verdict = Text("agrees", "green") if agreement.holds else Text(f"DIFFERS: {agreement.worst}", "bold red")
    return [*(Text(_number(value, ".0e")) for value in values), Text(share), verdict]


def _number(value: float, form: str) -> str:
    if value == sys.float_info.max:
        return "inf"
    return format(value, form) if value else "0"


def _caption(found: Sequence[Agreement]) -> list[Text]:
    if not found:
        return []
    steps = sorted({agreement.steps for agreement in found})
    text = (
        "Largest differences on the same weights, batches and dropout masks, relative to the largest value where that "
        f"is above one: outputs of the first batch, losses of {steps[0]}{f' to {steps[-1]}' if len(steps) > 1 else ''} "
        "training steps, weights and batch norm's statistics after them, and the second one's outputs from float64 "
        f"arithmetic. Share: the most of what rounding explains that any tensor takes; that is {FACTOR} times the "
        f"distance of float32 from float64 in the reference, under Adam also {FLIPPED:.0%} of a weight's movement, and "
        f"{found[0].tolerance:.0e} at the least; above 1 differs."
    )
    return [Text(text, "dim")]


def agreement_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The same for programs; a difference that is not a number is null."""
    return {
        check.workload: {
            "agreements": {
                pair: {key: value if value == value else None for key, value in asdict(agreement).items()}
                | {"agrees": agreement.holds}
                for pair, agreement in check.found.items()
            },
            "unsupported": dict(check.refused),
        }
        for check in checks
    }
