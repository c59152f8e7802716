"""A Callgrind file, block by block, as sums of costs by function.

A block ends before a `fn=` line, so that only the object, the file and the part are carried from one to the next.
Line numbers and addresses are passed over: costs are summed by part, function and source file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

import numpy as np

from profkit.callgrind_out import lines as kinds
from profkit.callgrind_out.lines import LineError, Lines, call_counts, costs, split
from profkit.callgrind_out.names import NOTHING, Ints, Mask, Names, UnknownIdError
from profkit.errors import InputError

_Item = TypeVar("_Item")
Indices = np.ndarray[Any, np.dtype[np.int32]]

BLOCK_BYTES = 1 << 19
_HEADER = re.compile(r"([A-Za-z][\w ]*):\s*(.*)", re.DOTALL)
_CREATOR = re.compile(rb"^creator:\s*callgrind", re.MULTILINE)
_REQUEST = "Trigger: Client Request:"
_ENDING = ("summary", "totals")
_OBJECT_BITS, _FILE_BITS = 15, 22


@dataclass
class Part:
    """One dump within the file.

    Attributes:
        events: names of the event types of its cost lines.
        label: what a client request named it; None for other triggers.
        thread: thread number as written.
        totals, summary: those lines, one number an event; None where there is none.
    """

    events: tuple[str, ...] = ()
    label: str | None = None
    thread: str | None = None
    totals: tuple[int, ...] | None = None
    summary: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Costs:
    """Sums of one block: self costs by part, function and source file; call costs by call line.

    Attributes:
        events: names of the columns of the costs.
        part, function, file: of each self cost, the function as its packed (name, file, object), shape (rows,).
        self_cost: shape (rows, events).
        call_part, caller, callee, count: of each call line, shape (calls,).
        call_cost: inclusive cost, shape (calls, events).
    """

    events: tuple[str, ...]
    part: Indices
    function: Ints
    file: Indices
    self_cost: Ints
    call_part: Indices
    caller: Ints
    callee: Ints
    count: Ints
    call_cost: Ints


@dataclass(frozen=True)
class _Context:
    """Where the cost lines stand: a row for each line that changes it, after a first row with what was carried."""

    line: Ints
    part: Ints
    object: Ints
    own_file: Ints
    file: Ints
    function: Ints


@dataclass
class Reader:
    """Everything known of the file up to here.

    Attributes:
        source: name of the file, for errors.
        objects, files, functions: the names of the three id spaces.
        header: creator, cmd, pid and version as first given.
        parts: in order of the file.
        strange: number of lines that are no part of the format, and the first of them.
        lost_calls: `calls=` lines at the end of the file without their cost line.
    """

    source: str
    objects: Names = field(default_factory=Names)
    files: Names = field(default_factory=Names)
    functions: Names = field(default_factory=lambda: Names(strict=True))
    header: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=lambda: [Part()])
    strange: tuple[int, str] = (0, "")
    lost_calls: int = 0
    _positions: int = 1
    _events: tuple[str, ...] = ()
    _in_body: bool = False
    _lines: int = 0
    _carried: tuple[int, int, int, int, int] = (NOTHING,) * 5
    _last_cost: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def by_callgrind(self) -> bool:
        """Whether Callgrind itself wrote the file, which then ends each part with its totals."""
        return self.header.get("creator", "").startswith("callgrind")

    def read(self, file: BinaryIO) -> Iterator[Costs]:
        """Read to the end, giving the sums of each block.

        Raises:
            InputError: with the number of the line that is wrong.
        """
        for lines in _ahead(map(split, _blocks(file))):
            yield from self._read_block(self._without_cut_line(lines))

    def _without_cut_line(self, lines: Lines) -> Lines:
        """Drop a last line that Callgrind had not finished; others may end a whole file so."""
        end = len(lines.data) - len(kinds.PAD)
        begin = lines.data.rfind(b"\n", 0, end) + 1
        if begin == end or lines.data.startswith(b"totals:", begin):
            return lines
        return split(lines.data[1:begin]) if self.by_callgrind or _CREATOR.search(lines.data) else lines

    def _read_block(self, lines: Lines) -> Iterator[Costs]:
        try:
            cut = self._layout_change(lines)
            if cut is not None:
                yield from self._read_block(split(lines.data[1:cut]))
                yield from self._read_block(split(lines.data[cut : -len(kinds.PAD)]))
                return
            self._read_headers(lines)
            yield self._sums(lines)
        except UnknownIdError as error:
            message = f"the name {error} is used, but no line before defines it"
            raise self._error(lines, error.line, message, "the beginning of the file is missing") from error
        except LineError as error:
            raise self._error(lines, error.line, error.message, "record it again; it may be damaged") from error
        self._lines += lines.feeds

    def _error(self, lines: Lines, line: int, message: str, hint: str) -> InputError:
        number = self._lines + lines.data.count(b"\n", 0, lines.offset(line))
        return InputError(f"{self.source}, line {number}: {message}", hint)

    def _layout_change(self, lines: Lines) -> int | None:
        """Where in `data` a header line changes the meaning of cost lines, if cost lines stand before it."""
        others = lines.at(kinds.OTHER)
        body = np.cumsum(lines.kind != kinds.OTHER) if len(others) else others
        for line in others.tolist():
            key, value = _header(lines.text(line))
            changes = (key == "events" and tuple(value.split()) != self._events) or (
                key == "positions" and len(value.split()) != self._positions
            )
            if changes and body[line]:
                return lines.offset(line)
        return None

    def _read_headers(self, lines: Lines) -> None:
        """Take in the header lines; the line that begins a part becomes a PART line."""
        body = np.flatnonzero(lines.kind != kinds.OTHER)
        done = 0
        for line in lines.at(kinds.OTHER).tolist():
            text = lines.text(line)
            key, value = _header(text)
            before = int(np.searchsorted(body, line))
            self._in_body |= before > done
            done = before
            if key in _ENDING:
                self._read_ending(key, value, line)
            elif key:
                if self._in_body:
                    self.parts.append(Part(self._events))
                    lines.kind[line] = kinds.PART
                    self._in_body = False
                self._read_header(key, value)
            elif not text.startswith(b"#"):
                count, first = self.strange
                self.strange = (count + 1, first or text[:80].decode(errors="replace"))
        self._in_body |= len(body) > done

    def _read_header(self, key: str, value: str) -> None:
        part = self.parts[-1]
        if key == "events":
            self._events = part.events = tuple(value.split())
            self._last_cost = np.zeros(len(self._events), np.int64)
        elif key == "positions":
            self._positions = len(value.split())
        elif key == "thread":
            part.thread = value
        elif key == "desc" and value.startswith(_REQUEST):
            part.label = value.removeprefix(_REQUEST).strip()
        elif key != "desc":
            self.header.setdefault(key, value)

    def _read_ending(self, key: str, value: str, line: int) -> None:
        try:
            numbers = tuple(int(word, 0) for word in value.split())
        except ValueError as error:
            raise LineError(f"'{value}' are no {key}", line) from error
        numbers += (0,) * (len(self._events) - len(numbers))
        if key == "totals":
            self.parts[-1].totals = numbers
            self._in_body = True  # a part without any cost ends here too
        else:
            self.parts[-1].summary = numbers

    def _sums(self, lines: Lines) -> Costs:
        first_part = len(self.parts) - 1 - int(np.count_nonzero(lines.kind == kinds.PART))
        name = self._names(lines)
        context = self._context(lines, name, first_part)
        cost_lines, calls, jumps = lines.at(kinds.COST), lines.at(kinds.CALLS), lines.at(kinds.JUMP)
        if len(cost_lines) and not self._events:
            raise LineError("a cost line, but no 'events:' line before it", int(cost_lines[0]))
        jump_costs = np.searchsorted(cost_lines, jumps)
        cost_lines = np.delete(cost_lines, jump_costs[jump_costs < len(cost_lines)])
        signed = self.header.get("creator", "").startswith("xdebug")
        values = costs(lines, cost_lines, self._positions, len(self._events), signed, self._last_cost)
        if len(values):
            self._last_cost = values[-1]
        claimed = np.searchsorted(cost_lines, calls)
        finished = claimed < len(cost_lines)
        if (np.diff(claimed[finished]) == 0).any():
            raise LineError("a 'calls=' line without its cost line", int(calls[np.argmin(np.diff(claimed))]))
        self.lost_calls = int(np.count_nonzero(~finished))
        calls, claimed = calls[finished], claimed[finished]
        own = np.ones(len(cost_lines), np.bool_)
        own[claimed] = False
        rows, self_cost = _by_context(context, cost_lines[own], values[own])
        where, callee = self._callees(lines, name, context, calls)
        functions = self._packed(context.object, context.own_file, context.function)
        return Costs(
            self._events,
            context.part[rows].astype(np.int32), functions[rows], context.file[rows].astype(np.int32), self_cost,
            context.part[where].astype(np.int32), functions[where], callee, call_counts(lines, calls), values[claimed],
        )  # fmt: skip

    def _names(self, lines: Lines) -> Ints:
        """Index of the name on each line that gives one."""
        name = np.full(len(lines.kind), NOTHING, np.int64)
        for space, tags in (
            (self.objects, (kinds.OB, kinds.COB)),
            (self.files, (kinds.FL, kinds.FI, kinds.FE, kinds.CFI, kinds.JUMP_FILE)),
            (self.functions, (kinds.FN, kinds.CFN, kinds.JUMP_NAME)),
        ):
            at = lines.at(*tags)
            kind = lines.kind[at]
            width = np.where((kind >= kinds.COB) & (kind <= kinds.JUMP_NAME), 4, 3)
            name[at] = space.resolve(lines, at, lines.starts[lines.first[at]] + width)
        return name

    def _context(self, lines: Lines, name: Ints, first_part: int) -> _Context:
        at = lines.at(kinds.OB, kinds.FL, kinds.FI, kinds.FE, kinds.FN, kinds.PART)
        kind = np.concatenate(([kinds.PART], lines.kind[at]))
        given = np.concatenate(([NOTHING], name[at]))
        carried_object, carried_default, carried_own, carried_file, carried_function = self._carried
        objects = _filled(given, kind == kinds.OB, carried_object)
        default = _filled(given, kind == kinds.FL, carried_default)
        # A function starts in its own file even where the one before ended in inlined code of another.
        file = _filled(
            np.where(kind == kinds.FN, default, given), (kind >= kinds.FL) & (kind <= kinds.FN), carried_file
        )
        own_file = _filled(default, kind == kinds.FN, carried_own)
        function = _filled(given, kind == kinds.FN, carried_function)
        part = first_part + np.cumsum(kind == kinds.PART) - 1
        self._carried = (int(objects[-1]), int(default[-1]), int(own_file[-1]), int(file[-1]), int(function[-1]))
        return _Context(np.concatenate(([-1], at)), part, objects, own_file, file, function)

    def _callees(self, lines: Lines, name: Ints, context: _Context, calls: Ints) -> tuple[Ints, Ints]:
        """Context and called function of each call; `cob` and `cfi` hold for the next call only."""
        where = np.searchsorted(context.line, calls) - 1
        since = np.concatenate(([-1], calls[:-1]))[: len(calls)]
        function, named = _latest(lines.at(kinds.CFN), name, calls, since)
        if not named.all():
            raise LineError("a 'calls=' line without a 'cfn=' line before it", int(calls[np.argmin(named)]))
        objects, _ = _latest(lines.at(kinds.COB), name, calls, since)
        files, _ = _latest(lines.at(kinds.CFI), name, calls, since)
        objects = np.where(objects == NOTHING, context.object[where], objects)
        files = np.where(files == NOTHING, context.file[where], files)
        return where, self._packed(objects, files, function)

    def _packed(self, objects: Ints, files: Ints, functions: Ints) -> Ints:
        """Each function as one number, which sorts by its name first."""
        if len(self.objects) >> _OBJECT_BITS or len(self.files) >> _FILE_BITS:
            raise InputError(f"{self.source} names more objects or files than a program can have", "is it damaged?")
        return ((((functions + 1) << _FILE_BITS) | (files + 1)) << _OBJECT_BITS) | (objects + 1)


def unpacked(functions: Ints) -> tuple[Ints, Ints, Ints]:
    """Indices of the object, file and name of each packed function, each of shape (functions,)."""
    return (
        (functions & ((1 << _OBJECT_BITS) - 1)) - 1,
        ((functions >> _OBJECT_BITS) & ((1 << _FILE_BITS) - 1)) - 1,
        (functions >> (_OBJECT_BITS + _FILE_BITS)) - 1,
    )


def distinct(keys: Ints) -> Ints:
    """Distinct keys in order; by sorting, which is several times as fast as `np.unique` on these."""
    keys = np.sort(keys)
    return keys[np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))] if len(keys) else keys


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of whole functions; only the last may end within a line."""
    pieces: list[bytes] = []
    while piece := file.read(BLOCK_BYTES):
        cut = piece.rfind(b"\nfn=") + 1
        if cut:
            yield b"".join((*pieces, piece[:cut]))
            pieces = [piece[cut:]]
        else:
            pieces.append(piece)
    if rest := b"".join(pieces):
        yield rest


