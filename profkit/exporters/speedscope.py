"""speedscope: one profile a thread, in time where the tool knows times, else as weighted stacks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from profkit import calltree
from profkit.columns import Ints
from profkit.exporters import Exporter, Material
from profkit.flame_graph.forest import Forest, in_time, merged
from profkit.flame_graph.places import ESTIMATED
from profkit.flame_graph.text import integers, label, paths, quantity, rows_of_text, source, writer

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def render(material: Material) -> bytes:
    """The profile as speedscope's JSON.

    Times are nanoseconds from 0. Instructions and samples have no unit there, so the profile's name says it.
    """
    forest = material.forest
    timed = forest.start is not None
    forest, start, end = in_time(forest) if timed else (merged(forest), forest.frame, forest.frame)
    costs = np.bincount(forest.thread, forest.costs[forest.metric], minlength=len(forest.threads))
    threads = [code for code in range(len(forest.threads)) if np.any(forest.thread == code)]
    profiles = []
    for code in threads:
        rows = np.flatnonzero(forest.thread == code)
        profiles.append(_evented(forest, rows, start, end) if timed else _sampled(forest, rows))
    run = material.profile.run
    head = {
        "$schema": SCHEMA,
        "exporter": writer(),
        "name": ", ".join(part for part in (run.workload, run.implementation, run.tool) if part),
        "activeProfileIndex": threads.index(int(np.argmax(costs))),
        "shared": {"frames": [_frame(forest, number) for number in range(len(forest.frames))]},
    }
    return json.dumps(head).encode()[:-1] + b',"profiles":[\n' + b",\n".join(profiles) + b"]}\n"


def _frame(forest: Forest, number: int) -> dict[str, Any]:
    frame = forest.frames[number]
    place = {"file": source(frame), "line": frame.line if source(frame) == frame.file else None}
    return {"name": label(frame), **{key: value for key, value in place.items() if value}}


def _head(forest: Forest, rows: Ints, kind: str, end: int) -> bytes:
    name = forest.threads[int(forest.thread[rows[0]])]
    if forest.metric != "self_ns":
        estimated = ", estimated paths" if ESTIMATED in forest.notes else ""
        name = f"{name} [{quantity(forest.metric)}{estimated}]"
    unit = "nanoseconds" if forest.metric == "self_ns" else "none"
    return json.dumps({"type": kind, "name": name, "unit": unit, "startValue": 0, "endValue": end}).encode()[:-1]


def _evented(forest: Forest, rows: Ints, start: Ints, end: Ints) -> bytes:
    """Openings and closings in their order: of equal times the inner one closes first, and opens last."""
    first = int(rows[0])
    parent = np.where(forest.parent[rows] < 0, forest.parent[rows], forest.parent[rows] - first)
    _, size = calltree.preorder(parent)
    opens = 2 * np.arange(len(rows)) - calltree.depths(parent)
    closes = opens + 2 * size - 1
    frame, at = np.empty(2 * len(rows), np.int64), np.empty(2 * len(rows), np.int64)
    for places, times in ((opens, start), (closes, end)):
        frame[places] = forest.frame[rows]
        at[places] = times[rows]
    kind = np.zeros(2 * len(rows), np.int64)
    kind[closes] = 1
    kinds = pa.array(["O", "C"], pa.large_string()).take(pa.array(kind))
    events = rows_of_text(('{"type":"', kinds, '","frame":', integers(frame), ',"at":', integers(at), "}"))
    return _head(forest, rows, "evented", int(end[rows].max())) + b',"events":[\n' + events + b"]}"


def _sampled(forest: Forest, rows: Ints) -> bytes:
    stacks = paths(forest)
    cost = forest.costs[forest.metric]
    leaves = rows[cost[rows] > 0].tolist()
    weights = cost[leaves].tolist()
    samples = json.dumps([stacks[row] for row in leaves], separators=(",", ":")).encode()
    head = _head(forest, rows, "sampled", sum(weights))
    return head + b',"samples":' + samples + b',\n"weights":' + json.dumps(weights).encode() + b"}"


SPEEDSCOPE = Exporter(
    name="speedscope",
    suffix=".speedscope.json",
    summary="flame graph in speedscope: in time order, left heavy, sandwich",
    render=render,
)
