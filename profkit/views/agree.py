"""Agreement of implementations as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.run import Agreement


def agreement_view(found: Mapping[str, Agreement]) -> RenderableType:
    """One row an implementation: its largest differences."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("implementation", "output", "losses", "weights", "from float64", "verdict"):
        table.add_column(head, justify="left" if head in ("implementation", "verdict") else "right")
    for name, agreement in found.items():
        differences = (agreement.output, agreement.loss, agreement.weight, agreement.exact)
        verdict = "agrees" if agreement.holds else "DISAGREES"
        table.add_row(name, *(f"{value:.2e}" for value in differences), verdict)
    first = next(iter(found.values()))
    caption = (
        f"Largest absolute differences from {first.reference} on the same weights and batches: outputs of the first "
        f"batch, losses of {first.steps} training steps, weights after them. Within {first.tolerance:.0e} is agreement."
    )
    return Group(table, Text(caption))


def agreement_json(found: Mapping[str, Agreement]) -> dict[str, Any]:
    """The same for programs; a difference that is not a number is null."""
    return {
        name: {key: value if value == value else None for key, value in asdict(agreement).items()}
        | {"agrees": agreement.holds}
        for name, agreement in found.items()
    }
