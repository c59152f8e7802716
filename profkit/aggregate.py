"""From recordings to one operator table: pure, and a column at a time.

A row of the table is everything of one place, operator, symbol, shapes and type. Sums are exact: every self cost of
every record is in exactly one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import schema
from profkit.callgraph import attribute
from profkit.calltree import nearest_same
from profkit.columns import (
    NONE,
    Flags,
    Ints,
    from_codes,
    from_integers,
    integers,
    strings,
    to_dictionary,
    to_integers,
    valid,
)
from profkit.errors import DataError
from profkit.kernel_costs import with_kernel_costs
from profkit.operator_costs import record_costs
from profkit.operators import plain
from profkit.profile import Profile, Recording

KEYS = (
    "layer",
    "phase",
    "operator",
    "symbol",
    "kind",
    "category",
    "device",
    "input_shapes",
    "dtype",
    "file",
    "line",
    "library",
)
"""Columns that tell two rows of the table apart."""

SMALLEST_SHARE = 1e-4
"""Functions with a smaller share of the whole self cost share one row with their like."""

_VARIES = r"(?:^| at )0x|ProfilerStep#"
"""In symbols that `plain` may change."""
_FOLDED = ("symbol", "file", "line")
_FOLDED_KINDS = ("python", "native")
_SUMS = ("count", "self_ns", "self_instructions", "estimated_instructions", "samples", "allocated_bytes")
_TOTALS = ("total_ns", "total_instructions")
_PER_STEP = ("self_ns", "self_instructions")
_MOST_CODES = 2**62
_ROWS_AT_ONCE = 1 << 18


def aggregate(recordings: Sequence[Recording]) -> Profile:
    """Sum records to an operator table.

    Args:
        recordings: repeats of one run, placed in layers; the steps of each follow those of the one before.

    Returns:
        The profile. Self costs per step have one value for each step of all repeats and are null where the run has no
        steps; what lies outside every step is in the row's self cost only.

    Raises:
        DataError: no recording at all, or a step that its run does not have.
    """
    if not recordings:
        raise DataError("there is no recording to aggregate")
    steps = [recording.run.steps or 0 for recording in recordings]
    tables: list[pa.Table] = []
    for index, recording in enumerate(recordings):
        records = attribute(recording) if recording.calls is not None else recording.records
        largest = pc.max(records["step"]).as_py()
        if largest is not None and largest >= steps[index]:
            raise DataError(f"a record lies in step {largest}, but its run has {steps[index]} steps")
        tables.append(_moved(records, sum(table.num_rows for table in tables), sum(steps[:index])))
    records = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
    del tables
    first = recordings[0]
    notes = tuple(dict.fromkeys(note for recording in recordings for note in recording.notes))
    run = replace(
        first.run,
        steps=sum(steps) or first.run.steps,
        repeats=len(recordings) if len(recordings) > 1 else first.run.repeats,
        artefacts=tuple(name for recording in recordings for name in recording.run.artefacts),
        artefact_sha256=tuple(digest for recording in recordings for digest in recording.run.artefact_sha256),
    )
    return with_kernel_costs(Profile(run, _operators(records, sum(steps), first.calls is None), notes))


def _moved(records: pa.Table, before: int, steps: int) -> pa.Table:
    """The records as they stand after `before` others and `steps` other steps."""
    for name, offset in (("parent_id", before), ("launcher_id", before), ("step", steps)):
        if offset:
            rows = to_integers(records[name])
            moved = from_integers(np.where(rows >= 0, rows + np.int32(offset), rows).astype(np.int32))
            records = records.set_column(records.schema.get_field_index(name), records.schema.field(name), moved)
    return records


def _operators(records: pa.Table, steps: int, is_forest: bool) -> pa.Table:
    """The operator table of all records together."""
    group, first = _groups((_codes(records[name], name)[0] for name in KEYS), records.num_rows)
    of_first = {name: _codes(records[name].take(integers(first)), name) for name in KEYS}
    keys = {name: codes for name, (codes, _) in of_first.items()}
    dictionaries = {name: values for name, (_, values) in of_first.items()}
    cost = _sums(records, _metric(records), group, len(first))
    kept = _with_memory_alone(records, group, len(first))
    merged, keys = _fold(keys, dictionaries["kind"].to_pylist(), cost, kept)
    if merged is not None:
        group = merged[group]
    rows = len(keys["kind"])
    columns: dict[str, Any] = {name: _key_column(name, codes, dictionaries[name]) for name, codes in keys.items()}
    for name in _SUMS:
        if name in records.column_names:
            columns[name] = _summed(records, name, group, rows)
    for name in _TOTALS:
        columns[name] = _totals(records, name, group, keys, is_forest)
    for name, costs in record_costs(records).items():
        columns[name] = _known_sums(costs, group, rows)
    columns["peak_bytes"] = _largest(records, "peak_bytes", group, rows)
    for name in _PER_STEP:
        columns[f"{name}_per_step"] = _per_step(records, name, group, rows, steps)
    return schema.table_from(schema.OPERATORS, columns, rows)


def _codes(column: pa.ChunkedArray, name: str) -> tuple[Ints, pa.Array]:
    """Codes of a key column and their values; the values of an integer column are the codes."""
    if column.null_count == len(column):
        return np.broadcast_to(np.int32(NONE), len(column)), pa.nulls(0, pa.string())
    if name == "line":
        return to_integers(column), pa.nulls(0, pa.string())
    codes, values = to_dictionary(column)
    plain_values = _PLAIN[name](values) if name in _PLAIN else values
    if plain_values is values:
        return codes, values
    merged = plain_values.dictionary_encode()
    return np.append(to_integers(pa.chunked_array([merged.indices])), np.int32(NONE))[codes], merged.dictionary


def _plain_symbols(symbols: pa.Array) -> pa.Array:
    """The symbols as `plain` writes them; the same array where none of them changes."""
    varies = pc.match_substring_regex(symbols, _VARIES)
    changed = [plain(symbol) for symbol in symbols.filter(varies).to_pylist()]
    return pc.replace_with_mask(symbols, varies, strings(changed)) if changed else symbols


def _file_names(paths: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(paths, "(?s)^.*/", "")


def _within_packages(paths: pa.Array) -> pa.Array:
    """Files of installed packages and of Python itself from the package on, wherever they are installed."""
    return pc.replace_substring_regex(paths, r"(?s)^.*/(?:(?:site|dist)-packages|lib/python\d+\.\d+)/", "")


_PLAIN = {"symbol": _plain_symbols, "library": _file_names, "file": _within_packages}
"""What differs from one run or machine to the next goes, so that rows of two profiles can be aligned."""


def _groups(columns: Iterable[Ints], rows: int) -> tuple[Ints, Ints]:
    """Number rows by their key.

    Args:
        columns: codes from -1, shape (rows,) each.
        rows: length of the columns.

    Returns:
        Group of each row in order of first appearance, shape (rows,), and the first row of each group.
    """
    key, size = np.zeros(rows, np.int64), 1
    for codes in columns:
        radix = int(codes.max(initial=NONE)) + 2
        if radix == 1 or (radix == 2 and codes.min(initial=0) == 0):
            continue
        if size * radix >= _MOST_CODES:
            key = _dense(key).astype(np.int64)
            size = int(key.max(initial=0)) + 1
        key *= radix
        key += codes
        key += 1
        size *= radix
    group = _dense(key)
    del key
    first = np.full(int(group.max(initial=NONE)) + 1, rows, np.int64)
    # Written from the end, so that the first row of a group is the one that stays.
    first[group[::-1]] = np.arange(rows - 1, -1, -1)
    return group, first


def _dense(key: Ints) -> Ints:
    return to_integers(pa.chunked_array([integers(key).dictionary_encode().indices]))


def _metric(records: pa.Table) -> str:
    return next((name for name in schema.METRICS if records[name].null_count < records.num_rows), "self_ns")


def _with_memory_alone(records: pa.Table, group: Ints, groups: int) -> Flags:
    """Groups with a record that tells of memory and cannot have a cost: they are not small, shape (groups,)."""
    kept = np.zeros(groups, bool)
    cost, memory = records[_metric(records)], records["allocated_bytes"]
    if cost.null_count and memory.null_count < records.num_rows:
        kept[group[valid(memory) & ~valid(cost)]] = True
    return kept


def _fold(keys: dict[str, Ints], kinds: list[str], cost: Ints, kept: Flags) -> tuple[Ints | None, dict[str, Ints]]:
    """Fold small functions of one place, operator, category and library into one row.

    Args:
        keys: codes of each group by column, shape (groups,) each.
        kinds: values of the column kind.
        cost: self cost of each group, shape (groups,).
        kept: groups to be left alone, shape (groups,).

    Returns:
        New group of each group (None: nothing to fold), and the codes of the new groups.
    """
    foldable = [kinds.index(kind) for kind in _FOLDED_KINDS if kind in kinds]
    small = np.isin(keys["kind"], foldable) & (cost < SMALLEST_SHARE * cost.sum()) & ~kept
    if not small.any():
        return None, keys
    folded = {name: np.where(small, NONE, codes) if name in _FOLDED else codes for name, codes in keys.items()}
    # A function that has no like keeps its name: folding it would shrink nothing.
    together, _ = _groups([*folded.values(), small.astype(np.int64)], len(cost))
    alone = small & (np.bincount(together)[together] == 1)
    folded = {name: np.where(alone, keys[name], codes) for name, codes in folded.items()}
    group, first = _groups([*folded.values(), (small & ~alone).astype(np.int64)], len(cost))
    return group, {name: codes[first] for name, codes in folded.items()}


def _key_column(name: str, codes: Ints, values: pa.Array) -> pa.ChunkedArray:
    if name == "line":
        return from_integers(codes.astype(np.int32))
    used = np.unique(codes[codes >= 0])  # few: most names went when small functions were folded
    place = np.full(len(values) + 1, NONE, np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return from_codes(place[codes], values.take(integers(used)).to_pylist())


def _known(records: pa.Table, name: str) -> tuple[Ints | slice, Ints]:
    """The rows in which a cost is not null (a slice where that is all of them), and the costs in them."""
    column = records[name]
    if not column.null_count:
        return slice(None), to_integers(column)
    return np.flatnonzero(valid(column)), to_integers(column.drop_null())


def _sums(records: pa.Table, name: str, group: Ints, groups: int) -> Ints:
    rows, values = _known(records, name)
    total = np.zeros(groups, np.int64)
    np.add.at(total, group[rows], values)
    return total


def _summed(records: pa.Table, name: str, group: Ints, groups: int) -> pa.Array:
    """Sum of a column by group; null where no row of the group has a value."""
    if records[name].null_count == records.num_rows:
        return pa.nulls(groups, pa.int64())
    return integers(_sums(records, name, group, groups), _unknown(records, name, group, groups))


def _known_sums(values: Ints, group: Ints, groups: int) -> pa.Array:
    """Sum of a column by group; null where a row of the group has -1 or where none has anything."""
    total, missing = np.zeros(groups, np.int64), np.zeros(groups, bool)
    np.add.at(total, group, np.maximum(values, 0))
    missing[group[values < 0]] = True
    return integers(total, missing)


def _unknown(records: pa.Table, name: str, group: Ints, groups: int) -> Flags | None:
    """Groups in which no row has a value; None where every row has one."""
    if not records[name].null_count:
        return None
    missing = np.ones(groups, bool)
    missing[group[valid(records[name])]] = False
    return missing


def _totals(records: pa.Table, name: str, group: Ints, keys: dict[str, Ints], is_forest: bool) -> pa.Array:
    """Total cost by group, nested calls of one operator once.

    A nested call's total is moved out of the row of the call around it: into its own row, where that differs, so that
    the rows of an operator sum to the totals of its outermost calls, and no total is less than its self cost. In a call
    graph `attribute` has done this.
    """
    groups = len(keys["kind"])
    if records[name].null_count == records.num_rows:
        return pa.nulls(groups, pa.int64())
    total = _sums(records, name, group, groups)
    if is_forest:
        same, _ = _groups([keys["kind"], keys["operator"], keys["symbol"]], groups)
        around = nearest_same(to_integers(records["parent_id"]), same[group])
        nested = np.flatnonzero(around >= 0)
        np.subtract.at(total, group[around[nested]], to_integers(records[name])[nested])
    return integers(total, _unknown(records, name, group, groups))


def _largest(records: pa.Table, name: str, group: Ints, groups: int) -> pa.Array | pa.ChunkedArray:
    if records[name].null_count == records.num_rows:
        return pa.nulls(groups, pa.int64())
    rows, values = _known(records, name)
    largest = np.full(groups, NONE, np.int64)
    np.maximum.at(largest, group[rows], values)
    return from_integers(largest)


def _per_step(records: pa.Table, name: str, group: Ints, groups: int, steps: int) -> pa.Array:
    """Self cost of each group in each step, one list of `steps` values a group."""
    kind = pa.list_(pa.int64())
    if not steps or any(records[column].null_count == records.num_rows for column in (name, "step")):
        return pa.nulls(groups, kind)
    rows, values = _known(records, name)
    step, group_of = to_integers(records["step"])[rows], group[rows]
    sums = np.zeros(groups * steps, np.int64)
    for first in range(0, len(step), _ROWS_AT_ONCE):  # temporaries of all rows would be the peak of the memory
        part = slice(first, first + _ROWS_AT_ONCE)
        inside = step[part] >= 0
        np.add.at(sums, group_of[part][inside].astype(np.int64) * steps + step[part][inside], values[part][inside])
    offsets = integers(np.arange(groups + 1, dtype=np.int32) * np.int32(steps))
    missing = _unknown(records, name, group, groups)
    whole = pa.ListArray.from_arrays(offsets, integers(sums))
    if missing is None:
        return whole
    return pa.Array.from_buffers(
        kind,
        groups,
        [pa.py_buffer(np.packbits(~missing, bitorder="little")), whole.buffers()[1]],
        children=[whole.values],
    )
