"""A block of Callgrind text as arrays: what each line is, and the numbers on it, with no Python step per line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from profkit.callgrind_out.names import Bytes, Ints, Mask

COST, OB, FL, FI, FE, FN, COB, CFI, CFN, JUMP_FILE, JUMP_NAME, CALLS, JUMP, PART, OTHER = range(15)
_TAGS = {
    b"ob=": OB,
    b"fl=": FL,
    b"fi=": FI,
    b"fe=": FE,
    b"fn=": FN,
    b"cob=": COB,
    b"cfi=": CFI,
    b"cfl=": CFI,
    b"cfn=": CFN,
    b"jfi=": JUMP_FILE,
    b"jfl=": JUMP_FILE,
    b"jfn=": JUMP_NAME,
    b"call": CALLS,
    b"jump": JUMP,
    b"jcnd": JUMP,
}
_INDENTED = re.compile(rb"\n[ \t]+(?=[^ \t\r\n])")
PAD = b"\n" * 8
_CALLS_WORD = len("calls=")
_SAFE_DIGITS = 18
_COST_START = np.zeros(256, np.bool_)
_COST_START[list(b"0123456789+-*")] = True


class LineError(Exception):
    """What is wrong on the line that lies at `line` in the block."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Lines:
    """The lines of a block that are not empty, and their words.

    Attributes:
        data: the block between line feeds.
        feeds: number of line feeds of the block.
        buffer: the same as an array.
        starts, ends: of each word, byte offsets, shape (words,).
        first: first word of each line, shape (lines,).
        words: number of words of each line, shape (lines,).
        kind: COST, OB, ... of each line, shape (lines,).
    """

    data: bytes
    feeds: int
    buffer: Bytes
    starts: Ints
    ends: Ints
    first: Ints
    words: Ints
    kind: Bytes

    def at(self, *kinds: int) -> Ints:
        """Places of the lines of these kinds, ascending."""
        chosen = self.kind == kinds[0]
        for kind in kinds[1:]:
            chosen |= self.kind == kind
        return np.flatnonzero(chosen)

    def offset(self, line: int) -> int:
        """Byte offset of a line in `data`."""
        return int(self.starts[self.first[line]])

    def text(self, line: int) -> bytes:
        """The line without its end."""
        start = self.offset(line)
        return self.data[start : self.data.index(b"\n", start)].rstrip()


def split(block: bytes) -> Lines:
    """Split a block into lines and words; spaces at the beginning of a line are dropped."""
    data = b"\n" + block + PAD
    buffer = np.frombuffer(data, np.uint8)
    inside = buffer > ord(" ")
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    begins_line = buffer[starts - 1] == ord("\n")
    if (~begins_line & (np.diff(ends, prepend=0) - (ends - starts) > 1)).any() and _INDENTED.search(data):
        return split(_INDENTED.sub(b"\n", data[: -len(PAD)])[1:])
    first = np.flatnonzero(begins_line)
    words = np.diff(first, append=len(starts))
    return Lines(data, block.count(b"\n"), buffer, starts, ends, first, words, _kinds(buffer, starts[first]))


def _kinds(buffer: Bytes, begins: Ints) -> Bytes:
    kind = np.full(len(begins), OTHER, np.uint8)
    numeric = _COST_START[buffer[begins]]
    kind[numeric] = COST
    texts = np.flatnonzero(~numeric)
    begins = begins[texts]
    word = np.zeros(len(begins), np.uint32)
    for place in range(4):
        word = (word << np.uint32(8)) | buffer[begins + place]
    found = np.full(len(begins), OTHER, np.uint8)
    for tag, value in _TAGS.items():
        found[word >> np.uint32(8 * (4 - len(tag))) == int.from_bytes(tag)] = value
    kind[texts] = found
    return kind


