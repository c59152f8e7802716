"""Call trees in time: rows in the order in which a viewer draws them, strictly nested, and no two of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from profkit import calltree
from profkit.columns import NONE, Flags, Ints


def ordered(parent: Ints, thread: Ints, start: Ints) -> tuple[Ints, Ints]:
    """Bring rows into preorder: threads one after the other, siblings by their start and then as they came.

    Args:
        parent: row of the caller or -1, shape (rows,).
        thread: code of the thread; a row goes where its root is, shape (rows,).
        start: shape (rows,).

    Returns:
        Rows in that order, and the place of the caller of each of them, both of shape (rows,).
    """
    by_start = np.lexsort((start, thread))
    rank = np.empty(len(parent), np.int64)
    rank[by_start] = np.arange(len(parent))
    above = np.where(parent < 0, NONE, np.append(rank, NONE)[parent])[by_start]
    place, _ = calltree.preorder(above)
    order = np.empty(len(parent), np.int64)
    order[place] = by_start
    where = np.empty(len(parent), np.int64)
    where[order] = np.arange(len(parent))
    return order, np.where(parent < 0, NONE, np.append(where, NONE)[parent])[order]


def clamped(parent: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Cut children to their parent and to the end of the sibling before: what viewers need, and tools mostly keep.

    Args:
        parent: rows in preorder, siblings in order of start, shape (rows,).
        start: shape (rows,).
        end: shape (rows,).
    """
    inner = np.flatnonzero(parent >= 0)
    above = parent[inner]
    siblings = inner[np.argsort(above, kind="stable")]
    same = parent[siblings[1:]] == parent[siblings[:-1]]
    overlap = same & (start[siblings[1:]] < end[siblings[:-1]])
    if not (np.any(start[inner] < start[above]) or np.any(end[inner] > end[above]) or overlap.any()):
        return start, end
    begins, ends, free = start.tolist(), end.tolist(), start.tolist()
    for row, caller in enumerate(parent.tolist()):
        if caller >= 0:
            begins[row] = min(max(begins[row], free[caller]), ends[caller])
            ends[row] = max(min(ends[row], ends[caller]), begins[row])
            free[caller] = ends[row]
        free[row] = begins[row]
    return np.array(begins, np.int64), np.array(ends, np.int64)


def lanes(thread: Ints, names: Sequence[str], start: Ints, end: Ints) -> tuple[Ints, list[str]]:
    """Move roots that run at the same time as another one of their thread to a lane beside it.

    Args:
        thread: place in `names` of each root, in order of thread and start, shape (roots,).
        names: of the threads.
        start: shape (roots,).
        end: shape (roots,).

    Returns:
        The thread of each root, and all names: a further lane is called `name (2)`.
    """
    late = _overlapping(thread, start, end)
    lane_names, moved = list(names), thread.copy()
    for code in np.unique(thread[late]).tolist():
        free: list[tuple[int, int, int]] = []  # end, number and code of each lane
        lanes_of = 0
        for place in np.flatnonzero(thread == code).tolist():
            if free and free[0][0] <= start[place]:
                _, number, lane = heappop(free)
            else:
                lanes_of += 1
                number, lane = lanes_of, code
                if lanes_of > 1:
                    lane = len(lane_names)
                    lane_names.append(f"{names[code]} ({lanes_of})")
            moved[place] = lane
            heappush(free, (int(end[place]), number, lane))
    return moved, lane_names


def _overlapping(thread: Ints, start: Ints, end: Ints) -> Flags:
    """Roots that begin before an earlier one of their thread has ended. Shape (roots,)."""
    late = np.zeros(len(thread), bool)
    for rows in np.split(np.arange(len(thread)), np.flatnonzero(np.diff(thread)) + 1):
        late[rows[1:]] = start[rows[1:]] < np.maximum.accumulate(end[rows])[:-1]
    return late
