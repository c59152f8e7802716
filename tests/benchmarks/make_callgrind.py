"""Make a large Callgrind file of a real one, as a longer or a larger program would have written it.

    python make_callgrind.py callgrind.out.1234 large.out 250 [--distinct]

writes at least 250 MB: the parts of the recording again and again, with their costs and labels. Names are defined once
and then referred to by `(id)`, as Callgrind does it; with `--distinct` every repetition has functions of its own, as if
the program had that many more.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_FIRST_PART = re.compile(rb"^part: ", re.MULTILINE)
_DEFINITION = re.compile(rb"^((?:c|j)?(?:ob|fl|fi|fe|fn)=\(\d+\)) .*$", re.MULTILINE)
_OTHER_DEFINITION = re.compile(rb"^((?:c|j)?(?:ob|fl|fi|fe)=\(\d+\)) .*$", re.MULTILINE)
_FUNCTION = re.compile(rb"^((?:c|j)?fn)=\((\d+)\)(.*)$", re.MULTILINE)


def repeat_parts(recording: bytes, size: int, *, distinct: bool = False) -> bytes:
    """The parts of a recording, repeated until the file has at least `size` bytes."""
    begin = _FIRST_PART.search(recording)
    if begin is None:
        raise ValueError("the recording has no 'part:' line")
    parts = b"\n" + recording[begin.start() :]
    if not distinct:
        again = _DEFINITION.sub(rb"\1", parts)
        return recording + again * max(0, -(-(size - len(recording)) // len(again)))
    pieces, length = [recording], len(recording)
    known = _OTHER_DEFINITION.sub(rb"\1", parts)
    ids = max(int(number) for _, number, _ in _FUNCTION.findall(parts)) + 1
    while length < size:
        pieces.append(_renamed(known, len(pieces), ids))
        length += len(pieces[-1])
    return b"".join(pieces)


def _renamed(parts: bytes, repetition: int, ids: int) -> bytes:
    """The same parts with other functions: other ids and other names."""
    shift, mark = ids * repetition, b"#%d" % repetition

    def rename(match: re.Match[bytes]) -> bytes:
        space, number, name = match.groups()
        return b"%b=(%d)%b" % (space, int(number) + shift, name + mark if name else name)

    return _FUNCTION.sub(rename, parts)


if __name__ == "__main__":
    source, target, megabytes, *options = sys.argv[1:]
    large = repeat_parts(Path(source).read_bytes(), int(megabytes) * 1_000_000, distinct="--distinct" in options)
    Path(target).write_bytes(large)
