"""The columns of every table, once: name, Arrow type, unit and meaning.

The Arrow schemas, the JSON Schema of a profile and the table in the README are all made from `COLUMNS`. A column that
the tool at hand cannot fill is null, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from profkit.columns import NONE, from_codes, from_integers, integers, repeated
from profkit.errors import DataError

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning or goes; a reader refuses what it does not know."""

KINDS = ("operator", "kernel", "runtime", "python", "native", "scope")
PHASES = ("forward", "backward", "optimizer", "data", "host_to_device", "other")
CATEGORIES = ("interpreter", "binding", "dispatch", "kernel", "memory", "data", "runtime", "other")

_NAME = pa.dictionary(pa.int32(), pa.string())
_COUNT = pa.int64()
_PER_STEP = pa.list_(pa.int64())

RECORDS, CALLS, OPERATORS = "records", "calls", "operators"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: ends in its unit where it is a quantity.
        type: Arrow type; every column but the ids and counts of a call may be null.
        unit: unit of the values, empty for names.
        group: identity, place, measured or derived.
        tables: which of records, calls and operators have it.
        meaning: one line for people.
    """

    name: str
    type: pa.DataType
    unit: str
    group: str
    tables: tuple[str, ...]
    meaning: str


_BOTH = (RECORDS, OPERATORS)

COLUMNS: tuple[Column, ...] = (
    Column("parent_id", pa.int32(), "row", "identity", (RECORDS,), "row of the caller's record; null for a root"),
    Column("launcher_id", pa.int32(), "row", "identity", (RECORDS,), "record on the host that launched this kernel"),
    Column("caller_id", pa.int32(), "row", "identity", (CALLS,), "record of the calling function"),
    Column("callee_id", pa.int32(), "row", "identity", (CALLS,), "record of the called function"),
    Column("operator", _NAME, "", "identity", _BOTH, "canonical operator (`aten::addmm`); null outside every operator"),
    Column("symbol", _NAME, "", "identity", _BOTH, "the name as the tool says it; null for many small ones together"),
    Column("kind", _NAME, "", "identity", _BOTH, ", ".join(KINDS)),
    Column("category", _NAME, "", "derived", _BOTH, "what the self cost is spent on: " + ", ".join(CATEGORIES)),
    Column("file", _NAME, "", "identity", _BOTH, "source file, where the tool knows it"),
    Column("line", pa.int32(), "", "identity", _BOTH, "line in that file"),
    Column("library", _NAME, "", "identity", _BOTH, "shared object or program the code lies in"),
    Column("scope", _NAME, "", "place", (RECORDS,), "label of the part of the run (labelled dumps)"),
    Column("layer", _NAME, "", "place", _BOTH, "named module (`layer1.0.conv1`)"),
    Column("phase", _NAME, "", "place", _BOTH, ", ".join(PHASES)),
    Column("step", pa.int32(), "", "place", (RECORDS,), "index of the step within the region, from 0"),
    Column("device", _NAME, "", "place", _BOTH, "where the self cost was paid: `cpu`, `cuda:0`"),
    Column("thread", _NAME, "", "place", (RECORDS,), "thread or stream as the tool names it"),
    Column("sequence", pa.int32(), "", "place", (RECORDS,), "autograd sequence number: joins backward to forward"),
    Column("forward_thread", pa.int32(), "", "place", (RECORDS,), "thread of the forward operator, on backward rows"),
    Column("input_shapes", _NAME, "elements", "place", _BOTH, "shapes of the inputs as JSON"),
    Column("dtype", _NAME, "", "place", _BOTH, "element type of the first tensor input (`float32`)"),
    Column(
        "inputs", _NAME, "", "place", (RECORDS,),
        "shapes, types and values of the inputs as far as the tool tells them: three JSON lists",
    ),
    Column("start_ns", pa.int64(), "ns", "measured", (RECORDS,), "start on the tool's own clock"),
    Column("count", _COUNT, "calls", "measured", (RECORDS, CALLS, OPERATORS), "how often it ran"),
    Column("self_ns", _COUNT, "ns", "measured", _BOTH, "time in the frame itself"),
    Column("total_ns", _COUNT, "ns", "measured", _BOTH, "time with callees; nested calls of one operator once"),
    Column("self_instructions", _COUNT, "instructions", "measured", _BOTH, "instructions in the frame itself"),
    Column(
        "total_instructions", _COUNT, "instructions", "measured", (RECORDS, CALLS, OPERATORS),
        "instructions with callees",
    ),
    Column(
        "estimated_instructions", _COUNT, "instructions", "measured", (OPERATORS,),
        "the part of self_instructions shared between operators in proportion to call edges: an estimate",
    ),
    Column("samples", _COUNT, "samples", "measured", _BOTH, "samples in the frame itself"),
    Column("allocated_bytes", _COUNT, "bytes", "measured", _BOTH, "bytes allocated in it, frees not subtracted"),
    Column("peak_bytes", _COUNT, "bytes", "measured", _BOTH, "most bytes allocated in all while it ran"),
    Column(
        "flop", _COUNT, "FLOP", "derived", (OPERATORS,),
        "floating-point operations of its own by formula; 0 where callees or kernels do the work",
    ),
    Column(
        "traffic_bytes", _COUNT, "bytes", "derived", (OPERATORS,),
        "compulsory bytes likewise: each input read once, each output written once",
    ),
    Column("self_ns_per_step", _PER_STEP, "ns", "measured", (OPERATORS,), "self_ns of each step"),
    Column("self_instructions_per_step", _PER_STEP, "instructions", "measured", (OPERATORS,), "the same of each step"),
)  # fmt: skip

METRICS = {
    "self_ns": "ns",
    "self_instructions": "instructions",
    "samples": "samples",
}
"""Self-cost columns that a profile can be read by, in order of preference, with their units."""


def columns_of(table: str) -> tuple[Column, ...]:
    """The columns of `records`, `calls` or `operators`, in order."""
    return tuple(column for column in COLUMNS if table in column.tables)


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of `records`, `calls` or `operators`."""
    return pa.schema([(column.name, column.type) for column in columns_of(table)])


