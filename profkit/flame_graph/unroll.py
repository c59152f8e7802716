"""A call graph as call trees: what a flame graph draws of a tool that only knows who called whom.

A function's cost is split between its callers in proportion to the inclusive cost of the call edges, from the entry
functions down, so a path is an estimate; the sum of a function's pieces is its own self cost. Of a cycle the calls back
up are cut. Branches too small to see are not followed: what lies in them goes to the other pieces of the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from profkit.propagate import Floats, Ints, cycles, ranges

if TYPE_CHECKING:
    from profkit.profile import Recording

SMALLEST_SHARE = 1e-4
"""A branch with a smaller share of the whole cost is not followed."""


@dataclass(frozen=True)
class Trees:
    """Call trees of a call graph.

    Attributes:
        parent: node of the caller or -1, shape (nodes,); a parent always stands before its children.
        record: row of the records that each node is a piece of, shape (nodes,); every record has one at least.
        share: relative size of the pieces of one record, above 0, shape (nodes,).
    """

    parent: Ints
    record: Ints
    share: Floats


@dataclass(frozen=True)
class _Graph:
    """A graph without cycles.

    Attributes:
        caller, callee: rows of records in order of caller, shape (edges,).
        weight: the edge's part of the callee, shape (edges,).
        begin: first edge of each caller, shape (records + 1,).
        entry: part of each record that nobody is known to call, shape (records,).
        total: cost with callees along these edges, shape (records,).
    """

    caller: Ints
    callee: Ints
    weight: Floats
    begin: Ints
    entry: Floats
    total: Floats


def unroll(recording: Recording, metric: str) -> Trees:
    """Unroll the call graph of a recording.

    Args:
        recording: with `calls`.
        metric: the self-cost column that branches are measured by.
    """
    graph = _graph(recording, metric)
    parent, record, share = _grown(graph, SMALLEST_SHARE * float((graph.entry * graph.total).sum()))
    return _with_all(graph, parent, record, share)


def _column(recording: Recording, name: str) -> Ints:
    return recording.records[name].fill_null(0).to_numpy().astype(np.int64)


def _graph(recording: Recording, metric: str) -> _Graph:
    own = _column(recording, metric)
    rows = len(own)
    caller, callee, cost = _edges(recording, own)
    _, circular = cycles(caller, callee, rows)
    kept = ~_back_edges(caller, callee, cost, rows)
    caller, callee, cost = caller[kept], callee[kept], cost[kept]
    order = np.argsort(caller, kind="stable")
    caller, callee, cost = caller[order], callee[order], cost[order]
    into = np.bincount(callee, cost, minlength=rows)
    # What a function cost beyond its calls has no known caller; in a cycle costs hold each other and do not tell.
    total = _column(recording, metric.replace("self_", "total_")) if metric != "samples" else own
    whole = np.maximum(into, np.where(circular & (into > 0), 0, total))
    weight = cost / np.where(whole > 0, whole, 1)[callee]
    entry = np.where(into > 0, 1 - into / np.where(whole > 0, whole, 1), 1.0)
    begin = np.searchsorted(caller, np.arange(rows + 1))
    return _Graph(caller, callee, weight, begin, entry, _totals(caller, callee, weight, own))


def _edges(recording: Recording, own: Ints) -> tuple[Ints, Ints, Floats]:
    """Calls between two functions, and inlined code as calls from the function that it is inlined in."""
    calls = recording.calls
    if calls is None:
        raise ValueError("the recording is no call graph")
    names = ("caller_id", "callee_id", "count", "total_instructions")
    caller, callee, count, cost = (calls[name].fill_null(0).to_numpy().astype(np.int64) for name in names)
    into = np.bincount(callee, cost, minlength=len(own))
    cost = np.where(into[callee] > 0, cost, np.maximum(count, 1))  # calls that cost nothing still say who called
    around = recording.records["parent_id"].fill_null(-1).to_numpy().astype(np.int64)
    inlined = np.flatnonzero(around >= 0)
    caller, callee = np.concatenate((caller, around[inlined])), np.concatenate((callee, inlined))
    cost = np.concatenate((cost, np.maximum(own[inlined], 1))).astype(np.float64)
    used = (caller != callee) & (cost > 0)
    return caller[used], callee[used], cost[used]


def _back_edges(caller: Ints, callee: Ints, cost: Floats, rows: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Marks the calls that lead back up, found by going down the dearest calls first. Shape (edges,)."""
    cycle, circular = cycles(caller, callee, rows)
    back = np.zeros(len(caller), np.bool_)
    inside = np.flatnonzero(circular[caller] & (cycle[caller] == cycle[callee]))
    if not len(inside):
        return back
    inside = inside[np.lexsort((-cost[inside], caller[inside]))]
    entering = circular[callee] & (cycle[caller] != cycle[callee])
    entered = np.bincount(callee[entering], cost[entering], minlength=rows)
    members = np.flatnonzero(circular)
    starts = members[np.argsort(-entered[members], kind="stable")]
    begin = np.searchsorted(caller[inside], np.arange(rows + 1))
    back[inside[_upward(callee[inside].tolist(), begin.tolist(), starts.tolist())]] = True
    return back


