"""From recordings, or from an operator table alone, to call trees whose frames also show step, phase and layer.

A tool's records say their place in columns; a flame graph shows frames only. Where a record lies in another place than
its caller, frames of the names that profkit's own recordings have (`ProfilerStep#0`, `phase/forward`, `layer/conv1`)
are put above it, unless it is such a frame itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from profkit import calltree, schema
from profkit.callgraph import apportion
from profkit.columns import NONE, Ints, to_codes, to_integers
from profkit.errors import DataError
from profkit.flame_graph.forest import Forest, Frame, in_order, joined
from profkit.flame_graph.timeline import clamped, ordered
from profkit.flame_graph.unroll import unroll
from profkit.profile import Profile, Recording

MEASURES = (*schema.METRICS, "allocated_bytes")
ESTIMATED = "the stacks are estimated from a call graph: a function's cost is split between its callers by their cost"
TABLE = "the stacks are made of the operator table: phase, layer, operator and symbol"
SMALL = "(small functions)"
_STEP = "ProfilerStep#"
_LAYERS = ("layer/", "nn.Module: ")


def of_recordings(recordings: Sequence[Recording], metric: str) -> Forest:
    """The forest of all repeats of a run.

    Args:
        recordings: placed in layers; call graphs are unrolled.
        metric: the self-cost column to draw by.

    Raises:
        DataError: a recording does not have that cost.
    """
    return joined([_of_recording(recording, metric) for recording in recordings])


def of_profile(profile: Profile) -> Forest:
    """A forest of the operator table alone: `phase/...`, `layer/...`, operator, symbol; threads are devices."""
    table = profile.operators.to_pydict()
    rows: dict[tuple[str, ...], int] = {}
    costs: dict[tuple[str, ...], int] = {}
    for row, cost in enumerate(profile.cost().tolist()):
        phase, layer, operator, symbol = (table[name][row] for name in ("phase", "layer", "operator", "symbol"))
        frames = [phase and f"phase/{phase}", layer and f"layer/{layer}", operator]
        path = (table["device"][row] or "cpu", *filter(None, frames))
        if symbol != operator or len(path) == 1:
            path = (*path, symbol or SMALL)
        for length in range(2, len(path) + 1):
            rows.setdefault(path[:length], len(rows))
        costs[path] = costs.get(path, 0) + cost
    frame, frames = _codes(path[-1] for path in rows)
    thread, threads = _codes(path[0] for path in rows)
    parent = np.array([rows.get(path[:-1], NONE) for path in rows], np.int64)
    own_phase = [schema.PHASES.index(name[6:]) if name.startswith("phase/") else NONE for name in frames]
    layers = [name[6:] for name in frames if name.startswith("layer/")]
    own_layer = [layers.index(name[6:]) if name.startswith("layer/") else NONE for name in frames]
    forest = Forest(
        parent=parent,
        frame=frame,
        frames=tuple(Frame(name, _kind(name)) for name in frames),
        thread=thread,
        threads=tuple(threads),
        costs={profile.metric: np.array([costs.get(path, 0) for path in rows], np.int64)},
        metric=profile.metric,
        layer=calltree.inherit(parent, np.array(own_layer, np.int64)[frame]),
        layers=tuple(layers),
        phase=calltree.inherit(parent, np.array(own_phase, np.int64)[frame]),
        notes=(TABLE,),
    )
    return in_order(forest)


def _codes(values: Any) -> tuple[Ints, list[str]]:
    place: dict[str, int] = {}
    codes = [place.setdefault(value, len(place)) for value in values]
    return np.array(codes, np.int64), list(place)


def _kind(name: str) -> str:
    if name.startswith(("phase/", "layer/")):
        return "scope"
    return "operator" if name.startswith("aten::") else "native"


def _of_recording(recording: Recording, metric: str) -> Forest:
    records = recording.records
    known = [name for name in MEASURES if records[name].null_count < records.num_rows]
    if metric not in known:
        raise DataError(f"the recording has no {metric}, which its profile is read by")
    parent, record, costs = _trees(recording, metric, known)
    start, total = (to_integers(records[name]).astype(np.int64) for name in ("start_ns", "total_ns"))
    own_thread, threads = _named(records, "thread", "main")
    order, parent = ordered(parent, own_thread[record], start[record])
    record = record[order]
    # What a record calls is drawn below it, whatever thread it says.
    root = calltree.inherit(parent, np.where(parent < 0, np.arange(len(parent)), NONE))
    frame, frames = _frames(records)
    layer, layers = to_codes(records["layer"])
    forest = Forest(
        parent=parent,
        frame=frame[record],
        frames=frames,
        thread=own_thread[record][root],
        threads=threads,
        costs={name: cost[order] for name, cost in costs.items()},
        metric=metric,
        layer=layer[record].astype(np.int64),
        layers=tuple(layers),
        phase=_phases(records)[record],
        notes=() if recording.calls is None else (ESTIMATED,),
    )
    if metric == "self_ns" and recording.calls is None and np.all(start >= 0) and np.all(total >= 0):
        begin = start[record] - start.min(initial=np.iinfo(np.int64).max)
        begin, end = clamped(parent, begin, begin + total[record])
        forest = replace(forest, start=begin, end=end)
    return _with_places(forest, records, record)


def _trees(recording: Recording, metric: str, known: Sequence[str]) -> tuple[Ints, Ints, Mapping[str, Ints]]:
    """Caller and record of each row, and its costs."""
    records = recording.records
    given = {name: np.maximum(to_integers(records[name]), 0).astype(np.int64) for name in known}
    if recording.calls is None:
        return to_integers(records["parent_id"]).astype(np.int64), np.arange(records.num_rows), {**given}
    trees = unroll(recording, metric)
    sort = np.argsort(trees.record, kind="stable")
    back = np.argsort(sort, kind="stable")
    costs = {name: apportion(trees.record[sort], trees.share[sort], cost)[back] for name, cost in given.items()}
    below = calltree.total_from_self(trees.parent, np.sum(list(costs.values()), axis=0))
    kept = np.flatnonzero(below)  # a path that leads to no cost is nothing to draw
    place = np.append(np.cumsum(below > 0) - 1, NONE)
    return place[trees.parent[kept]], trees.record[kept], {name: cost[kept] for name, cost in costs.items()}


def _named(records: pa.Table, column: str, otherwise: str) -> tuple[Ints, tuple[str, ...]]:
    """Codes of a column, with a name for the rows that have none."""
    codes, names = to_codes(records[column])
    if not np.any(codes < 0):
        return codes.astype(np.int64), tuple(names)
    return np.where(codes < 0, len(names), codes).astype(np.int64), (*names, otherwise)


def _phases(records: pa.Table) -> Ints:
    codes, names = to_codes(records["phase"])
    return np.array([*map(schema.PHASES.index, names), NONE], np.int64)[codes]


def _frames(records: pa.Table) -> tuple[Ints, tuple[Frame, ...]]:
    """The frame of each record, shape (records,), and the distinct frames."""
    symbol, symbols = _named(records, "symbol", SMALL)
    columns = {name: to_codes(records[name]) for name in ("kind", "file", "library")}
    line = to_integers(records["line"]).astype(np.int64)
    key = symbol
    for codes, size in (
        *((codes, len(values)) for codes, values in columns.values()),
        (line, int(line.max(initial=0))),
    ):
        if size:
            _, key = np.unique(key * (size + 2) + codes + 1, return_inverse=True)
    _, first, frame = np.unique(key, return_index=True, return_inverse=True)

    def value(name: str, row: int) -> str | None:
        codes, values = columns[name]
        return values[codes[row]] if codes[row] >= 0 else None

    frames = [
        Frame(
            symbols[symbol[row]],
            value("kind", row) or "native",
            value("file", row),
            int(line[row]) if line[row] >= 0 else None,
            value("library", row),
        )
        for row in first.tolist()
    ]
    return frame.astype(np.int64), tuple(frames)


def _with_places(forest: Forest, records: pa.Table, record: Ints) -> Forest:
    """Put a frame above each row whose step, phase or layer is another than its caller's."""
    names = [frame.name for frame in forest.frames]
    step = to_integers(records["step"]).astype(np.int64)[record]
    shows_step = np.array([name.startswith(_STEP) for name in names], bool)[forest.frame]
    steps = _step_names(step, shows_step, forest)
    phases = [f"phase/{name}" for name in schema.PHASES]
    layers = [f"layer/{name}" for name in forest.layers]
    shows_phase = np.array([phases.index(name) if name in phases else NONE for name in names], np.int64)[forest.frame]
    opened = {f"{mark}{name}": code for code, name in enumerate(forest.layers) for mark in _LAYERS}
    shows_layer = np.array([opened.get(name, NONE) for name in names], np.int64)[forest.frame]
    shown = np.where(shows_step, step, NONE), shows_phase, shows_layer
    codes = (step, forest.phase, forest.layer)
    first = np.cumsum([len(names), len(steps), len(phases)])
    added = np.stack([
        np.where((code >= 0) & (code != np.append(code, NONE)[forest.parent]) & (code != own), code + begin, NONE)
        for code, own, begin in zip(codes, shown, first, strict=True)
    ])  # fmt: skip
    scopes = [Frame(name, "scope") for name in (*steps, *phases, *layers)]
    return _inserted(replace(forest, frames=(*forest.frames, *scopes)), added)


