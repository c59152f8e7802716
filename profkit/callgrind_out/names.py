"""Name compression of the Callgrind format: `(id) name` once, then `(id)`, in three id spaces that outlive a part."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from profkit.callgrind_out.lines import Lines

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
    _indices: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(count().__next__))
    _by_id: np.ndarray[Any, np.dtype[np.int32]] = field(default_factory=lambda: np.empty(0, np.int32))

    def take(self) -> list[bytes]:
        """Every distinct name, in order of appearance; they are gone from here, as they may be most of the memory."""
        texts = list(self._indices)
        self._indices.clear()
        return texts

    def __len__(self) -> int:
        return len(self._indices)

    def resolve(self, lines: Lines, at: Ints, starts: Ints) -> Ints:
        """Index of the name on each line; `NOTHING` for an empty name.

        Args:
            lines: the block.
            at: places of the lines, ascending, shape (names,).
            starts: where the specification begins, behind the `=`, shape (names,).

        Raises:
            UnknownIdError: an id that no line before defines, in a strict space, or one that no writer counts up to.
        """
        word, words = lines.first[at], lines.words[at]
        ids, numbered = _references(lines.buffer, starts, lines.ends[word])
        plain = numbered & (words == 1)
        others = np.flatnonzero(~plain)
        with_id = numbered[others]
        begins = np.where(with_id, lines.ends[word[others]], starts[others])
        ends = lines.ends[(word + words - 1)[others]]
        texts = [lines.data[begin:end].strip() for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        for place in np.flatnonzero(~with_id).tolist():
            if texts[place].startswith(b"("):
                with_id[place], ids[others[place]], texts[place] = _specification(texts[place])
        has_text = np.array([bool(text) for text in texts], np.bool_)
        names = np.full(len(at), NOTHING, np.int64)
        names[others[has_text]] = [self._indices[text] for text in texts if text]
        if (ids[others] >= _MAX_ID).any():
            first = others[np.argmax(ids[others] >= _MAX_ID)]
            raise UnknownIdError(int(at[first]), f"({ids[first]})")
        plain[others] = with_id & ~has_text
        self._look_up(ids, plain, at, names, others[with_id & has_text])
        return names

    def _look_up(self, ids: Ints, plain: Mask, lines: Ints, names: Ints, defined: Ints) -> None:
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
        if len(defined):
            at = defined
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
            found[unknown] = self._indices[UNKNOWN]
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