def table_from(table: str, arrays: dict[str, Any], rows: int) -> pa.Table:
    """Make a table of exactly the schema's columns; the ones not given are null.

    Args:
        table: records, calls or operators.
        arrays: columns by name, anything `pyarrow.array` takes (numpy arrays are not copied).
        rows: number of rows.

    Raises:
        DataError: a column that the schema does not have.
    """
    schema = arrow_schema(table)
    extra = sorted(set(arrays) - set(schema.names))
    if extra:
        raise DataError(f"{table} has no column {', '.join(extra)}")
    return pa.table(
        [
            _column(arrays[field.name], field.type)
            if field.name in arrays
            else repeated(pa.nulls(1, field.type), rows)  # costs no memory, however many rows
            for field in schema
        ],
        schema=schema,
    )


def _column(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if values.type == kind else values.cast(kind)
    if isinstance(values, list) and (plain := _from_list(values, kind)) is not None:
        return plain
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _from_list(values: list[Any], kind: pa.DataType) -> pa.Array | pa.ChunkedArray | None:
    """A column of names, counts or lists of counts, made without pandas; None for a list of anything else."""
    if pa.types.is_dictionary(kind):
        codes: dict[str | None, int] = {None: NONE}
        if not all(value is None or type(value) is str for value in values):
            return None
        places = [codes.setdefault(value, len(codes) - 1) for value in values]
        return from_codes(np.array(places, np.int32), [name for name in codes if name is not None])
    if pa.types.is_list(kind):
        return _lists(values, kind)
    if not all(value is None or (type(value) is int and 0 <= value < 2 ** (kind.bit_width - 1)) for value in values):
        return None
    return from_integers(np.array([NONE if value is None else value for value in values], kind.to_pandas_dtype()))


def _lists(values: list[Any], kind: pa.DataType) -> pa.Array | None:
    found = [[] if value is None else value for value in values]
    if not all(type(value) is list for value in found):
        return None
    flat = _from_list([one for value in found for one in value], kind.value_type)
    if not isinstance(flat, pa.ChunkedArray):
        return None
    ends = integers(np.cumsum([0, *map(len, found)], dtype=np.int32))
    whole = pa.ListArray.from_arrays(ends, flat.combine_chunks())
    missing = np.array([value is None for value in values], bool)
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [validity, whole.buffers()[1]], children=[whole.values])


def check(table: str, value: pa.Table) -> None:
    """Raise DataError unless `value` has exactly the columns and types of the schema."""
    if value.schema.equals(arrow_schema(table)):
        return
    expected = {field.name: field.type for field in arrow_schema(table)}
    found = {field.name: field.type for field in value.schema}
    wrong = [
        f"{name}: {found.get(name, 'missing')} instead of {expected.get(name, 'nothing')}"
        for name in dict.fromkeys((*expected, *found))
        if expected.get(name) != found.get(name)
    ]
    raise DataError(f"the {table} table breaks its schema ({'; '.join(wrong) or 'order of columns'})")


def json_type(kind: pa.DataType) -> dict[str, Any]:
    """The JSON Schema of one value of an Arrow type; every value may be null."""
    if pa.types.is_dictionary(kind):
        return {"type": ["string", "null"]}
    if pa.types.is_list(kind):
        return {"type": ["array", "null"], "items": {"type": "integer"}}
    return {"type": ["integer", "null"]}


def operator_json_schema() -> dict[str, Any]:
    """JSON Schema of the operator table as a profile file holds it: one array a column, all of one length."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in columns_of(OPERATORS)],
        "properties": {
            column.name: {
                "description": f"{column.meaning}{f' [{column.unit}]' if column.unit else ''}",
                "type": "array",
                "items": json_type(column.type),
            }
            for column in columns_of(OPERATORS)
        },
    }


def markdown_table() -> str:
    """The operator table's columns as the Markdown table that stands in the README."""
    rows = [
        f"| `{column.name}` | {column.group} | {column.unit or '-'} | {column.meaning} |"
        for column in columns_of(OPERATORS)
    ]
    return "\n".join(["| column | group | unit | meaning |", "| --- | --- | --- | --- |", *rows])
