"""Agreement of implementations as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.agree import Check
from profkit.run import Agreement

COLUMNS = {"output": "output", "loss": "losses", "weight": "weights", "statistics": "statist.", "exact": "float64"}


def agreement_view(checks: Sequence[Check]) -> RenderableType:
    """One row a workload and two implementations: their largest differences."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("workload")
    table.add_column("implementations", overflow="fold")
    for head in COLUMNS.values():
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("")
    for check in checks:
        for index, (pair, agreement) in enumerate(check.found.items()):
            table.add_row(check.workload if index == 0 else "", pair, *_cells(agreement))
    refused = [
        Text(f"{check.workload}: {platform} is unsupported: {reason}")
        for check in checks
        for platform, reason in check.refused.items()
    ]
    return Group(table, *refused, *_caption([agreement for check in checks for agreement in check.found.values()]))


def _cells(agreement: Agreement) -> list[Text]:
    """Each difference, red where it is too large, and the verdict."""
    values = [getattr(agreement, name) for name in COLUMNS]
    # `not <=`, since NaN agrees with nothing.
    styles = ["" if value <= agreement.tolerance else "bold red" for value in values]
    cells = [Text(f"{value:.1e}" if value else "0", style) for value, style in zip(values, styles, strict=True)]
    return [*cells, Text("agrees", "green") if agreement.holds else Text("DIFFERS", "bold red")]


def _caption(found: Sequence[Agreement]) -> list[Text]:
    if not found:
        return []
    steps = sorted({agreement.steps for agreement in found})
    tolerances = ", ".join(f"{tolerance:.0e}" for tolerance in sorted({agreement.tolerance for agreement in found}))
    text = (
        "Largest differences on the same weights, batches and dropout masks, relative to the largest value where that "
        f"is above one: outputs of the first batch, losses of {steps[0]}{f' to {steps[-1]}' if len(steps) > 1 else ''} "
        "training steps, weights and batch norm's statistics after them, and the second one's outputs from float64 "
        f"arithmetic. Within {tolerances} is agreement: what float32 rounding explains."
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
