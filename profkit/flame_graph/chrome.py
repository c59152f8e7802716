"""Chrome trace events of call trees: complete (`X`) events that nest strictly, one track a thread."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from profkit import calltree, schema
from profkit.columns import NONE, Ints
from profkit.flame_graph.forest import Forest
from profkit.flame_graph.text import chosen, integers, label, microseconds, rows_of_text

PROCESS = 1
PLACES = "profkit.place"
"""Category of events that say where others are, and are no cost of their own."""


def named_track(tid: int, name: str) -> bytes:
    """The events that name a track and put it in its place, track after track."""
    both = (("thread_name", {"name": name}), ("thread_sort_index", {"sort_index": tid}))
    events = [{"ph": "M", "name": kind, "pid": PROCESS, "tid": tid, "args": args} for kind, args in both]
    return b",\n".join(json.dumps(event).encode() for event in events)


def process(name: str) -> bytes:
    """The event that names the process."""
    return json.dumps({"ph": "M", "name": "process_name", "pid": PROCESS, "tid": 0, "args": {"name": name}}).encode()


def complete(forest: Forest, start: Ints, end: Ints, tid: Ints, category: pa.Array) -> bytes:
    """An event for each row, its place and its own cost among its arguments.

    Args:
        forest: rows in preorder.
        start: shape (rows,) [ns].
        end: likewise.
        tid: number of the track, shape (rows,).
        category: JSON text, shape (rows,).
    """
    names = chosen([label(frame) for frame in forest.frames], forest.frame)
    layers = chosen([*forest.layers, None], np.where(forest.layer < 0, len(forest.layers), forest.layer))
    phases = chosen([*schema.PHASES, None], np.where(forest.phase < 0, len(schema.PHASES), forest.phase))
    return rows_of_text((
        f'{{"ph":"X","pid":{PROCESS},"tid":', integers(tid), ',"name":', names, ',"cat":', category,
        ',"ts":', microseconds(start), ',"dur":', microseconds(end - start),
        ',"args":{"layer":', layers, ',"phase":', phases,
        f',"{forest.metric}":', integers(forest.costs[forest.metric]), "}}",
    ))  # fmt: skip


def spans(forest: Forest, codes: Ints, apart: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """Where a code begins and ends in time: neighbours of one code are one span, inner codes lie within outer ones.

    Args:
        forest: rows in preorder.
        codes: -1 for none, shape (rows,).
        apart: neighbours that differ in this are two spans all the same, shape (rows,).
        start: shape (rows,).
        end: likewise.

    Returns:
        Row that each span begins with, its start and its end.
    """
    opens = np.flatnonzero((codes >= 0) & (codes != np.append(codes, NONE)[forest.parent]))
    own = np.full(len(codes), NONE, np.int64)
    own[opens] = opens
    around = np.append(calltree.inherit(forest.parent, own), NONE)[forest.parent[opens]]
    keys = np.stack((codes[opens], apart[opens], forest.thread[opens], around))
    first = np.flatnonzero(np.any(keys[:, 1:] != keys[:, :-1], axis=0)) + 1
    first = np.concatenate((np.zeros(min(len(opens), 1), np.int64), first))
    last = np.append(first[1:], len(opens)) - 1 if len(first) else first
    return opens[first], start[opens[first]], end[opens[last]]
