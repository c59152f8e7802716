"""The nearest sources above every row of a weighted graph: in one pass where it has no cycles, solved where it has."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Entries:
    """A sparse matrix: which share of `row` belongs to `source`.

    Attributes:
        row, source: rows of the graph, shape (entries,).
        share: above 0; those of one row sum to 1 at most, shape (entries,).
    """

    row: Ints
    source: Ints
    share: Floats


class _Shares:
    """Rows of shares that are found level by level; each row is a run of `source` and `share`."""

    def __init__(self, rows: int) -> None:
        self.begin = np.zeros(rows, np.int64)
        self.length = np.zeros(rows, np.int64)
        self.source = np.empty(1024, np.int64)
        self.share = np.empty(1024, np.float64)
        self.used = 0

    def add(self, row: Ints, source: Ints, share: Floats) -> None:
        """Append entries in order of their rows, none of which has any yet."""
        end = self.used + len(row)
        while end > len(self.source):
            self.source = np.concatenate((self.source, np.empty_like(self.source)))
            self.share = np.concatenate((self.share, np.empty_like(self.share)))
        self.source[self.used : end] = source
        self.share[self.used : end] = share
        rows = np.flatnonzero(np.diff(row, prepend=-1))
        self.begin[row[rows]] = self.used + rows
        self.length[row[rows]] = np.diff(rows, append=len(row))
        self.used = end

    def weighted(self, row: Ints, of: Ints, weight: Floats) -> tuple[Ints, Ints, Floats]:
        """Sum of `weight` times the shares of row `of`, for each `row`: entries in order of rows and sources."""
        length = self.length[of]
        place = ranges(self.begin[of], self.begin[of] + length)
        return _summed(np.repeat(row, length), self.source[place], np.repeat(weight, length) * self.share[place])


def nearest(caller: Ints, callee: Ints, weight: Floats, is_source: Mask) -> Entries:
    """The share of each row that its nearest sources upwards have, over all paths.

    A row that is a source belongs to itself. Any other has the shares of its callers, each by the weight of the edge.

    Args:
        caller: upper row of each edge, shape (edges,).
        callee: lower row of each edge, shape (edges,).
        weight: above 0; the weights into a row sum to 1 at most, shape (edges,).
        is_source: shape (rows,).
    """
    rows = len(is_source)
    shares = _Shares(rows)
    sources = np.flatnonzero(is_source)
    shares.add(sources, sources, np.ones(len(sources)))
    reached = _reached(caller, callee, is_source)
    inside = reached[callee] & ~is_source[callee] & reached[caller]
    caller, callee, weight = caller[inside], callee[inside], weight[inside]
    cycle, in_cycle = cycles(caller, callee, rows)
    order = np.argsort(callee, kind="stable")
    caller, callee, weight = caller[order], callee[order], weight[order]
    level = _levels(cycle[caller], cycle[callee], len(cycle))[cycle]
    edges = np.argsort(level[callee], kind="stable")
    bounds = np.flatnonzero(np.diff(level[callee[edges]], prepend=-1, append=-1))
    for begin, end in pairwise(bounds.tolist()):
        chosen = edges[begin:end]
        here, of, part = callee[chosen], caller[chosen], weight[chosen]
        circular = in_cycle[here]
        shares.add(*shares.weighted(here[~circular], of[~circular], part[~circular]))
        if circular.any():
            shares.add(*_solved(shares, here[circular], of[circular], part[circular], cycle))
    found = np.flatnonzero(shares.length)
    found = found[np.argsort(shares.begin[found])]
    return Entries(np.repeat(found, shares.length[found]), shares.source[: shares.used], shares.share[: shares.used])


def _summed(row: Ints, source: Ints, share: Floats) -> tuple[Ints, Ints, Floats]:
    order = np.lexsort((source, row))
    row, source, share = row[order], source[order], share[order]
    begin = np.flatnonzero((np.diff(row, prepend=-1) != 0) | (np.diff(source, prepend=-1) != 0))
    return row[begin], source[begin], np.add.reduceat(share, begin) if len(begin) else share


def _reached(caller: Ints, callee: Ints, is_source: Mask) -> Mask:
    """Rows that a source is above of, and the sources."""
    order = np.argsort(caller, kind="stable")
    callee = callee[order]
    begin = np.searchsorted(caller[order], np.arange(len(is_source) + 1))
    reached = is_source.copy()
    front = np.flatnonzero(is_source)
    while len(front):
        below = callee[ranges(begin[front], begin[front + 1])]
        front = np.unique(below[~reached[below]])
        reached[front] = True
    return reached


def ranges(begin: Ints, end: Ints) -> Ints:
    """All numbers from each begin up to its end, one after the other."""
    length = end - begin
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(begin - ends + length, length)


def cycles(caller: Ints, callee: Ints, rows: int) -> tuple[Ints, Mask]:
    """The cycle that each row lies in, and whether it is one of several rows."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    matrix = csr_array((np.ones(len(caller), np.int8), (caller, callee)), shape=(rows, rows))
    number, cycle = connected_components(matrix, directed=True, connection="strong")
    return cycle.astype(np.int64), np.bincount(cycle, minlength=number)[cycle] > 1


def _levels(caller: Ints, callee: Ints, rows: int) -> Ints:
    """Longest way down to each row of a graph without cycles; edges within a row do not count."""
    other = caller != callee
    order = np.argsort(caller[other], kind="stable")
    caller, callee = caller[other][order], callee[other][order]
    begin = np.searchsorted(caller, np.arange(rows + 1))
    waiting = np.bincount(callee, minlength=rows)
    level = np.zeros(rows, np.int64)
    front = np.flatnonzero((waiting == 0) & (np.diff(begin) > 0))
    depth = 0
    while len(front):
        depth += 1
        below, times = np.unique(callee[ranges(begin[front], begin[front + 1])], return_counts=True)
        waiting[below] -= times
        front = below[waiting[below] == 0]
        level[front] = depth
    return level


def _solved(shares: _Shares, row: Ints, of: Ints, weight: Floats, cycle: Ints) -> tuple[Ints, Ints, Floats]:
    """Shares of the rows of cycles, whose callers above are known: the linear system (1 - W) x = b of all of them."""
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

    members = np.unique(row)
    within = cycle[of] == cycle[row]
    place = np.searchsorted(members, row[within]), np.searchsorted(members, of[within])
    size = len(members)
    matrix = eye_array(size, format="csc") - csc_array((weight[within], place), shape=(size, size))
    known_row, known_source, known_share = shares.weighted(row[~within], of[~within], weight[~within])
    # Cycles do not touch each other, so one right-hand side can serve the n-th source of each of them.
    pairs = np.unique(cycle[known_row] * len(cycle) + known_source)
    first = np.searchsorted(pairs, np.arange(len(cycle)) * len(cycle))
    column = np.searchsorted(pairs, cycle[known_row] * len(cycle) + known_source) - first[cycle[known_row]]
    given = np.zeros((size, int(column.max(initial=0)) + 1))
    given[np.searchsorted(members, known_row), column] = known_share
    solved = splu(matrix).solve(given)
    at_row, at_column = np.nonzero(solved > 0)
    source = pairs[np.minimum(first[cycle[members[at_row]]] + at_column, len(pairs) - 1)] % len(cycle)
    return members[at_row], source, solved[at_row, at_column]
