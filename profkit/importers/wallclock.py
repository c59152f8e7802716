"""The scopes that our own runners time with their clock: steps, phases and forward layers, nested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from profkit import calltree
from profkit.artefact import open_artefact
from profkit.errors import InputError
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run
from profkit.schema import RECORDS, table_from


class _File(msgspec.Struct):
    format: str
    name: list[str]
    depth: list[int]
    start_ns: list[int]
    duration_ns: list[int]


def sniff(head: bytes) -> bool:
    """Whether the file is one of ours."""
    return b'"profkit-wallclock"' in head[:64]


def load(path: Path) -> Recording:
    """Read the scopes as a forest of records of kind `scope`.

    Raises:
        InputError: cut off, of another layout, or without a scope.
    """
    with open_artefact(path) as file:
        data = file.read()
    try:
        scopes = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as error:
        raise InputError(f"{path} is no wallclock file: {error}", "record it again") from error
    rows = len(scopes.name)
    if not rows or len({len(scopes.depth), len(scopes.start_ns), len(scopes.duration_ns), rows}) > 1:
        raise InputError(f"{path} has {rows} scopes, and its columns differ in length or are empty", "record it again")
    parent = _parents(scopes.depth)
    total = np.array(scopes.duration_ns, np.int64)
    columns = {
        "parent_id": pa.array(parent, mask=parent < 0),
        "symbol": scopes.name,
        "kind": ["scope"] * rows,
        "category": ["other"] * rows,  # a clock sees no difference between them
        "device": ["cpu"] * rows,
        "thread": ["main"] * rows,
        "start_ns": scopes.start_ns,
        "count": np.ones(rows, np.int64),
        "total_ns": total,
        "self_ns": calltree.self_from_total(parent, total),
    }
    return Recording(Run(tool="wallclock"), table_from(RECORDS, columns, rows))


def _parents(depths: list[int]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Row of the enclosing scope, -1 for none: scopes are written when they are entered, outer before inner."""
    parents = np.empty(len(depths), np.int32)
    enclosing: list[int] = []
    for row, depth in enumerate(depths):
        del enclosing[depth:]
        parents[row] = enclosing[-1] if enclosing else -1
        enclosing.append(row)
    return parents


WALLCLOCK = Importer(name="wallclock", sniff=sniff, load=load)