def call_counts(lines: Lines, calls: Ints) -> Ints:
    """N of each `calls=N target` line, shape (calls,).

    Raises:
        LineError: no number there.
    """
    word = lines.first[calls]
    apart = lines.ends[word] - lines.starts[word] == _CALLS_WORD
    word = word + (apart & (lines.words[calls] > 1))
    values, odd = _digits(lines.buffer, lines.starts[word] + np.where(apart, 0, _CALLS_WORD), lines.ends[word])
    for place in np.flatnonzero(odd).tolist():
        start = int(lines.starts[word[place]]) + (0 if apart[place] else _CALLS_WORD)
        values[place] = _integer(lines, start, int(lines.ends[word[place]]), int(calls[place]))
    return values


def costs(lines: Lines, at: Ints, positions: int, events: int, signed: bool, last: Ints) -> Ints:
    """The costs on cost lines; what a line leaves out is zero.

    A cost may be relative to that of the cost line before it (`+n`, `-n`, `*`): no writer in use does so, but readers
    accept it.

    Args:
        lines: the block.
        at: places of its cost lines in order, shape (rows,).
        positions: leading words that are positions.
        events: costs that a line has at most.
        signed: `-n` is a negative cost, not a relative one.
        last: costs on the line before, shape (events,).

    Returns:
        Shape (rows, events).

    Raises:
        LineError: too many costs, or one that is no number.
    """
    given = lines.words[at] - positions
    if (given > events).any():
        line = int(at[np.argmax(given > events)])
        raise LineError(f"{given.max()} costs on a line, but {events} events", line)
    values = np.zeros((len(at), events), np.int64)
    for event in range(events):
        rows = np.flatnonzero(given > event)
        absolute = np.ones(len(at), np.bool_)
        values[rows, event], absolute[rows] = _costs_of_words(lines, at[rows], positions + event, signed)
        if not absolute.all():
            values[:, event] = _accumulated(values[:, event], absolute, int(last[event]))
    return values


def _costs_of_words(lines: Lines, at: Ints, place: int, signed: bool) -> tuple[Ints, Mask]:
    word = lines.first[at] + place
    starts, ends = lines.starts[word], lines.ends[word]
    lead = lines.buffer[starts]
    if not (lead < ord("0")).any():
        sign, relative = None, np.zeros(len(at), np.bool_)
    else:
        sign = np.where(lead == ord("-"), -1, 1)
        prefixed = (lead == ord("+")) | (lead == ord("-")) | (lead == ord("*"))
        relative = prefixed & ~(signed & (lead == ord("-")))
        starts = starts + prefixed
    values, odd = _digits(lines.buffer, starts, ends)
    odd |= (starts == ends) & (lead != ord("*"))
    for place in np.flatnonzero(odd).tolist():
        values[place] = _integer(lines, int(starts[place]), int(ends[place]), int(at[place]))
    return (values if sign is None else values * sign), ~relative


def _digits(buffer: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Mask]:
    """Decimal numbers, and which of them are none or too long to be read so."""
    length = ends - starts
    odd = length > _SAFE_DIGITS
    values = np.zeros(len(starts), np.int64)
    for place in range(min(int(length.max(initial=0)), _SAFE_DIGITS)):
        rows = slice(None) if place == 0 else np.flatnonzero(length > place)
        digit = buffer[starts[rows] + place] - np.uint8(ord("0"))
        odd[rows] |= digit > 9
        values[rows] = values[rows] * 10 + digit
    if len(length) and length.min() == 0:
        values[length == 0] = 0
        odd[length == 0] = False
    return values, odd


def _integer(lines: Lines, start: int, end: int, line: int) -> int:
    text = lines.data[start:end].decode(errors="replace")
    try:
        value = int(text, 16) if text[:2].lower() == "0x" else int(text, 10)
    except ValueError as error:
        raise LineError(f"'{text}' is no number", line) from error
    if not 0 <= value < 1 << 63:
        raise LineError(f"'{text}' is no count of 63 bits", line)
    return value


def _accumulated(values: Ints, absolute: Mask, last: int) -> Ints:
    """Resolve differences: each value from the last absolute one on."""
    values, absolute = np.insert(values, 0, last), np.insert(absolute, 0, True)
    sums = np.cumsum(values)
    base = np.maximum.accumulate(np.where(absolute, np.arange(len(values)), 0))
    return (sums - sums[base] + values[base])[1:]
