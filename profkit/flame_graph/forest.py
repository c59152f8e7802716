"""The call trees that exporters write down: columns in preorder, and what can be done to these alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from profkit import calltree
from profkit.columns import NONE, Ints
from profkit.flame_graph.timeline import lanes, ordered
from profkit.operators import plain


@dataclass(frozen=True)
class Frame:
    """One function, operator or place.

    Attributes:
        name: as the tool says it.
        kind: of `schema.KINDS`.
        file: source file.
        line: in it.
        library: shared object.
    """

    name: str
    kind: str = "native"
    file: str | None = None
    line: int | None = None
    library: str | None = None


@dataclass(frozen=True)
class Forest:
    """Call trees, one row a call or a call path; every column has the shape (rows,).

    Attributes:
        parent: row of the caller or -1; rows are in preorder, thread after thread.
        frame: place in `frames`.
        frames: distinct.
        thread: place in `threads`.
        threads: names.
        costs: self costs by their column's name, at least that of `metric`.
        metric: the cost to draw by.
        layer: place in `layers`, -1 for none.
        layers: names.
        phase: place in `schema.PHASES`, -1 for none.
        start: from 0 [ns]; None where the tool does not know.
        end: likewise; the times are strictly nested, and no two rows of a thread run side by side.
        notes: what a viewer should know.
    """

    parent: Ints
    frame: Ints
    frames: tuple[Frame, ...]
    thread: Ints
    threads: tuple[str, ...]
    costs: Mapping[str, Ints]
    metric: str
    layer: Ints
    layers: tuple[str, ...]
    phase: Ints
    start: Ints | None = None
    end: Ints | None = None
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Ints:
        """Cost with callees by the metric, shape (rows,)."""
        return calltree.total_from_self(self.parent, self.costs[self.metric])

    def take(self, rows: Ints, parent: Ints) -> Forest:
        """The forest of these rows, whose callers are at the places `parent` among them."""
        return replace(
            self,
            parent=parent,
            frame=self.frame[rows],
            thread=self.thread[rows],
            costs={name: cost[rows] for name, cost in self.costs.items()},
            layer=self.layer[rows],
            phase=self.phase[rows],
            start=None if self.start is None else self.start[rows],
            end=None if self.end is None else self.end[rows],
        )


def in_order(forest: Forest) -> Forest:
    """Bring rows that came in any order into preorder, thread after thread."""
    return forest.take(*ordered(forest.parent, forest.thread, np.arange(len(forest.parent))))


def merged(forest: Forest, *, steps: bool = False) -> Forest:
    """One row a call path, in order of first appearance: for formats that know no time.

    Args:
        forest: any.
        steps: whether to keep steps apart, and objects that differ in their address only.
    """
    names = [frame if steps else replace(frame, name=plain(frame.name)) for frame in forest.frames]
    place = {frame: number for number, frame in enumerate(dict.fromkeys(names))}
    frame = np.array([place[name] for name in names], np.int64)[forest.frame]
    depth = calltree.depths(forest.parent)
    path = np.full(len(depth), NONE, np.int64)
    for level in range(int(depth.max(initial=NONE)) + 1):
        rows = np.flatnonzero(depth == level)
        above = path[forest.parent[rows]] if level else forest.thread[rows]
        _, first, same = np.unique(above * len(place) + frame[rows], return_index=True, return_inverse=True)
        path[rows] = rows[first][same]
    kept, row = np.unique(path, return_inverse=True)
    costs = {name: np.zeros(len(kept), np.int64) for name in forest.costs}
    for name, cost in forest.costs.items():
        np.add.at(costs[name], row, cost)
    parent = forest.parent[kept]
    untimed = replace(forest, frame=frame, frames=tuple(place), start=None, end=None)
    return in_order(replace(untimed.take(kept, np.where(parent < 0, NONE, row[parent])), costs=costs))


def in_time(forest: Forest) -> tuple[Forest, Ints, Ints]:
    """The forest as it runs, with starts and ends from 0 [ns].

    Roots that run side by side on one thread, as on a device, go to threads of their own. Where the tool knows no
    times, a call path runs once, each thread begins at 0, a unit of cost takes a nanosecond, and self cost comes before
    the callees'.
    """
    if forest.start is None or forest.end is None:
        forest = merged(forest, steps=True)
        cost = forest.costs[forest.metric]
        before = np.cumsum(cost) - cost
        first = np.flatnonzero(np.diff(forest.thread, prepend=NONE))
        start = before - np.repeat(before[first], np.diff(first, append=len(cost)))
        return forest, start, start + forest.total
    roots = np.flatnonzero(forest.parent < 0)
    moved, names = lanes(forest.thread[roots], forest.threads, forest.start[roots], forest.end[roots])
    if len(names) == len(forest.threads):
        return forest, forest.start, forest.end
    of_roots = np.full(len(forest.parent), NONE, np.int64)
    of_roots[roots] = moved
    thread = calltree.inherit(forest.parent, of_roots)
    order, parent = ordered(forest.parent, thread, np.arange(len(thread)))
    moved_forest = replace(forest, thread=thread, threads=tuple(names)).take(order, parent)
    return moved_forest, forest.start[order], forest.end[order]


def joined(forests: Sequence[Forest]) -> Forest:
    """The repeats of a run together; threads are told apart by the number of the repeat."""
    if len(forests) == 1:
        return forests[0]
    frames = tuple(dict.fromkeys(frame for forest in forests for frame in forest.frames))
    layers = tuple(dict.fromkeys(layer for forest in forests for layer in forest.layers))
    frame_places = {frame: number for number, frame in enumerate(frames)}
    first_row = np.cumsum([0, *(len(forest.parent) for forest in forests)])
    first_thread = np.cumsum([0, *(len(forest.threads) for forest in forests)])
    columns = [
        np.stack((
            np.where(forest.parent < 0, NONE, forest.parent + first_row[number]),
            np.array([frame_places[frame] for frame in forest.frames], np.int64)[forest.frame],
            forest.thread + first_thread[number],
            np.array([*map(layers.index, forest.layers), NONE], np.int64)[forest.layer],
            forest.phase,
        ))
        for number, forest in enumerate(forests)
    ]  # fmt: skip
    parent, frame, thread, layer, phase = np.concatenate(columns, axis=1)
    known = set.intersection(*(set(forest.costs) for forest in forests))
    starts, ends = [forest.start for forest in forests], [forest.end for forest in forests]
    return replace(
        forests[0],
        parent=parent,
        frame=frame,
        frames=frames,
        thread=thread,
        threads=tuple(f"run {n}: {name}" for n, forest in enumerate(forests, 1) for name in forest.threads),
        costs={name: np.concatenate([forest.costs[name] for forest in forests]) for name in sorted(known)},
        layer=layer,
        layers=layers,
        phase=phase,
        start=_concatenated(starts),
        end=_concatenated(ends),
    )


def _concatenated(columns: Sequence[Ints | None]) -> Ints | None:
    """None where one of them is None."""
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None
