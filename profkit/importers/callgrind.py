"""Callgrind profiles: callgrind.out files of Valgrind, of xdebug, and of whoever else writes the format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from profkit import schema
from profkit.artefact import open_artefact
from profkit.callgrind_out.names import NOTHING, UNKNOWN, Ints, Mask, Names
from profkit.callgrind_out.reader import Costs, Part, Reader, distinct, unpacked
from profkit.columns import repeated
from profkit.errors import InputError
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.propagate import cycles
from profkit.run import Run

INSTRUCTIONS = ("Ir", "Instructions")
TIME_10_NS = "Time_(10ns)"
MEMORY = "Memory_(bytes)"
_KNOWN = (*INSTRUCTIONS, TIME_10_NS, MEMORY)
_EVENTS = re.compile(rb"^events:[ \t]*\S", re.MULTILINE)
_BODY = re.compile(rb"^(?:(?:fn|fl|ob)=|(?:version|creator|positions|summary|totals):)", re.MULTILINE)


@dataclass(frozen=True)
class _Graph:
    """The sums of the whole file.

    Attributes:
        events: names of the columns of the costs.
        part, function: of each function row, the function packed, shape (functions,).
        self_cost: in the function's own file, shape (functions, events).
        inline_of, inline_file: function row and source file of code inlined from elsewhere, shape (inlined,).
        inline_cost: shape (inlined, events).
        caller, callee, count: of each edge, rows of functions, shape (edges,).
        call_cost: inclusive, shape (edges, events).
    """

    events: tuple[str, ...]
    part: Ints
    function: Ints
    self_cost: Ints
    inline_of: Ints
    inline_file: Ints
    inline_cost: Ints
    caller: Ints
    callee: Ints
    count: Ints
    call_cost: Ints

    @property
    def whole_self(self) -> Ints:
        """Self cost of each function with what is inlined into it, shape (functions, events)."""
        whole = self.self_cost.copy()
        np.add.at(whole, self.inline_of, self.inline_cost)
        return whole


@dataclass(frozen=True)
class _Texts:
    """The names of one id space.

    Attributes:
        strings: distinct.
        place: where among them each name is, -1 for one that stands for none, which also the last one does, shape
            (names + 1,).
    """

    strings: pa.Array
    place: Ints

    def column(self, indices: Ints) -> pa.DictionaryArray:
        """A column of the names of these indices."""
        codes = self.place[indices]
        return _chosen(codes, self.strings, codes < 0)


def sniff(head: bytes) -> bool:
    """Whether the file begins like the Callgrind format; most writers leave the first line out."""
    return head.startswith(b"# callgrind format") or bool(_EVENTS.search(head) and _BODY.search(head))


def load(path: Path) -> Recording:
    """Read a Callgrind profile of any number of parts.

    One record a (part, function), where a function is (object, source file, name); where code of other source files is
    inlined into it, one more record for each of them beneath it. The total of a function is its self cost and the
    inclusive cost of its calls. Calls of itself do not count again; in a cycle of several functions, where Callgrind's
    call costs hold each other, the total is at most the self cost of the cycle and the cost of the calls that leave it.

    Raises:
        InputError: unreadable, another format, damaged, or without any cost.
    """
    with open_artefact(path) as file:
        reader = Reader(str(path))
        blocks = list(reader.read(file))
    if not blocks:
        raise InputError(f"{path} is empty", "the tool wrote nothing; record it again")
    if not any(part.events for part in reader.parts):
        raise InputError(f"{path} has no 'events:' line", "is it a Callgrind profile? it may be cut off in its header")
    if reader.by_callgrind and reader.parts[-1].totals is None:
        raise InputError(
            f"{path} is cut off: its last part has no 'totals:' line, so its costs would be too low",
            "copy or record it again; Callgrind writes that line when it is done",
        )
    # First of all: this ends the names as Python objects, before the memory of the sums is needed.
    symbols = _texts(reader.functions, None)
    files, libraries = _texts(reader.files, UNKNOWN), _texts(reader.objects, UNKNOWN)
    graph = _graph(blocks, reader.parts, len(files.place))
    totals = _checked_totals(graph, reader.parts, path)
    if not any(totals.values()):
        counted = ", ".join(f"{event} {total}" for event, total in totals.items())
        raise InputError(f"{path} has no cost in it ({counted})", "nothing was counted: was instrumentation on?")
    return Recording(
        run=_run(reader),
        records=_records(graph, reader.parts, symbols, files, libraries),
        calls=_calls(graph),
        tool_totals=totals,
        notes=tuple(_notes(graph.events, reader)),
        broken=reader.lost_calls + reader.strange[0],
    )


def _run(reader: Reader) -> Run:
    creator = reader.header.get("creator", "")
    return Run(
        tool="callgrind",
        tool_version=creator.removeprefix("callgrind-") or None,
        command=tuple(reader.header.get("cmd", "").split()),
    )


def _notes(events: tuple[str, ...], reader: Reader) -> list[str]:
    notes = []
    if reader.lost_calls:
        notes.append("the last call of the file has no cost and is left out")
    if others := [event for event in events if event not in _KNOWN]:
        notes.append(f"only the totals of these events are kept: {', '.join(others)}")
    if undefined := reader.objects.undefined + reader.files.undefined:
        notes.append(f"{undefined} references to an object or source file that the file never names: those are null")
    count, first = reader.strange
    if count:
        notes.append(f"{count} lines are no part of the format and were passed over, the first of them '{first}'")
    return notes


def _graph(blocks: list[Costs], parts: list[Part], files: int) -> _Graph:
    """Sum the blocks, which are emptied: rows of one (part, function, file) may lie in two of them."""
    events = tuple(dict.fromkeys(event for part in parts for event in part.events))
    function, file, caller, callee = (_joined(blocks, name) for name in ("function", "file", "caller", "callee"))
    own = file == unpacked(function)[1]
    keys = distinct(np.concatenate([distinct(each) for each in (function, caller, callee)]))
    functions = max(len(keys), 1)
    row = _joined(blocks, "part") * functions + np.searchsorted(keys, function)
    call_part = _joined(blocks, "call_part") * functions
    caller, callee = call_part + np.searchsorted(keys, caller), call_part + np.searchsorted(keys, callee)
    self_cost = _costs(blocks, events, "self_cost")
    call_cost = np.column_stack((_joined(blocks, "count"), _costs(blocks, events, "call_cost")))
    blocks.clear()
    rows = distinct(np.concatenate((distinct(row), distinct(caller), distinct(callee))))
    own_cost = np.zeros((len(rows), len(events)), np.int64)
    row = np.searchsorted(rows, row)
    np.add.at(own_cost, row[own], self_cost[own])
    inlined, inline_cost = _grouped(row[~own] * files + file[~own] + 1, self_cost[~own])
    edges, edge_cost = _grouped(np.searchsorted(rows, caller) * len(rows) + np.searchsorted(rows, callee), call_cost)
    return _Graph(
        events, rows // functions, keys[rows % functions], own_cost,
        inlined // files, inlined % files - 1, inline_cost,
        edges // max(len(rows), 1), edges % max(len(rows), 1), edge_cost[:, 0], edge_cost[:, 1:],
    )  # fmt: skip


def _joined(blocks: list[Costs], name: str) -> Ints:
    return np.concatenate([getattr(block, name) for block in blocks]).astype(np.int64, copy=False)


def _costs(blocks: list[Costs], events: tuple[str, ...], name: str) -> Ints:
    """Costs of all blocks with a column for each event of any part."""
    columns = []
    for block in blocks:
        given = getattr(block, name)
        if block.events != events:
            wide = np.zeros((len(given), len(events)), np.int64)
            wide[:, [events.index(event) for event in block.events]] = given
            given = wide
        columns.append(given)
    return np.concatenate(columns)


def _grouped(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Distinct keys in order, and the sums of their rows."""
    if not len(keys):
        return keys, values
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begin = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[begin], np.add.reduceat(values[order], begin, axis=0)


