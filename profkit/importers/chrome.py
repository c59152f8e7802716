"""Chrome traces of other tools than torch: complete (X) and begin/end (B, E) events, in a list or in an object."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import calltree, schema, stacks
from profkit.artefact import open_artefact
from profkit.chrome_trace.chunks import TraceReader
from profkit.chrome_trace.events import Codes, exact_ns
from profkit.chrome_trace.repair import decode_loosely
from profkit.chrome_trace.writers import by_others
from profkit.columns import NONE, Ints, from_codes, from_integers, integers
from profkit.errors import InputError
from profkit.flame_graph.chrome import PLACES
from profkit.frames import Frame, frame_of, is_place, located
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

_NUMBER = re.compile(r'"?(-?\d{1,16}(?:\.\d*)?(?:[eE][+-]?\d{1,2})?)"?')
_FARTHEST_US = 4.5e15
"""A sum of two such times still is a 64-bit number of nanoseconds."""
_BEGIN, _END, _COMPLETE = range(3)
_SORTS = {"B": _BEGIN, "E": _END, "X": _COMPLETE}
_PY_SPY = "py-spy"
_HINT = "profkit reads the events of phase X, B and E, which have a name, a time and a thread"
_THREAD = re.compile(r"thread \((?P<thread>[^()]*)\)(?:: (?P<name>.*))?", re.DOTALL)


class _Event(msgspec.Struct, gc=False):
    """What is read of an event; numbers stay as they are written, because a float would round them."""

    ph: str = ""
    cat: str | None = None
    name: str | None = None
    pid: msgspec.Raw = msgspec.Raw()
    tid: msgspec.Raw = msgspec.Raw()
    ts: msgspec.Raw = msgspec.Raw()
    dur: msgspec.Raw = msgspec.Raw()
    tdur: msgspec.Raw = msgspec.Raw()
    args: msgspec.Raw = msgspec.Raw()


class _Place(msgspec.Struct):
    """What is read of the args of metadata, and of py-spy's frames."""

    name: str = ""
    filename: str = ""
    line: int = 0


def sniff(head: bytes) -> bool:
    """Whether a file that begins so is a Chrome trace of another tool than torch."""
    return by_others(head)


def load(path: Path) -> Recording:
    """Read a trace: one record an event, nested by time on each thread.

    Raises:
        InputError: unreadable, not JSON, or without an event that lasts.
    """
    columns = _Columns()
    decoder = msgspec.json.Decoder(list[_Event])
    with open_artefact(path) as file:
        reader = TraceReader(file, decoder.decode, lambda text: decode_loosely(text, _Event), str(path))
        for events in reader:
            columns.add(events)
    rows = _rows(columns)
    if not len(rows.start):
        found = ", ".join(f"{count} of phase {phase or 'none'}" for phase, count in columns.others.most_common(5))
        raise InputError(f"{path} has no events that last" + (f", but {found}" if found else ""), _HINT)
    table, overlaps = _records(rows, columns)
    whole = int(pc.sum(table["self_ns"]).as_py())
    if not whole:
        raise InputError(f"{path} has {table.num_rows} events, but all of them last no time", _HINT)
    notes = [*reader.notes, *columns.notes(), *rows.notes]
    if overlaps:
        notes.append(f"{overlaps} of {table.num_rows} events overlapped another one in part and were cut")
    notes += stacks.notes_on(table, list(columns.frames))
    run = Run(tool=_PY_SPY if columns.by_py_spy else "chrome", artefacts=(path.name,))
    return Recording(
        run, table, tool_totals={"ns": whole}, notes=tuple(notes), broken=reader.broken + columns.broken + rows.broken
    )


def _records(rows: _Rows, columns: _Columns) -> tuple[pa.Table, int]:
    """One record an interval, nested by time; and how many had to be cut because they overlap in part."""
    order = calltree.order_by_time(rows.thread, rows.start, rows.end)
    begin, thread = rows.start[order], rows.thread[order]
    nesting = calltree.nest(thread, begin, rows.end[order])
    total = nesting.end - begin
    table = {
        "parent_id": from_integers(nesting.parent),
        "thread": from_codes(thread, columns.thread_names()),
        "start_ns": integers(begin),
        "count": integers(np.ones(len(order), np.int64)),
        "self_ns": integers(calltree.self_from_total(nesting.parent, total)),
        "total_ns": integers(total),
        **stacks.columns_of(list(columns.frames), rows.frame[order], nesting.parent),
    }
    return schema.table_from(schema.RECORDS, table, len(order)), nesting.overlaps


