"""Frames and rows as text: how a frame is called, and JSON of many rows without a Python object each."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit.columns import Ints
from profkit.flame_graph.forest import Forest, Frame
from profkit.symbols import qualified_name

_ROWS_AT_ONCE = 1 << 18
_PYTHON = re.compile(r"[^<>]*\(\d+\): (?P<function>.+)", re.DOTALL)
"""A Python function as torch names it, file and line included."""


def label(frame: Frame) -> str:
    """Name of a frame without the file and line that stand apart.

    >>> label(Frame("torch/nn/modules/conv.py(550): forward", "python", "torch/nn/modules/conv.py", 550))
    'forward'
    """
    match = _PYTHON.fullmatch(frame.name) if frame.kind == "python" and frame.file else None
    return match["function"] if match else frame.name


def source(frame: Frame) -> str | None:
    """Where a frame's code is from: of native code the library, which says more of it than a file somewhere."""
    return frame.library or frame.file if frame.kind == "native" else frame.file


def with_source(frame: Frame) -> str:
    """Name and place in one text, as py-spy writes them: native names are long, so without template arguments.

    >>> with_source(Frame("forward", "python", "/src/train.py", 9))
    'forward (/src/train.py:9)'
    >>> with_source(Frame("malloc", library="/lib/libc.so.6"))
    'malloc (libc.so.6)'
    """
    place = source(frame)
    name = label(frame)
    if frame.kind == "native":
        name = qualified_name(name) or name
    if place is None:
        return name
    if place == frame.library:
        return f"{name} ({posixpath.basename(place)})"
    return f"{name} ({place}:{frame.line})" if frame.line else f"{name} ({place})"


def quantity(metric: str) -> str:
    """What a self-cost column counts: nanoseconds, instructions, samples, bytes."""
    return {"self_ns": "nanoseconds", "self_instructions": "instructions", "allocated_bytes": "bytes"}.get(
        metric, metric
    )


def writer() -> str:
    """This program and its version."""
    return f"profkit@{version('profkit')}"


def paths(forest: Forest) -> list[tuple[int, ...]]:
    """The frames of each row from its root down."""
    found: list[tuple[int, ...]] = []
    for above, frame in zip(forest.parent.tolist(), forest.frame.tolist(), strict=True):
        found.append((*found[above], frame) if above >= 0 else (frame,))
    return found


def integers(values: Ints) -> pa.Array:
    """Numbers as text."""
    return pc.cast(pa.array(values), pa.large_string())


def microseconds(values: Ints) -> pa.Array:
    """Nanoseconds as microseconds with three decimals, exactly."""
    whole, rest = np.divmod(values, 1000)
    return pc.binary_join_element_wise(
        integers(whole), pc.utf8_lpad(integers(rest), width=3, padding="0"), pa.scalar(".", pa.large_string())
    )


def chosen(texts: Sequence[Any], codes: Ints) -> pa.Array:
    """One JSON text a row, of the few values that there are."""
    return pa.array([json.dumps(text) for text in texts], pa.large_string()).take(pa.array(codes))


def rows_of_text(parts: Sequence[str | pa.Array]) -> bytes:
    """The parts of each row one after the other, rows separated by a comma and a line break."""
    rows = next(len(part) for part in parts if not isinstance(part, str))
    pieces = []
    for first in range(0, rows, _ROWS_AT_ONCE):
        some = [
            pa.scalar(part, pa.large_string()) if isinstance(part, str) else part.slice(first, _ROWS_AT_ONCE)
            for part in parts
        ]
        end, empty = pa.scalar(",\n", pa.large_string()), pa.scalar("", pa.large_string())
        joined = pc.binary_join_element_wise(*some, end, empty)
        pieces.append(memoryview(joined.buffers()[2]))
    return b"".join(pieces)[:-2]
