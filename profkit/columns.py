"""Between numpy and Arrow columns: -1 there is null here, and a constant column of millions of rows costs nothing.

Arrays are made from buffers: nothing is copied, and pandas is not loaded, which `pyarrow.array` does where it is
installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints: TypeAlias = npt.NDArray[np.integer[Any]]
Flags: TypeAlias = npt.NDArray[np.bool_]

NONE = -1
"""In a column of rows or codes: there is none."""

_SHARED_ROWS = 1 << 16
_TYPES = {np.dtype(kind.to_pandas_dtype()): kind for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())}
_NAME = pa.dictionary(pa.int32(), pa.string())


def integers(values: Ints, missing: Flags | None = None) -> pa.Array:
    """An Arrow array over the memory of a numpy one.

    Args:
        values: shape (rows,).
        missing: which of them are null, shape (rows,).
    """
    validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(_TYPES[values.dtype], len(values), [validity, data])


def strings(values: Sequence[str]) -> pa.Array:
    """An Arrow array of strings."""
    texts = [value.encode("utf-8", "replace") for value in values]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return pa.Array.from_buffers(pa.string(), len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))])


def repeated(value: pa.Array, rows: int) -> pa.ChunkedArray:
    """A column of one value, in chunks that share their memory.

    Args:
        value: an array of one value, which may be null.
        rows: length of the column.
    """
    chunk = value.take(integers(np.zeros(min(rows, _SHARED_ROWS), np.int8)))
    whole, rest = divmod(rows, _SHARED_ROWS)
    return pa.chunked_array([chunk] * whole + ([chunk.slice(0, rest)] if rest else []), type=value.type)


def from_codes(codes: Ints, values: Sequence[str]) -> pa.ChunkedArray:
    """A dictionary column.

    Args:
        codes: places in `values`, -1 for null, shape (rows,).
        values: no value twice.
    """
    if not len(values) or not len(codes):
        return repeated(pa.nulls(1, _NAME), len(codes))
    if np.all(codes == codes[0]):
        return repeated(_dictionary(codes[:1], values) if codes[0] >= 0 else pa.nulls(1, _NAME), len(codes))
    return pa.chunked_array([_dictionary(codes, values)])


def _dictionary(codes: Ints, values: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        integers(codes.astype(np.int32, copy=False), _missing(codes)), strings(values)
    )


def from_integers(values: Ints, rows: int | None = None, first: int = 0) -> pa.ChunkedArray:
    """An integer column of `rows` rows, of which these values begin at `first`; -1 and the rest are null."""
    kind = _TYPES[values.dtype]
    rows = len(values) if rows is None else rows
    missing = _missing(values)
    null = pa.nulls(1, kind)
    if missing is not None and missing.all():
        return repeated(null, rows)
    before, after = repeated(null, first), repeated(null, rows - first - len(values))
    return pa.chunked_array([*before.chunks, integers(values, missing), *after.chunks], type=kind)


def _missing(values: Ints) -> Flags | None:
    missing = values < 0
    return missing if missing.any() else None


def to_codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Codes (-1: null) of a dictionary column, shape (rows,), and the values that they are places of."""
    codes, values = to_dictionary(column)
    return codes, values.to_pylist()


def to_dictionary(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """The same as `to_codes`, with the values as Arrow strings."""
    if not column.num_chunks:
        return np.zeros(0, np.int32), pa.nulls(0, pa.string())
    column = column.unify_dictionaries()
    return _joined([chunk.indices for chunk in column.chunks]), column.chunk(0).dictionary


def to_integers(column: pa.ChunkedArray) -> Ints:
    """Values of an integer column, -1 where it is null, shape (rows,)."""
    return _joined(column.chunks) if column.num_chunks else np.zeros(0, column.type.to_pandas_dtype())


def counts(column: pa.ChunkedArray) -> Ints:
    """Values of a column of counts, 0 where it is null, shape (rows,)."""
    return np.maximum(to_integers(column), 0)


def to_floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Values of an integer column, NaN where it is null, shape (rows,)."""
    return np.where(valid(column), to_integers(column), np.nan)


def flattened(column: pa.ChunkedArray) -> Ints:
    """The values of a column of lists one after the other; null is no list."""
    return to_integers(pa.chunked_array([column.combine_chunks().drop_null().flatten()]))


def chosen(table: pa.Table, rows: Flags) -> pa.Table:
    """The rows of a table that are flagged, shape (rows,)."""
    return table.take(integers(np.flatnonzero(rows)))


def _joined(chunks: Sequence[pa.Array]) -> Ints:
    parts = [_with_none(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _with_none(chunk: pa.Array) -> Ints:
    values = np.frombuffer(chunk.buffers()[1], chunk.type.to_pandas_dtype())[chunk.offset : chunk.offset + len(chunk)]
    return np.where(valid(chunk), values, values.dtype.type(NONE)) if chunk.null_count else values


def valid(column: pa.Array | pa.ChunkedArray) -> Flags:
    """Which rows are not null, shape (rows,)."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_valid_chunk(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, bool), *parts])


def _valid_chunk(chunk: pa.Array) -> Flags:
    bitmap = chunk.buffers()[0] if chunk.null_count else None
    if bitmap is None:
        return np.ones(len(chunk), bool)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), count=chunk.offset + len(chunk), bitorder="little")
    return bits[chunk.offset :].astype(bool)