class _Columns:
    """The events of a trace as columns, in the order of the file.

    Attributes:
        frames: code of each distinct frame.
        others: events of other phases, by phase.
        by_py_spy: events that py-spy wrote.
    """

    def __init__(self) -> None:
        self.frames: dict[Frame, int] = {}
        self.others: Counter[str] = Counter()
        self.by_py_spy = 0
        self._codes: dict[tuple[str, bytes], int] = {}
        self._names, self._threads = Codes(), Codes()
        self._told: dict[tuple[str, bytes, bytes], str] = {}
        self._timeless = self._without_duration = 0
        self.columns = {name: array("q") for name in ("sort", "frame", "name", "thread", "at", "duration")}

    def add(self, events: Sequence[_Event]) -> None:
        """Append the events of a chunk."""
        kept = [event for event in events if self._lasts(event)]
        if not kept:
            return
        columns = self.columns
        columns["at"].extend(exact_ns([bytes(event.ts).decode() for event in kept]).tolist())
        columns["sort"].extend(_SORTS[event.ph] for event in kept)
        columns["frame"].extend(self._code(event) for event in kept)
        columns["name"].extend(self._names[event.name] if event.name else NONE for event in kept)
        columns["thread"].extend(self._threads[bytes(event.pid), bytes(event.tid)] for event in kept)
        columns["duration"].extend(self._duration(event) for event in kept)

    def notes(self) -> list[str]:
        """What was left out, one sentence each."""
        notes = []
        if self.others:
            found = ", ".join(f"{count} of phase {phase or 'none'}" for phase, count in sorted(self.others.items()))
            notes.append(f"events that do not last were left out: {found}")
        if self._timeless:
            notes.append(f"{self._timeless} events without a time were left out")
        if self._without_duration:
            notes.append(f"{self._without_duration} complete events have no duration and count as empty")
        if self.by_py_spy:
            notes.append("py-spy's chrometrace gives idle time to the last stack before it: trust raw or speedscope")
        return notes

    @property
    def broken(self) -> int:
        """Events that lack a time or a duration."""
        return self._timeless + self._without_duration

    def thread_names(self) -> list[str]:
        """A distinct name for each thread, by the trace's own names where it has any."""
        names: dict[str, None] = {}
        for pid, tid in self._threads:
            process = self._told.get(("process_name", pid, b""), _text(pid))
            thread = self._told.get(("thread_name", pid, tid), _text(tid))
            name = f"{process}/{thread}"
            names[f"{name} ({_text(pid)}/{_text(tid)})" if name in names else name] = None
        return list(names)

    def _lasts(self, event: _Event) -> bool:
        """Whether an event is kept; what is not is counted, and names are taken."""
        if event.cat == PLACES:  # tracks of layers and phases, which repeat what the others are in
            return False
        if event.ph in _SORTS:
            if _number(event.ts) is None:
                self._timeless += 1
                return False
            if event.cat == _PY_SPY and is_place(event.name or ""):
                match = _THREAD.fullmatch(event.name or "")
                if match:
                    told = " ".join(part for part in match.groups() if part)
                    self._told["thread_name", bytes(event.pid), bytes(event.tid)] = told
                return False
            return True
        if event.ph != "M":
            self.others[event.ph] += 1
        elif event.name in ("process_name", "thread_name") and (place := _place(event.args)).name:
            tid = bytes(event.tid) if event.name == "thread_name" else b""
            self._told[event.name, bytes(event.pid), tid] = place.name
        return False

    def _code(self, event: _Event) -> int:
        by_py_spy = event.cat == _PY_SPY
        self.by_py_spy += by_py_spy
        key = event.name or "", bytes(event.args) if by_py_spy else b""
        code = self._codes.get(key)
        if code is None:
            place = _place(event.args) if by_py_spy else _Place()
            frame = located(key[0], place.filename, place.line) if place.filename else frame_of(key[0])
            code = self._codes[key] = self.frames.setdefault(frame, len(self.frames))
        return code

    def _duration(self, event: _Event) -> int:
        """Duration [ns] of a complete event, by the thread's clock where the wall's is missing; 0 for others."""
        if event.ph != "X":
            return 0
        for value in (event.dur, event.tdur):
            text = _number(value)
            if text is not None and not text.startswith("-"):
                return round(Decimal(text) * 1000)
        self._without_duration += 1
        return 0