def _checked_totals(graph: _Graph, parts: list[Part], path: Path) -> dict[str, int]:
    """Sums of all events, after each part's own `totals:` line agrees with its lines."""
    sums = np.zeros((len(parts), len(graph.events)), np.int64)
    np.add.at(sums, graph.part, graph.whole_self)
    for number, (part, found) in enumerate(zip(parts, sums.tolist(), strict=True), 1):
        by_event = dict(zip(graph.events, found, strict=True))
        for event, said in zip(part.events, part.totals or (), strict=False):
            if by_event[event] != said:
                raise InputError(
                    f"{path}, part {number}: 'totals:' line says {said} {event}, its lines sum to {by_event[event]}",
                    "the file is damaged or cut; record it again",
                )
    return {event: int(total) for event, total in zip(graph.events, sums.sum(axis=0), strict=True)}


def _totals(graph: _Graph) -> Ints:
    """Cost with callees of each function row, shape (functions, events)."""
    cycle, inside = cycles(graph.caller, graph.callee, len(graph.function))
    own = graph.whole_self
    other = graph.caller != graph.callee
    total = own.copy()
    np.add.at(total, graph.caller[other], graph.call_cost[other])
    leaving = cycle[graph.caller] != cycle[graph.callee]
    most = np.zeros_like(own)  # of each cycle, of which there are no more than functions
    np.add.at(most, cycle, own)
    np.add.at(most, cycle[graph.caller[leaving]], graph.call_cost[leaving])
    total[inside] = np.minimum(total, most[cycle])[inside]
    return total


