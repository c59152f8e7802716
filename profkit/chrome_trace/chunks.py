"""Read the events of Chrome-trace JSON of any size, a chunk at a time.

The text is cut between two events, and each chunk is decoded as a list of typed structs. A cut is never trusted: a
chunk that begins at an event and decodes as a list holds whole events only, so a wrong cut shows as text that does
not decode, and then the chunk is cut by its structure, and at last event by event. What is malformed is repaired where
it lies; every repair and every event that is lost is counted and told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from profkit.chrome_trace.repair import Malformed, repairs
from profkit.errors import InputError

E = TypeVar("E", bound=msgspec.Struct)

BLOCK_BYTES = 1 << 18
"""Small enough that a block, its copies and its events stay in the processor's cache."""
_PIECE_BYTES = 1 << 16
"""Read at once: no more than this is lost at the end of a gzip file that is cut off."""
_LONG_HEAD = 4 << 20
_LARGEST_HEAD = 64 << 20
_LONG_EVENT = 8 << 20
_LARGEST_EVENT = 256 << 20
_BETWEEN_TORCH = b"\n  },\n  {"
_TORCH_EVENTS = re.compile(rb"(?<=\n  \}),(?=\n  \{)")
_END_TORCH = b"\n  ]"
_BETWEEN = re.compile(rb"\}\s*,\s*(?=\{)")
_BETWEEN_BROKEN = re.compile(rb'\}\s*,?\s*(?=\{\s*"(?:ph|name|cat|pid|tid|ts|dur|args|id|s|bp)")')
_EVENTS_KEY = re.compile(rb'"traceEvents"\s*:\s*\[')
_SPACE = b" \t\r\n"
_NOT_A_TRACE_HINT = "a trace is what torch.profiler's export_chrome_trace, or save() in C++, wrote"


