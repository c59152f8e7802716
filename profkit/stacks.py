"""Weighted stacks to records: one record a distinct call path, as a prefix tree built level by level.

What a sampler wrote is a bag of stacks. Each distinct one is a sequence of frame codes; the tree, the sums and the
columns are made of arrays, so that the number of samples does not matter and that of distinct stacks little.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import calltree, operators, schema, symbols
from profkit.columns import NONE, Ints, from_codes, from_integers, integers, repeated
from profkit.frames import (
    NAMELESS,
    NO_FRAME,
    Frame,
    entered,
    is_made_at_run_time,
    is_nameless,
    is_outside,
    loads,
    waits,
)
from profkit.torch_functions import runs_native_code

SELF_COLUMNS = ("samples", "self_ns", "self_instructions", "allocated_bytes")
_NAMELESS_CODE = "0x0"
"""Stands for the name of code of which only the library is known."""
_LINUX_KERNEL = ("[kernel.kallsyms]", "[kernel]", "[guest.kernel.kallsyms]")


@dataclass(frozen=True)
class Stacks:
    """Stacks with their costs; a stack may come more than once.

    Attributes:
        frames: distinct frames.
        frame: codes of frames of all stacks one after the other, root first, shape (sum of length,).
        length: frames of each stack, 1 or more, shape (stacks,).
        threads: distinct names; None where the tool names none.
        thread: code of the thread of each stack, shape (stacks,).
        costs: self costs of the leaves by column of `SELF_COLUMNS`, shape (stacks,) each.
    """

    frames: Sequence[Frame]
    frame: Ints
    length: Ints
    threads: Sequence[str | None]
    thread: Ints
    costs: Mapping[str, Ints]


class StackCounter:
    """Gathers stacks one at a time and sums the costs of equal ones.

    Args:
        columns: which self costs each stack comes with.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.frames: dict[Frame, int] = {}
        self._threads: dict[str | None, int] = {}
        self._stacks: dict[tuple[int, tuple[int, ...]], int] = {}
        self._costs = [array("q") for _ in columns]

    def code(self, frame: Frame) -> int:
        """Code of a frame, to be kept by whoever reads the same text often."""
        return self.frames.setdefault(frame, len(self.frames))

    def add(self, thread: str | None, codes: Iterable[int], *costs: int) -> None:
        """Add the costs to those of this stack.

        Args:
            thread: as the tool names it.
            codes: of the frames, root first.
            costs: one for each column.
        """
        stack = tuple(codes) or (self.code(NO_FRAME),)
        key = self._threads.setdefault(thread, len(self._threads)), stack
        place = self._stacks.setdefault(key, len(self._stacks))
        for column, cost in zip(self._costs, costs, strict=True):
            if place == len(column):
                column.append(cost)
            else:
                column[place] += cost

    def stacks(self) -> Stacks:
        """What was added, each stack once."""
        paths = [path for _, path in self._stacks]
        return Stacks(
            frames=list(self.frames),
            frame=np.fromiter(chain.from_iterable(paths), np.int64),
            length=np.fromiter(map(len, paths), np.int64, len(paths)),
            threads=list(self._threads),
            thread=np.fromiter((thread for thread, _ in self._stacks), np.int64, len(paths)),
            costs={name: np.array(column, np.int64) for name, column in zip(self.columns, self._costs, strict=True)},
        )


def within_program(stacks: Stacks) -> tuple[Stacks, list[str]]:
    """Leave out the stacks in which profkit itself waits for the tool to be attached, and say how many samples."""
    outside = np.array([is_outside(frame) for frame in stacks.frames], bool)
    if not outside.any():
        return stacks, []
    stack = np.repeat(np.arange(len(stacks.length)), stacks.length)
    kept = np.bincount(stack, outside[stacks.frame], minlength=len(stacks.length)) == 0
    costs = {name: values[kept] for name, values in stacks.costs.items()}
    count, whole = (int(values.sum()) for values in (stacks.costs["samples"][~kept], stacks.costs["samples"]))
    return (
        replace(
            stacks, frame=stacks.frame[kept[stack]], length=stacks.length[kept], thread=stacks.thread[kept], costs=costs
        ),
        [f"{count} of {whole} samples in which profkit waited for the tool were left out"],
    )


