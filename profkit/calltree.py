"""Call trees as columns: parents from intervals, self from total, total from self, nested calls of one name.

A forest is an integer column `parent`, shape (rows,), with the row of the caller or -1 for a root. Nothing here loops
over rows in Python; a loop over the levels of the tree is the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from profkit.columns import NONE, Flags, Ints

_CAREFUL_ROUNDS = 64
_ROWS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Nesting:
    """Intervals made into a forest.

    Attributes:
        parent: row of the enclosing interval or -1, shape (rows,).
        end: ends after cutting, shape (rows,), in the unit of the input.
        overlaps: how many intervals had to be cut because they overlapped another one in part.
    """

    parent: Ints
    end: Ints
    overlaps: int


def small(codes: Ints) -> Ints:
    """The same codes in the smallest signed type that holds them: numpy sorts 16-bit integers by radix, in O(rows)."""
    if not len(codes):
        return codes.astype(np.int16)
    return codes.astype(
        np.result_type(np.min_scalar_type(int(codes.max())), np.min_scalar_type(min(int(codes.min()), -1)))
    )


def order_by_time(thread: Ints, start: Ints, end: Ints) -> Ints:
    """Order in which intervals begin: by thread, then start, then the longest first, then as they came.

    Args:
        thread: code of the thread of each interval, shape (rows,).
        start: shape (rows,), in any integer unit.
        end: shape (rows,), not before `start`.

    Returns:
        Row numbers, shape (rows,): a parent always stands before its children.
    """
    order = np.argsort(small(thread), kind="stable").astype(np.int32)
    bounds = np.flatnonzero(np.diff(thread[order])) + 1
    for rows in np.split(order, bounds):
        begins = start[rows]
        if np.any(begins[1:] < begins[:-1]):
            rows[:] = rows[np.argsort(begins, kind="stable")]
            begins = start[rows]
        same = begins[1:] == begins[:-1]
        if same.any():
            tied = np.flatnonzero(np.concatenate(([False], same)) | np.concatenate((same, [False])))
            rows[tied] = rows[tied][np.lexsort((-end[rows[tied]], begins[tied]))]
    return order


def nest(thread: Ints, start: Ints, end: Ints, yields: Flags | None = None) -> Nesting:
    """Find the enclosing interval of each one, which must come in the order of `order_by_time`.

    Two intervals that overlap in part cannot both be kept. The later one is cut to the end of the earlier one, unless
    the earlier one yields and the later one does not: then the earlier one ends where the later one begins.

    Args:
        thread: shape (rows,); intervals of two threads are strangers.
        start: shape (rows,).
        end: shape (rows,).
        yields: rows to be cut rather than others (their ends are less exact), shape (rows,).

    Returns:
        The forest; every interval lies inside its parent.
    """
    yields = np.zeros(len(start), bool) if yields is None else yields
    parent = np.full(len(start), NONE, np.int32)
    ends = end.copy()
    overlaps = 0
    bounds = [0, *(np.flatnonzero(np.diff(thread)) + 1), len(start)] if len(start) else [0]
    for first, last in pairwise(bounds):
        rows = slice(first, last)
        nesting = _nest_thread(start[rows], end[rows], yields[rows])
        parent[rows] = np.where(nesting.parent >= 0, nesting.parent + first, NONE)
        ends[rows] = nesting.end
        overlaps += nesting.overlaps
    return Nesting(parent, ends, overlaps)


def _nest_thread(start: Ints, end: Ints, yields: Flags) -> Nesting:
    """As `nest`, for one thread. Times are doubled, so that an empty interval has an end after its start."""
    begins = 2 * start
    ends = 2 * end + (end == start)
    cut = np.zeros(len(start), bool)
    careful = _CAREFUL_ROUNDS
    while True:
        parent = parents_of_depths(_open_intervals(begins, ends))
        rows = np.flatnonzero((parent >= 0) & (ends > ends[parent]))
        if not len(rows):
            return Nesting(parent, ends // 2, int(np.count_nonzero(cut)))
        above = parent[rows]
        possible = begins[rows] < ends[above]
        if careful:
            wrong = np.zeros(len(begins), bool)
            wrong[rows] = True
            possible &= ~wrong[above]
            careful -= 1
        rows, above = rows[possible], above[possible]
        earlier = yields[above] & ~yields[rows] & (begins[above] < begins[rows])
        np.minimum.at(ends, above[earlier], begins[rows[earlier]])
        cut[above[earlier]] = True
        # Whoever else lay in a row that has just been cut has perhaps another parent now: the next round sees.
        later = ~earlier & (begins[rows] < ends[above])
        ends[rows[later]] = ends[above[later]]
        cut[rows[later]] = True


def _open_intervals(begins: Ints, ends: Ints) -> Ints:
    """How many of the intervals before it, in order of begin, are open where each one begins. Shape (rows,)."""
    depth = np.arange(len(begins), dtype=np.int32)
    depth -= np.searchsorted(np.sort(ends), begins, side="right").astype(np.int32)
    return depth


def parents_of_depths(depth: Ints) -> Ints:
    """Parents of rows in preorder: the last row before with one level less.

    Args:
        depth: level of each row, 0 for a root, shape (rows,).

    Returns:
        Row of the parent or -1, shape (rows,).
    """
    parent = np.full(len(depth), NONE, np.int32)
    levels = _by_level(depth)
    for above, rows in pairwise(levels):
        parent[rows] = above[np.searchsorted(above, rows) - 1]
    return parent


def _by_level(depth: Ints) -> list[Ints]:
    """The rows of each level, in order."""
    levels: list[list[Ints]] = [[] for _ in range(int(depth.max(initial=NONE)) + 1)]
    for first in range(0, len(depth), _ROWS_AT_ONCE):
        part = small(depth[first : first + _ROWS_AT_ONCE])
        order = np.argsort(part, kind="stable").astype(np.int32) + np.int32(first)
        counts = np.bincount(part)
        for level, rows in zip(
            np.flatnonzero(counts), np.split(order, np.cumsum(counts[counts > 0])[:-1]), strict=True
        ):
            levels[level].append(rows)
    return [np.concatenate(parts) for parts in levels]


def depths(parent: Ints) -> Ints:
    """Level of each row, 0 for a root; the rows may come in any order. Shape (rows,)."""
    depth = (parent >= 0).astype(np.int32)
    jump = parent.copy()
    for first in range(0, len(parent), _ROWS_AT_ONCE):
        rows = first + np.flatnonzero(jump[first : first + _ROWS_AT_ONCE] >= 0)
        while len(rows):
            above = jump[rows]
            depth[rows] += depth[above]
            jump[rows] = jump[above]
            rows = rows[jump[rows] >= 0]
    return depth


def inherit(parent: Ints, own: Ints) -> Ints:
    """Give each row without a code of its own that of its nearest ancestor that has one.

    Args:
        parent: shape (rows,).
        own: codes, -1 where a row has none, shape (rows,).

    Returns:
        Codes, -1 where no ancestor has one either, shape (rows,).
    """
    value, jump = own.copy(), parent.copy()
    for first in range(0, len(parent), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        rows = first + np.flatnonzero((value[part] < 0) & (jump[part] >= 0))
        while len(rows):
            above = jump[rows]
            value[rows], jump[rows] = value[above], jump[above]
            rows = rows[(value[rows] < 0) & (jump[rows] >= 0)]
    return value


def self_from_total(parent: Ints, total: Ints) -> Ints:
    """Self cost: the total less the totals of the children. Shape (rows,)."""
    own = total.copy()
    rows = np.flatnonzero(parent >= 0)
    np.subtract.at(own, parent[rows], total[rows])
    return own


def total_from_self(parent: Ints, own: Ints) -> Ints:
    """Total cost: the self cost of a row and of everything below it. Shape (rows,)."""
    total = own.copy()
    for rows in reversed(_by_level(depths(parent))[1:]):
        np.add.at(total, parent[rows], total[rows])
    return total


def largest_below(parent: Ints, own: Ints) -> Ints:
    """The largest value of a row and of everything below it. Shape (rows,)."""
    largest = own.copy()
    for rows in reversed(_by_level(depths(parent))[1:]):
        np.maximum.at(largest, parent[rows], largest[rows])
    return largest


def preorder(parent: Ints) -> tuple[Ints, Ints]:
    """Place of each row in preorder, and number of rows in its subtree, itself included.

    Returns:
        Two columns of shape (rows,): the subtree of a row is the places from `place` to `place + size` (excluded).
    """
    levels = _by_level(depths(parent))
    size = np.ones(len(parent), np.int32)
    for rows in reversed(levels[1:]):
        np.add.at(size, parent[rows], size[rows])
    if _is_preorder(parent, size):
        return np.arange(len(parent), dtype=np.int32), size
    place = np.zeros(len(parent), np.int32)
    for level, rows in enumerate(levels):
        above = place[parent[rows]] if level else np.full(len(rows), NONE, np.int32)
        siblings = np.argsort(above, kind="stable")
        rows, above = rows[siblings], above[siblings]
        before = np.cumsum(size[rows]) - size[rows]
        first = np.searchsorted(above, above)
        place[rows] = above + 1 + before - before[first]
    return place, size


def _is_preorder(parent: Ints, size: Ints) -> bool:
    """Whether every row stands after its caller, and every subtree within the places that its caller's has."""
    for first in range(0, len(parent), _ROWS_AT_ONCE):
        rows = first + np.flatnonzero(parent[first : first + _ROWS_AT_ONCE] >= 0)
        above = parent[rows]
        if not (np.all(above < rows) and np.all(rows + size[rows] <= above + size[above])):
            return False
    return True