def _number(value: msgspec.Raw) -> str | None:
    """The digits of a time, some writers put them into quotes; None where there are none, or it is too far off."""
    match = _NUMBER.fullmatch(bytes(value).decode("ascii", "replace"))
    return match[1] if match and abs(float(match[1])) < _FARTHEST_US else None


def _place(args: msgspec.Raw) -> _Place:
    try:
        return msgspec.json.decode(args, type=_Place)
    except msgspec.DecodeError:
        return _Place()


def _text(identity: bytes) -> str:
    return identity.decode("utf-8", "replace").strip('"') or "0"


class _Rows:
    """Intervals in the order in which they begin in the file: frame, thread, start and end [ns]."""

    def __init__(self, frame: Ints, thread: Ints, start: Ints, end: Ints, matcher: _Matcher) -> None:
        self.frame, self.thread, self.start, self.end = frame, thread, start, end
        self.notes, self.broken = matcher.notes(), matcher.broken


def _rows(columns: _Columns) -> _Rows:
    """Match begin and end events; complete ones are intervals as they are."""
    sort, frame, name, thread, at, duration = (np.array(column, np.int64) for column in columns.columns.values())
    end = at + duration
    marks = np.flatnonzero(sort != _COMPLETE)
    marks = marks[np.lexsort((marks, at[marks], thread[marks]))]
    matcher = _Matcher(at)
    for code in np.unique(thread[marks]):
        own = marks[thread[marks] == code]
        matcher.match(own.tolist(), (sort[own] == _BEGIN).tolist(), name[own].tolist())
        matcher.finish(int(end[thread == code].max()))
    for row, moment in matcher.ends.items():
        end[row] = moment
    kept = np.flatnonzero(sort != _END)
    return _Rows(frame[kept], thread[kept], at[kept], end[kept], matcher)


class _Matcher:
    """Matches the begin and end events of one thread after another.

    Attributes:
        ends: end [ns] of each begin event.
    """

    def __init__(self, at: Ints) -> None:
        self.ends: dict[int, int] = {}
        self._at = at
        self._open: list[tuple[int, int]] = []
        self._without_begin = self._without_end = 0

    def match(self, rows: list[int], begins: list[bool], names: list[int]) -> None:
        """Go through the events of a thread in order of time.

        An end closes the nearest begin of its name, and what was begun inside of it and never ended. One that comes
        before its begin at the same time, as some writers sort them, makes an empty event.
        """
        early: dict[tuple[int, int], int] = {}
        for row, begin, name in zip(rows, begins, names, strict=True):
            moment = int(self._at[row])
            if begin:
                if early.get((moment, name), 0):
                    early[moment, name] -= 1
                    self._without_begin -= 1
                    self.ends[row] = moment
                else:
                    self._open.append((row, name))
            elif not self._close(moment, name):
                early[moment, name] = early.get((moment, name), 0) + 1
                self._without_begin += 1

    def finish(self, moment: int) -> None:
        """End what is still open when the thread ends."""
        self._without_end += len(self._open)
        for row, _ in self._open:
            self.ends[row] = moment
        self._open.clear()

    @property
    def broken(self) -> int:
        """Events without their other half."""
        return self._without_begin + self._without_end

    def notes(self) -> list[str]:
        """What did not match, one sentence each."""
        notes = []
        if self._without_begin:
            notes.append(f"{self._without_begin} end events had no begin and were left out")
        if self._without_end:
            notes.append(f"{self._without_end} begin events had no end and last as long as what is around them")
        return notes

    def _close(self, moment: int, name: int) -> bool:
        names = [other for _, other in self._open]
        if not names or (name != NONE and name not in names):
            return False
        while True:
            row, other = self._open.pop()
            self.ends[row] = moment
            if name in (NONE, other):
                return True
            self._without_end += 1


CHROME = Importer(name="chrome", sniff=sniff, load=load)
