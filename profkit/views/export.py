"""What an export says when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from profkit.exporters import Exporter, Material
from profkit.views.cost import format_cost


def export_view(exporter: Exporter, material: Material, output: Path) -> RenderableType:
    """What was written, and where."""
    profile = material.profile
    cost = format_cost(int(profile.cost().sum()), profile.unit)
    return Group(Text(f"{exporter.name}, {cost} ({profile.unit}) of self cost: {output}"))


def export_json(exporter: Exporter, material: Material, output: Path) -> dict[str, Any]:
    """The same for programs."""
    return {
        "output": str(output),
        "format": exporter.name,
        "metric": material.profile.metric,
        "unit": material.profile.unit,
        "self_cost": int(material.profile.cost().sum()),
        "notes": notes(exporter, material),
    }


def notes(exporter: Exporter, material: Material) -> list[str]:
    """What a reader of the stacks should know."""
    return list(material.forest.notes) if exporter.stacks else []