def _step_names(step: Ints, shows: Ints, forest: Forest) -> list[str]:
    """What the recording itself calls each step, else its number."""
    names = [f"{_STEP}{number}" for number in range(int(step.max(initial=NONE)) + 1)]
    for number, row in zip(*np.unique(step[shows], return_index=True), strict=True):
        if number >= 0:
            names[number] = forest.frames[forest.frame[np.flatnonzero(shows)[row]]].name
    return names


def _inserted(forest: Forest, added: Ints) -> Forest:
    """Put frames above rows.

    Args:
        forest: rows in preorder.
        added: frames to put above each row, outermost first, -1 for none, shape (3, rows).
    """
    if np.all(added < 0):
        return forest
    rows = len(forest.parent)
    count = np.count_nonzero(added >= 0, axis=0)
    last = np.arange(rows) + np.cumsum(count)  # where each row itself goes
    first = last - count
    source = np.repeat(np.arange(rows), count + 1)
    parent = np.arange(len(source)) - 1
    parent[first] = np.append(last, NONE)[forest.parent]
    is_own = np.zeros(len(source), bool)
    is_own[last] = True
    frame = np.empty(len(source), np.int64)
    frame[is_own] = forest.frame
    frame[~is_own] = added.T[added.T >= 0]
    with_places = forest.take(source, parent)
    costs = {name: np.where(is_own, cost, 0) for name, cost in with_places.costs.items()}
    return replace(with_places, frame=frame, costs=costs)