def _records(graph: _Graph, parts: list[Part], symbols: _Texts, files: _Texts, libraries: _Texts) -> pa.Table:
    functions, inlined = len(graph.function), len(graph.inline_of)
    rows = functions + inlined
    of = np.concatenate((graph.function, graph.function[graph.inline_of]))
    part = np.concatenate((graph.part, graph.part[graph.inline_of]))
    objects, own_files, names = unpacked(of)
    file = np.concatenate((own_files[:functions], graph.inline_file))
    self_cost = np.concatenate((graph.self_cost, graph.inline_cost))
    total = np.concatenate((_totals(graph), graph.inline_cost))
    called = np.zeros(rows, np.int64)
    np.add.at(called, graph.callee, graph.count)
    reached = np.zeros(rows, np.bool_)
    reached[graph.callee] = True
    arrays: dict[str, Any] = {
        "parent_id": pa.array(np.concatenate((np.zeros(functions, np.int64), graph.inline_of)), pa.int32(),
                              mask=np.arange(rows) < functions),
        "symbol": symbols.column(names),
        "kind": repeated(pa.array(["native"]).dictionary_encode(), rows),
        "file": files.column(file),
        "library": libraries.column(objects),
        "scope": _labels(part, [each.label for each in parts]),
        "device": repeated(pa.array(["cpu"]).dictionary_encode(), rows),
        "thread": _labels(part, [each.thread for each in parts]),
        "count": pa.array(called, mask=~reached),
        **_measures(graph.events, self_cost, total),
    }  # fmt: skip
    return schema.table_from(schema.RECORDS, arrays, rows)


def _measures(events: tuple[str, ...], self_cost: Ints, total: Ints) -> dict[str, pa.Array]:
    """The events that have a column of their own."""
    measures = {}
    for event in INSTRUCTIONS:
        if event in events:
            column = events.index(event)
            measures["self_instructions"] = pa.array(self_cost[:, column])
            measures["total_instructions"] = pa.array(total[:, column])
    if TIME_10_NS in events:
        column = events.index(TIME_10_NS)
        measures["self_ns"] = pa.array(self_cost[:, column] * 10)
        measures["total_ns"] = pa.array(total[:, column] * 10)
    if MEMORY in events:
        allocated = self_cost[:, events.index(MEMORY)]
        measures["allocated_bytes"] = pa.array(allocated, mask=allocated < 0)
    return measures


def _calls(graph: _Graph) -> pa.Table:
    arrays: dict[str, Any] = {"caller_id": graph.caller, "callee_id": graph.callee, "count": graph.count}
    for event in INSTRUCTIONS:
        if event in graph.events:
            arrays["total_instructions"] = pa.array(graph.call_cost[:, graph.events.index(event)])
    return schema.table_from(schema.CALLS, arrays, len(graph.caller))


def _texts(names: Names, unknown: bytes | None) -> _Texts:
    texts = names.take()
    place = np.append(np.arange(len(texts)), NOTHING)
    if unknown in texts:
        place[texts.index(unknown)] = NOTHING
    strings = _strings(texts)
    if strings is None:
        replaced = pa.array([text.decode(errors="replace") for text in texts], pa.string()).dictionary_encode()
        strings = replaced.dictionary
        place = np.where(place < 0, NOTHING, np.append(replaced.indices.to_numpy(), NOTHING))
    return _Texts(strings, place)


def _strings(texts: list[bytes]) -> pa.Array | None:
    """Strings of bytes, without a Python string each; None where one of them is not UTF-8."""
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    strings = pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return strings


def _labels(part: Ints, labels: list[str | None]) -> pa.DictionaryArray:
    encoded = pa.array(labels, pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(NOTHING).to_numpy()[part]
    return _chosen(codes, encoded.dictionary, codes < 0)


def _chosen(indices: Ints, dictionary: pa.Array, null: Mask) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=null), dictionary)


CALLGRIND = Importer(name="callgrind", sniff=sniff, load=load)