def records(stacks: Stacks) -> pa.Table:
    """One record a distinct call path of a thread, every caller before its callees.

    Self costs are those of the stacks that end there; totals are exact sums of them. A sampler does not count calls:
    `count` is null.
    """
    parent, frame, thread, leaf = _prefix_tree(stacks)
    rows = len(parent)
    costs: dict[str, Any] = {}
    for name, values in stacks.costs.items():
        own = np.zeros(rows, np.int64)
        np.add.at(own, leaf, values)
        costs[name] = integers(own)
        if name.startswith("self_"):
            costs[name.replace("self_", "total_")] = integers(calltree.total_from_self(parent, own))
    return schema.table_from(
        schema.RECORDS,
        {
            "parent_id": from_integers(parent),
            "thread": _thread_column(thread, stacks.threads),
            **columns_of(stacks.frames, frame, parent),
            **costs,
        },
        rows,
    )


def notes_on(table: pa.Table, frames: Sequence[Frame]) -> list[str]:
    """What the frames could not tell, one sentence each.

    Args:
        table: records of these frames.
        frames: distinct.
    """
    notes = []
    if not any(frame.kind == "native" for frame in frames) and any(_hides_native_code(frame) for frame in frames):
        notes.append(
            "no native frames were recorded: what torch's C++ does cannot be told from the Python that calls it, and "
            "counts as other where Python calls an operator directly"
        )
    counts = table[next(name for name in schema.METRICS if table[name].null_count < table.num_rows)]
    without_name = pc.fill_null(pc.and_(pc.equal(table["kind"].cast(pa.string()), "native"), _nameless(table)), False)
    outside = pc.and_(pc.is_null(table["library"]), pc.equal(table["category"].cast(pa.string()), "kernel"))
    made = pc.and_(without_name, outside)
    whole = pc.sum(counts).as_py()
    for rows, what in (
        (made, "code without a name outside every library: that of a just-in-time compiler, taken as kernels"),
        (pc.and_not(without_name, made), "native code that the tool found no name for"),
    ):
        cost = pc.sum(counts.filter(rows)).as_py()
        if cost:
            notes.append(f"{cost / whole:.1%} of the cost lies in {what}")
    return notes


def _nameless(table: pa.Table) -> pa.ChunkedArray:
    text = table["symbol"].cast(pa.string())
    return pc.or_kleene(pc.is_null(text), pc.match_substring_regex(text, NAMELESS))


def columns_of(frames: Sequence[Frame], frame: Ints, parent: Ints) -> dict[str, Any]:
    """Symbol, kind, file, line, library, operator, category and device of records.

    Args:
        frames: distinct.
        frame: code of the frame of each record, shape (rows,).
        parent: row of the caller or -1, shape (rows,).
    """
    natively = any(each.kind == "native" for each in frames)
    line = np.array([each.line if each.line is not None else NONE for each in frames], np.int32)
    own, names = _operators(frames, frame, parent, natively)
    category = _waiting_below(frames, frame, parent, _categories(frames, natively)[frame])
    texts = {name: _codes([getattr(each, name) for each in frames]) for name in ("symbol", "kind", "file", "library")}
    return {
        **{name: from_codes(codes[frame], values) for name, (codes, values) in texts.items()},
        "line": from_integers(line[frame]),
        "operator": from_codes(calltree.inherit(parent, own), names),
        "category": from_codes(category, schema.CATEGORIES),
        "device": repeated(pa.array(["cpu"]).dictionary_encode(), len(frame)),
    }


def _codes(values: Sequence[str | None]) -> tuple[Ints, list[str]]:
    """Code of each value, -1 for None, and the distinct values."""
    known: dict[str, int] = {}
    codes = [NONE if value is None else known.setdefault(value, len(known)) for value in values]
    return np.array(codes, np.int32), list(known)


def _thread_column(thread: Ints, threads: Sequence[str | None]) -> pa.ChunkedArray:
    codes, names = _codes(threads)
    return from_codes(codes[thread], names)


def _operators(frames: Sequence[Frame], frame: Ints, parent: Ints, natively: bool) -> tuple[Ints, list[str]]:
    """Operator that each record is an entry of or -1, shape (rows,), and their names.

    Native frames tell the operators where there are any. Made code that no unwinder sees through (oneDNN's kernels)
    has the Python function right above it: there that one tells.
    """
    entries = [
        symbols.operator_of(each.symbol or "") if each.kind in ("native", None) else entered(each, natively)
        for each in frames
    ]
    ways = [entered(each, natively=False) for each in frames]
    codes, names = _codes([*entries, *ways])
    own, way = codes[: len(frames)][frame], codes[len(frames) :][frame]
    made = np.array([is_made_at_run_time(each) for each in frames], bool)[frame]
    return np.where(made & (parent >= 0), way[parent], own), names