def _ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items, each made in another thread while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def _header(text: bytes) -> tuple[str, str]:
    match = _HEADER.fullmatch(text.decode(errors="replace"))
    return (match[1], match[2].strip()) if match else ("", "")


def _filled(values: Ints, given: Mask, carried: int) -> Ints:
    """Each row's value, or the last one given before it, or what was carried from the block before."""
    place = np.maximum.accumulate(np.where(given, np.arange(len(values)), -1))
    return np.where(place < 0, carried, values[place])


def _latest(setters: Ints, name: Ints, at: Ints, since: Ints) -> tuple[Ints, Mask]:
    """The name on the last setter line before each line and behind `since`, and whether there is one."""
    if not len(setters):
        return np.full(len(at), NOTHING, np.int64), np.zeros(len(at), np.bool_)
    line = setters[np.maximum(np.searchsorted(setters, at) - 1, 0)]
    found = (line < at) & (line > since)
    return np.where(found, name[line], NOTHING), found


def _by_context(context: _Context, at: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Sum the cost lines between two changes of context: rows of `context`, and their sums."""
    begin = np.searchsorted(at, context.line)
    rows = np.flatnonzero(np.diff(begin, append=len(at)))
    if not len(rows):
        return rows, np.zeros((0, values.shape[1]), np.int64)
    return rows, np.add.reduceat(values, begin[rows], axis=0)
