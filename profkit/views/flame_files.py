"""A differential flame graph as a file: a page of its own that needs no network, or profiles for speedscope."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from profkit.errors import UsageError
from profkit.exporters import write_file
from profkit.exporters.speedscope import SCHEMA, SPEEDSCOPE
from profkit.flame_graph.difference import SMALLEST_SHARE, Difference, Floats, pruned
from profkit.flame_graph.text import writer

SUFFIXES = (".html", SPEEDSCOPE.suffix, ".json")
_TEMPLATE = "flame.html.jinja"


def write_flame(found: Difference, output: Path) -> None:
    """Write the page (`.html`) or the file for speedscope (`.speedscope.json`, `.json`; either with `.gz`).

    Raises:
        UsageError: the name ends in nothing of these.
        WriteError: it cannot be written.
    """
    check_suffix(output)
    name = output.name.removesuffix(".gz")
    write_file(flame_html(found) if name.endswith(".html") else flame_speedscope(found), output)


def check_suffix(output: Path) -> None:
    """Refuse a name that does not say which file is wanted, before anything is read.

    Raises:
        UsageError: it ends in none of `SUFFIXES`.
    """
    if not output.name.removesuffix(".gz").endswith(SUFFIXES):
        raise UsageError(
            f"{output.name} does not say what to write", "name a file .html for a page, .speedscope.json for speedscope"
        )


def flame_speedscope(found: Difference) -> bytes:
    """Four profiles of weighted stacks: A, B, and what is more and what is less in B, because no weight is negative.

    Weights are of a step where both sides have steps. Where nothing is more, or less, there is no such profile.
    """
    place: dict[str, int] = {}
    stacks: list[tuple[int, ...]] = []
    for above, label in zip(found.parent.tolist(), found.labels, strict=True):
        frame = place.setdefault(label, len(place))
        stacks.append((*stacks[above], frame) if above >= 0 else (frame,))
    a, b = found.own
    named = {
        f"A: {found.names[0]}": a,
        f"B: {found.names[1]}": b,
        "B - A: more in B": np.maximum(b - a, 0),
        "B - A: less in B": np.maximum(a - b, 0),
    }
    profiles = [_profile(found, name, stacks, own) for name, own in named.items() if name[1] == ":" or own.any()]
    file = {
        "$schema": SCHEMA,
        "exporter": writer(),
        "name": f"B - A: {found.names[1]} - {found.names[0]}",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": label} for label in place]},
        "profiles": profiles,
    }
    return json.dumps(file, separators=(",", ":")).encode()


def _profile(found: Difference, name: str, stacks: list[tuple[int, ...]], own: Floats) -> dict[str, Any]:
    leaves = np.flatnonzero(own > 0)
    weights = own[leaves].tolist()
    unit = " ".join((*([] if found.unit == "ns" else [found.unit]), *(["a step"] if found.per_step else [])))
    return {
        "type": "sampled",
        "name": f"{name} [{unit}]" if unit else name,
        "unit": "nanoseconds" if found.unit == "ns" else "none",
        "startValue": 0,
        "endValue": float(sum(weights)),
        "samples": [stacks[row] for row in leaves.tolist()],
        "weights": weights,
    }


def flame_html(found: Difference, share: float = SMALLEST_SHARE) -> bytes:
    """One page with everything in it.

    Args:
        found: any.
        share: of the larger whole, below which paths are summed up.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    small = pruned(found, share)
    place: dict[str, int] = {}
    codes = [place.setdefault(label, len(place)) for label in small.labels]
    data = {
        "unit": small.unit,
        "per": " a step" if small.per_step else "",
        "labels": list(place),
        "label": codes,
        "parent": small.parent.tolist(),
        "own": [[float(f"{cost:.6g}") for cost in own] for own in small.own.tolist()],
    }
    pages = Environment(loader=PackageLoader("profkit", "views"), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template(_TEMPLATE).render(names=small.names, notes=small.notes, data=data, writer=writer())
    return page.encode()
