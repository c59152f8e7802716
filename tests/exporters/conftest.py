"""What several tests of exporters share: the real recordings of the project, and sums that formats must keep."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from profkit import calltree
from profkit.columns import to_codes, to_integers
from profkit.export import material
from profkit.exporters import Material
from profkit.flame_graph.forest import Forest, Frame
from profkit.profile import Recording

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
RECORDED = ("pytorch/torch", "libtorch/torch", "pytorch/callgrind", "libtorch/callgrind")

Sums = dict[str, tuple[int, int]]


@pytest.fixture(scope="session", params=RECORDED)
def recorded(request: pytest.FixtureRequest) -> Material:
    """Each recording of the project, as exporters get it."""
    return material(TRACES / request.param / "profile.json")


def sums_of_forest(forest: Forest, name: dict[Frame, str]) -> Sums:
    """Self cost, and total of the outermost calls, by the name of the frame."""
    names = [name[frame] for frame in forest.frames]
    return _sums([names[frame] for frame in forest.frame], forest.parent, forest.costs[forest.metric])


def sums_of_recording(recording: Recording) -> Sums:
    """The same of what an importer read."""
    records = recording.records
    codes, names = to_codes(records["symbol"])
    metric = next(name for name in ("self_ns", "samples") if records[name].null_count == 0)
    own = to_integers(records[metric]).astype(np.int64)
    return _sums([names[code] for code in codes], to_integers(records["parent_id"]), own)


def _sums(names: list[str], parent: np.ndarray, own: np.ndarray) -> Sums:
    total = calltree.total_from_self(parent, own)
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    outermost = calltree.nearest_same(parent, np.array([place[name] for name in names], np.int64)) < 0
    self_cost: Counter[str] = Counter()
    total_cost: Counter[str] = Counter()
    for name, cost, whole, outer in zip(names, own.tolist(), total.tolist(), outermost.tolist(), strict=True):
        self_cost[name] += cost
        total_cost[name] += whole * outer
    return {name: (self_cost[name], total_cost[name]) for name in total_cost if total_cost[name]}
