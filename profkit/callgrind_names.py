"""Name compression of the Callgrind format: `(id) name` once, then `(id)`, in three id spaces that outlive a part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_LINE_BITS = 30
_MAX_ID = 1 << 24
_MAX_DIGITS = 8
UNKNOWN = b"???"
"""What Callgrind writes where it knows no file or function."""
NOTHING = -1
"""Index of the name that was never given (no `ob=` line) or given empty (`cfl=`)."""


class UnknownIdError(Exception):
    """A reference to an id that no line before it defines; `line` is its place in the block."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass
class Names:
    """One id space, filled while the file is read.

    Attributes:
        strict: an id that no line defines is an error; else it stands for `UNKNOWN`, as readers of old files do it.
        undefined: references that found no definition.
    """

    strict: bool = False
    undefined: int = 0
    _indices: dict[bytes, int] = field(default_factory=dict)
    _by_id: np.ndarray[Any, np.dtype[np.int32]] = field(default_factory=lambda: np.empty(0, np.int32))

    @property
    def texts(self) -> list[bytes]:
        """Every distinct name, in order of appearance."""
        return list(self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def resolve(self, data: bytes, buffer: Bytes, starts: Ints, ends: Ints, lines: Ints) -> Ints:
        """Index into `texts` of the name on each line; `NOTHING` for an empty name.

        Args:
            data: the block.
            buffer: the same as bytes of an array.
            starts: where the specification begins, behind the `=`, shape (names,).
            ends: end of the first word on the line, shape (names,).
            lines: place of each line in the block, ascending, shape (names,).

        Raises:
            UnknownIdError: an id that no line before defines, in a strict space, or one that no writer counts up to.
        """
        ids, numbered = _references(buffer, starts, ends)
        plain = numbered & (buffer[ends] == ord("\n"))
        names = np.full(len(starts), NOTHING, np.int64)
        defined: list[int] = []
        others = np.flatnonzero(~plain)
        rest = np.where(numbered, ends, starts)[others]
        for at, start, with_id in zip(others.tolist(), rest.tolist(), numbered[others].tolist(), strict=True):
            text = data[start : data.index(b"\n", start)].strip()
            if not with_id and text[:1] == b"(":
                with_id, ids[at], text = _specification(text)
            if text:
                names[at] = self._index(text)
            if with_id and ids[at] >= _MAX_ID:
                raise UnknownIdError(int(lines[at]), f"({ids[at]})")
            if with_id and text:
                defined.append(at)
            plain[at] = with_id and not text
        self._look_up(ids, plain, lines, names, defined)
        return names

    def _index(self, text: bytes) -> int:
        return self._indices.setdefault(text, len(self._indices))

    def _look_up(self, ids: Ints, plain: Mask, lines: Ints, names: Ints, defined: list[int]) -> None:
        """Fill `names` of the references: the last definition before the line, here or in an earlier block.

        A file of several concatenated dumps may define an id anew, hence the order counts and not only the id.
        """
        wanted = np.flatnonzero(plain)
        size = int(ids.max(initial=0)) + 1
        if size > len(self._by_id):
            grown = np.full(max(size, 2 * len(self._by_id)), NOTHING, np.int32)
            grown[: len(self._by_id)] = self._by_id
            self._by_id = grown
        found = self._by_id[ids[wanted]].astype(np.int64)
        if defined:
            at = np.array(defined)
            keys = np.sort((ids[at] << _LINE_BITS) + at)
            place = np.maximum(np.searchsorted(keys, (ids[wanted] << _LINE_BITS) + wanted) - 1, 0)
            here = (keys[place] >> _LINE_BITS == ids[wanted]) & (keys[place] & ((1 << _LINE_BITS) - 1) < wanted)
            found[here] = names[keys[place[here]] & ((1 << _LINE_BITS) - 1)]
            self._by_id[ids[at]] = names[at]
        unknown = found == NOTHING
        if unknown.any():
            if self.strict:
                first = wanted[np.argmax(unknown)]
                raise UnknownIdError(int(lines[first]), f"({ids[first]})")
            self.undefined += int(np.count_nonzero(unknown))
            found[unknown] = self._index(UNKNOWN)
        names[wanted] = found


def _specification(text: bytes) -> tuple[bool, int, bytes]:
    """Take `(id) name` or `(id)` apart where it is spaced in an unusual way; a name may itself begin with `(`."""
    number, closed, name = text[1:].partition(b")")
    if closed and number.isdigit():
        return True, min(int(number), _MAX_ID), name.lstrip()
    return False, 0, text


def _references(buffer: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Mask]:
    """Read the `(id)` at the beginning: the ids, and whether the first word is one."""
    ids = np.zeros(len(starts), np.int64)
    digits = ends - starts - 2
    numbered = (buffer[starts] == ord("(")) & (buffer[ends - 1] == ord(")")) & (digits > 0) & (digits <= _MAX_DIGITS)
    for place in range(int(digits[numbered].max(initial=0))):
        inside = np.flatnonzero(numbered & (digits > place))
        digit = buffer[starts[inside] + 1 + place] - np.uint8(ord("0"))
        ids[inside] = ids[inside] * 10 + digit
        numbered[inside[digit > 9]] = False
    numbered &= ids < _MAX_ID
    ids[~numbered] = 0
    return ids, numbered