def _upward(callee: list[int], begin: list[int], starts: list[int]) -> list[int]:
    """Depth first: the edges to a function that is still open. One step an edge within a cycle, of which few are."""
    state: dict[int, int] = {}  # 1: open, 2: done
    found = []
    for start in starts:
        if start in state:
            continue
        state[start] = 1
        path = [(start, begin[start])]
        while path:
            here, edge = path[-1]
            if edge == begin[here + 1]:
                state[here] = 2
                path.pop()
                continue
            path[-1] = (here, edge + 1)
            below = callee[edge]
            if below not in state:
                state[below] = 1
                path.append((below, begin[below]))
            elif state[below] == 1:
                found.append(edge)
    return found


def _totals(caller: Ints, callee: Ints, weight: Floats, own: Ints) -> Floats:
    """Self cost and the parts of the callees' totals, level by level until nothing is added."""
    from scipy.sparse import csr_array

    below = csr_array((weight, (caller, callee)), shape=(len(own), len(own)))
    added: Floats = own.astype(np.float64)
    total = added.copy()
    while added.any():
        added = np.asarray(below @ added)
        total += added
    return total


def _grown(graph: _Graph, least: float) -> tuple[Ints, Ints, Floats]:
    """Trees from the entries down to branches of `least` cost."""
    record = np.flatnonzero((graph.entry > 0) & (graph.entry * graph.total >= max(least, 1)))
    share = graph.entry[record]
    levels = [(np.full(len(record), -1), record, share)]
    before = 0
    while len(record):
        length = graph.begin[record + 1] - graph.begin[record]
        edge = ranges(graph.begin[record], graph.begin[record + 1])
        above = np.repeat(before + np.arange(len(record)), length)
        before += len(record)
        share = np.repeat(share, length) * graph.weight[edge]
        seen = share * graph.total[graph.callee[edge]] >= max(least, 1)
        record, share = graph.callee[edge][seen], share[seen]
        levels.append((above[seen], record, share))
    parent, record, share = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return parent, record, share


def _with_all(graph: _Graph, parent: Ints, record: Ints, share: Floats) -> Trees:
    """Give records that only lie in small branches a node below their dearest caller."""
    rows = len(graph.entry)
    parents, records, shares = [parent], [record], [share]
    place = np.full(rows, -1, np.int64)  # the largest node of each record
    largest_last = np.argsort(share, kind="stable")
    place[record[largest_last]] = largest_last
    dearest = np.full(rows, -1, np.int64)
    order = np.argsort(graph.weight, kind="stable")
    dearest[graph.callee[order]] = graph.caller[order]
    used = len(record)
    lacking = np.flatnonzero(place < 0)
    while len(lacking):
        above = np.where(dearest[lacking] >= 0, place[dearest[lacking]], -1)
        ready = (dearest[lacking] < 0) | (above >= 0)
        added = lacking[ready]
        parents.append(above[ready])
        records.append(added)
        shares.append(np.ones(len(added)))
        place[added] = used + np.arange(len(added))
        used += len(added)
        lacking = lacking[~ready]
    return Trees(np.concatenate(parents), np.concatenate(records), np.concatenate(shares))