class TraceReader(Generic[E]):
    """Iterates over the events of one trace in lists; `metadata` and `notes` are complete afterwards.

    Args:
        file: the decompressed text.
        decode: decodes the text of a JSON list of events; raises `msgspec.DecodeError` or `UnicodeDecodeError`.
        decode_loosely: the same for events whose fields have unexpected types, which it leaves out.
        source: where the text comes from, for errors.
    """

    def __init__(
        self,
        file: BinaryIO,
        decode: Callable[[bytes], Sequence[E]],
        decode_loosely: Callable[[bytes], Sequence[E]],
        source: str,
    ) -> None:
        self.metadata: dict[str, Any] = {}
        self.bare = False
        self._file, self._decode, self._decode_loosely, self._source = file, decode, decode_loosely, source
        self._eof = self._truncated = False
        self._repaired: Counter[str] = Counter()
        self._notes: list[str] = []
        self._lost = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was repaired or lost so far, one sentence each."""
        notes = [f"{count} malformed events repaired: {what}" for what, count in self._repaired.items()]
        if self._lost:
            notes.append(f"{self._lost} events could not be read and were left out")
        if self._truncated:
            notes.append("the file ends before its list of events does; the complete events were kept")
        return (*self._notes, *notes)

    @property
    def broken(self) -> int:
        """How many events, or other parts of the file, were repaired, lost or cut off so far."""
        return self._repaired.total() + self._lost + self._truncated + len(self._notes)

    def __iter__(self) -> Iterator[Sequence[E]]:
        """Yield the events in the order of the file.

        Raises:
            InputError: the text is no trace.
        """
        buffer = self._open()
        while True:
            events, rest, ended = self._next(buffer)
            if events:
                yield events
            if ended:
                self._close(rest)
                return
            if self._eof and (not events or not rest):
                self._truncated = True
                return
            if not events and len(rest) > _LARGEST_EVENT:
                raise InputError(f"{self._source} has no event in {len(rest)} bytes", _NOT_A_TRACE_HINT)
            # A buffer without a whole event is doubled, so that even one huge event is looked through few times.
            buffer = rest if self._eof else rest + self._read(0 if events else len(rest))

    def _read(self, least: int = 0) -> bytes:
        """The next block of text, or `least` bytes of it; a gzip file that is cut off ends there."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < max(BLOCK_BYTES, least):
                piece = self._file.read(_PIECE_BYTES)
                if not piece:
                    self._eof = True
                    break
                pieces.append(piece)
                size += len(piece)
        except EOFError:
            self._eof = True
            self._notes.append("the compressed file is cut off")
        return b"".join(pieces)

    def _open(self) -> bytes:
        """Read up to the list of events; what stands before it is metadata."""
        buffer = self._read().removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
        if buffer.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in buffer[:64]:
            raise InputError(f"{self._source} is not UTF-8 text", "convert it, for example with iconv -t utf-8")
        if buffer.startswith(b"["):
            self.bare = True
            return buffer[1:].lstrip(_SPACE)
        if not buffer.startswith(b"{"):
            raise InputError(f"{self._source} is not JSON: it begins with {buffer[:20]!r}", _NOT_A_TRACE_HINT)
        while True:
            found = list(_EVENTS_KEY.finditer(buffer))
            for match in found:
                try:
                    self.metadata = msgspec.json.decode(buffer[: match.start()] + b'"":0}')
                except Malformed:
                    continue
                self.metadata.pop("", None)
                return buffer[match.end() :].lstrip(_SPACE)
            if found and self._eof:
                return self._after_broken_head(buffer, found[0])
            if self._eof or len(buffer) > _LARGEST_HEAD:
                raise InputError(f"{self._source} has no list 'traceEvents'", _NOT_A_TRACE_HINT)
            if found and len(buffer) > _LONG_HEAD:
                return self._after_broken_head(buffer, found[0])
            buffer += self._read(len(buffer))

    def _after_broken_head(self, buffer: bytes, match: re.Match[bytes]) -> bytes:
        for what, text in repairs(buffer[: match.start()] + b'"":0}'):
            try:
                self.metadata = msgspec.json.decode(text)
            except Malformed:
                continue
            self.metadata.pop("", None)
            self._notes.append(f"the head of the file was repaired: {what}")
            break
        else:
            self._notes.append("the head of the file could not be read")
        return buffer[match.end() :].lstrip(_SPACE)

    def _close(self, tail: bytes) -> None:
        """Read what stands after the events: more metadata."""
        while not self._eof and len(tail) < _LARGEST_HEAD:
            tail += self._read()
        if self.bare:
            return
        try:
            rest = msgspec.json.decode(b"{" + tail.lstrip(_SPACE + b","))
        except Malformed:
            if tail.strip(_SPACE + b",}"):
                self._notes.append("what stands after the events could not be read")
            return
        self.metadata |= rest

    def _next(self, buffer: bytes) -> tuple[Sequence[E], bytes, bool]:
        """Decode as much of the buffer as can be.

        Returns:
            Events, the text after them, and whether the list of events has ended.
        """
        cut, ends = _likely_cut(buffer, self._eof)
        if cut >= 0:
            try:
                return self._decode(b"[" + buffer[:cut] + b"]"), _after(buffer, cut, ends), ends
            except Malformed:
                pass
        cuts, end = _structural_cuts(buffer)
        cut, ends = (int(cuts[-1]) if len(cuts) else 0), end >= 0
        if cut or ends:
            try:
                events = self._decode(b"[" + buffer[:cut] + b"]")
            except Malformed:
                pass
            else:
                return events, buffer[end + 1 :] if ends else _after(buffer, cut, False), ends
        elif not self._eof and len(buffer) < _LONG_EVENT:
            return [], buffer, False
        if _BETWEEN_TORCH in buffer:
            return self._piece_by_piece(_TORCH_EVENTS.split(buffer))
        if cut:
            events = self._decode_pieces(_pieces(buffer, [0, *cuts.tolist()]))
            return events, buffer[end + 1 :] if ends else _after(buffer, cut, False), ends
        return self._piece_by_piece(_resynchronised(buffer))

    def _piece_by_piece(self, pieces: list[bytes]) -> tuple[Sequence[E], bytes, bool]:
        """Decode the texts of events, some malformed; the last may be incomplete, or end the list."""
        events, last = self._decode_pieces(pieces[:-1]), pieces[-1]
        for match in re.finditer(rb"\}\s*,?\s*\]", last):
            found = self._decode_piece(last[: match.start() + 1])
            if found is not None:
                return [*events, *found], last[match.end() :], True
        if not self._eof:
            return events, last, False
        return [*events, *(self._decode_piece(last) or [])], b"", False

    def _decode_pieces(self, pieces: list[bytes]) -> Sequence[E]:
        """Decode the texts of many events, few of which are malformed: halve until the malformed ones are alone."""
        if not pieces:
            return []
        try:
            return self._decode(b"[" + b",".join(pieces) + b"]")
        except Malformed:
            if len(pieces) > 1:
                half = len(pieces) // 2
                return [*self._decode_pieces(pieces[:half]), *self._decode_pieces(pieces[half:])]
        found = self._decode_piece(pieces[0])
        if found is not None:
            return found
        parts = _resynchronised(pieces[0])
        if len(parts) > 1:
            return self._decode_pieces(parts)
        self._lost += 1
        return []

    def _decode_piece(self, piece: bytes) -> Sequence[E] | None:
        """Decode the text of one event, repaired if need be; None where it cannot be."""
        for what, text in repairs(piece):
            try:
                events = self._decode(b"[" + text + b"]")
            except msgspec.ValidationError:
                try:
                    events = self._decode_loosely(b"[" + text + b"]")
                except Malformed:
                    continue
                what = ", ".join(part for part in (what, "values of an unexpected type left out") if part)
            except Malformed:
                continue
            if what:
                self._repaired[what] += 1
            return events
        return None