def _prefix_tree(stacks: Stacks) -> tuple[Ints, Ints, Ints, Ints]:
    """Merge what stacks have in common from the root on.

    Returns:
        Parent (-1: root), frame and thread of each record, shape (rows,), and the record that each stack ends in,
        shape (stacks,). Records come in preorder.
    """
    begin = np.cumsum(stacks.length) - stacks.length
    node = np.full(len(begin), NONE, np.int64)
    active = np.arange(len(begin))
    parents, frames, threads = [], [], []
    depth, count, width = 0, 0, max(len(stacks.frames), 1)
    while len(active := active[stacks.length[active] > depth]):
        frame = stacks.frame[begin[active] + depth]
        above = stacks.thread[active] if depth == 0 else node[active]
        keys, first, place = np.unique(above * width + frame, return_index=True, return_inverse=True)
        parents.append(np.full(len(keys), NONE, np.int64) if depth == 0 else above[first])
        frames.append(frame[first])
        threads.append(stacks.thread[active[first]])
        node[active] = count + place
        count += len(keys)
        depth += 1
    parent, frame, thread = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (parents, frames, threads))
    return _in_preorder(parent, frame, thread, node)


def _in_preorder(parent: Ints, frame: Ints, thread: Ints, node: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    place, _ = calltree.preorder(parent)
    order = np.empty(len(place), np.int64)
    order[place] = np.arange(len(place))
    moved = np.append(place, NONE)[parent[order]].astype(np.int32)
    return moved, frame[order], thread[order], place[node]


def _categories(frames: Sequence[Frame], natively: bool) -> Ints:
    """On what the self cost of each frame is spent, codes in `schema.CATEGORIES`, shape (frames,)."""
    texts = [_NAMELESS_CODE if _has_only_a_place(frame) else frame.symbol for frame in frames]
    by_symbol = symbols.categories(
        pa.array(texts, pa.string()).dictionary_encode(),
        pa.array([_path_like(frame.library) for frame in frames], pa.string()).dictionary_encode(),
    )
    by_symbol = by_symbol.cast(pa.string()).to_pylist()
    in_python = any(frame.kind == "python" for frame in frames)
    found = [_category(frame, other, natively, in_python) for frame, other in zip(frames, by_symbol, strict=True)]
    return np.array([schema.CATEGORIES.index(category) for category in found], np.int32)


def _waiting_below(frames: Sequence[Frame], frame: Ints, parent: Ints, category: Ints) -> Ints:
    """Categories in which native code without a name waits, too, where what has called it waits."""
    waiting = np.array([NONE if is_nameless(each) else waits(each) for each in frames], np.int32)[frame]
    below = (waiting == NONE) & (calltree.inherit(parent, waiting) == 1)
    return np.where(below, schema.CATEGORIES.index("runtime"), category).astype(np.int32)


def _has_only_a_place(frame: Frame) -> bool:
    return is_made_at_run_time(frame) or (is_nameless(frame) and frame.library is not None)


def _path_like(library: str | None) -> str | None:
    """Libraries of which only the last part of the path is told look like paths all the same."""
    return library if library is None or "/" in library or library.startswith("[") else f"/{library}"


def _category(frame: Frame, by_symbol: str, natively: bool, in_python: bool) -> str:
    if waits(frame) or frame.library in _LINUX_KERNEL:
        return "runtime"
    if frame.kind == "native":
        return by_symbol
    if frame.kind == "python":
        return "data" if loads(frame) else "other" if not natively and _hides_native_code(frame) else "interpreter"
    if frame.kind == "scope":
        return operators.category_of_scope(frame.symbol or "", "python" if in_python else None)
    if frame.kind == "operator":
        if in_python:
            return "interpreter" if natively else "other"
        return operators.category_of_leaf(frame.symbol or "")
    return by_symbol


def _hides_native_code(frame: Frame) -> bool:
    return (
        frame.kind == "python"
        and frame.symbol is not None
        and frame.file is not None
        and runs_native_code(frame.symbol, frame.file)
    )