def nearest_same(parent: Ints, name: Ints) -> Ints:
    """Nearest ancestor of the same name: where there is none, the call is the outermost of its name.

    Args:
        parent: shape (rows,).
        name: code of the name of each row, not negative, shape (rows,).

    Returns:
        Row of that ancestor or -1, shape (rows,).
    """
    nearest = np.full(len(parent), NONE, np.int32)
    if not len(parent):
        return nearest
    parts = np.split(name, range(_ROWS_AT_ONCE, len(name), _ROWS_AT_ONCE))
    counts = np.sum([np.bincount(part, minlength=int(name.max()) + 1) for part in parts], axis=0)
    frequent = counts > _ROWS_AT_ONCE
    for code in np.flatnonzero(frequent):
        rows = np.flatnonzero(name == code).astype(np.int32)
        own = np.full(len(parent), NONE, np.int32)
        own[rows] = rows
        nearest[rows] = np.append(inherit(parent, own), NONE)[parent[rows]]
    place, size = preorder(parent)
    # The other names some at a time, so that the columns of sort keys stay small.
    block = np.where(frequent, NONE, np.cumsum(counts * ~frequent) // _ROWS_AT_ONCE)
    for number in range(int(block.max()) + 1):
        some = np.flatnonzero((block == number)[name])
        some = some[np.lexsort((place[some], small(name[some])))]
        begins = name[some].astype(np.int64) * (len(parent) + 1) + place[some]
        depth = _open_intervals(begins, begins + size[some])
        if depth.any():
            above = parents_of_depths(depth)
            nested = above >= 0
            nearest[some[nested]] = some[above[nested]]
    return nearest