def _likely_cut(buffer: bytes, final: bool) -> tuple[int, bool]:
    """Where the last whole event probably ends, or -1, and whether the list ends there; by the usual layouts."""
    if final:
        end = buffer.rfind(_END_TORCH)
        if end < 0 and buffer.rstrip(_SPACE).endswith((b"}]", b"}\n]", b"} ]")):
            end = buffer.rindex(b"]")
        if end >= 0:
            return end, True
    cut = buffer.rfind(_BETWEEN_TORCH)
    if cut >= 0:
        return cut + 4, False
    near_the_end = max(0, len(buffer) - (1 << 16))
    cut = max((match.start() + 1 for match in _BETWEEN.finditer(buffer, near_the_end)), default=-1)
    return cut, False


def _after(buffer: bytes, cut: int, ends: bool) -> bytes:
    """The text after a cut: after the bracket that ends the list, or from the next event."""
    return buffer[buffer.index(b"]", cut) + 1 :] if ends else buffer[cut:].lstrip(_SPACE + b",")


def _pieces(buffer: bytes, cuts: list[int]) -> list[bytes]:
    """The text between cuts, without the commas."""
    return [buffer[first:last].strip(_SPACE + b",") for first, last in pairwise(cuts)]


def _resynchronised(buffer: bytes) -> list[bytes]:
    """Text cut wherever an event seems to begin: the last resort where quotes or brackets do not match."""
    return _pieces(buffer, [0, *(match.start() + 1 for match in _BETWEEN_BROKEN.finditer(buffer)), len(buffer)])


def _structural_cuts(buffer: bytes) -> tuple[npt.NDArray[np.int64], int]:
    """Where whole events end, and where the list ends (-1 if it does not), by quotes and brackets.

    Right for every well-formed text that begins between two events of the list.
    """
    text = np.frombuffer(buffer, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    slashes = np.flatnonzero(text == ord("\\"))
    if len(slashes):
        first = np.concatenate(([True], np.diff(slashes) > 1))
        starts = slashes[first]
        lengths = np.diff(np.append(np.flatnonzero(first), len(slashes)))
        run = np.searchsorted(starts, quotes) - 1
        escaped = (run >= 0) & (starts[run] + lengths[run] == quotes) & (lengths[run] % 2 == 1)
        quotes = quotes[~escaped]
    lowered = text | 0x20
    brackets = np.flatnonzero((lowered == ord("{")) | (lowered == ord("}")))
    brackets = brackets[np.searchsorted(quotes, brackets) % 2 == 0]
    opens = np.isin(text[brackets], np.frombuffer(b"{[", np.uint8))
    depth = np.cumsum(np.where(opens, 1, -1))
    below = np.flatnonzero(depth < 0)
    inside = below[0] if len(below) else len(depth)
    ends = np.flatnonzero(depth[:inside] == 0)
    ends = ends[~opens[ends]]
    return brackets[ends] + 1, int(brackets[inside]) if len(below) else -1
