"""A call graph by operator: the self cost of every function goes to the operators that it was called for.

A function that is an entry of an operator owns its self cost. Every other function's self cost belongs to the nearest
operators above it: to those of its callers, in proportion to the inclusive cost of the call edges. Where only one
operator is above a function that is exact; where there are several it is an estimate, and marked so. Parts of a file
share no edges, so that the boundaries of labelled parts are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import schema, symbols
from profkit.propagate import Entries, Floats, Ints, Mask, cycles, nearest, ranges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from profkit.profile import Recording

ESTIMATED = "estimated_instructions"
_NEGLIGIBLE = 1e-9
_MOST_NESTED = 100
"""Operators within operators, at most; where operators call each other in a circle the shares settle before that."""
_MEASURES = ("count", "self_ns", "total_ns", "total_instructions", "samples", "allocated_bytes", "peak_bytes")


@dataclass(frozen=True)
class _Graph:
    """Functions and their calls.

    Attributes:
        function: function row of each record: itself, or what it is inlined into, shape (records,).
        operator: index of the operator that each record is an entry of, -1 for others, shape (records,).
        operators: canonical names.
        caller, callee: rows of records, shape (edges,); no function calls itself here.
        weight: the edge's share of the callee's inclusive cost, above 0, shape (edges,).
        count: calls, shape (edges,).
    """

    function: Ints
    operator: Ints
    operators: pa.Array
    caller: Ints
    callee: Ints
    weight: Floats
    count: Ints


def attribute(recording: Recording) -> pa.Table:
    """Split every record between the operators that it was called for.

    Args:
        recording: a call graph; its self instructions are split, its other measures stay in one row each.

    Returns:
        The columns of records and `estimated_instructions`, one row a (record, operator), in the order of the records.
        Self instructions of a record's rows sum exactly to the record's. The operator is null for the share
        that no operator is above of (also where the caller's call was not recorded, because instrumentation began, or
        a part began, while it ran). `total_instructions` and `count` are those of the operator and stand in the row
        of its entry, calls from within itself (redispatch, recursion) left out; in other rows they are null.
        `parent_id` is null: the rows are no forest any more.
    """
    graph = _graph(recording)
    entries = nearest(graph.caller, graph.callee, graph.weight, graph.operator >= 0)
    row, operator, share, several = _shares(graph, entries)
    self_cost = _column(recording.records, "self_instructions")
    pieces = apportion(row, share, self_cost)
    # A piece of nothing vanishes, unless it is all there is of its record.
    first = _first_of_largest(row, pieces)
    keep = (pieces > 0) | first
    row, operator, pieces, several, first = row[keep], operator[keep], pieces[keep], several[keep], first[keep]
    total, count = _of_operators(recording, graph, entries)
    operators = graph.operators
    del graph, entries  # the edges are most of the memory
    return _table(recording, operators, row, operator, first, {
        "self_instructions": pieces,
        ESTIMATED: np.where(several, pieces, 0),
        "total_instructions": np.where(first, total[row], -1),
        "count": np.where(first, count[row], -1),
    })  # fmt: skip


def _column(table: pa.Table, name: str) -> Ints:
    return table[name].fill_null(0).to_numpy()


def weighted_calls(recording: Recording) -> tuple[Ints, Ints, Floats, Ints]:
    """The edges of a call graph, calls of a function by itself left out.

    Returns:
        Rows of caller and callee, the edge's share of the callee's inclusive cost (above 0; those of one callee sum to
        1 at most), and calls, shape (edges,) each.
    """
    if recording.calls is None:
        raise ValueError("the recording is no call graph")
    rows = recording.records.num_rows
    caller, callee = (_column(recording.calls, name).astype(np.int64) for name in ("caller_id", "callee_id"))
    count, cost = _column(recording.calls, "count"), _column(recording.calls, "total_instructions")
    other = caller != callee
    caller, callee, count, cost = caller[other], callee[other], count[other], cost[other].astype(np.float64)
    into = np.bincount(callee, cost, minlength=rows)
    free = into[callee] == 0
    cost[free] = np.maximum(count[free], 1)  # calls that cost nothing still say who called
    # Where a call was not recorded, a function cost more than its calls: the rest has no known caller. In a cycle
    # costs hold each other and tell nothing of the kind.
    _, in_cycle = cycles(caller, callee, rows)
    whole = np.where(in_cycle, 0, _column(recording.records, "total_instructions"))
    into = np.maximum(np.bincount(callee, cost, minlength=rows), np.where(into > 0, whole, 0))
    weight = cost / into[callee]
    used = weight > 0
    return caller[used], callee[used], weight[used], count[used]


def _graph(recording: Recording) -> _Graph:
    records = recording.records
    rows = np.arange(records.num_rows)
    parent = records["parent_id"].fill_null(-1).to_numpy().astype(np.int64)
    operator = symbols.operators(records["symbol"].combine_chunks())
    code = operator.indices.fill_null(-1).to_numpy().astype(np.int64)
    caller, callee, weight, count = weighted_calls(recording)
    return _Graph(
        np.where(parent >= 0, parent, rows), np.where(parent >= 0, -1, code), operator.dictionary,
        caller, callee, weight, count,
    )  # fmt: skip


def _shares(graph: _Graph, entries: Entries) -> tuple[Ints, Ints, Floats, Mask]:
    """Which part of each record belongs to which operator, and whether several share it; -1 is no operator."""
    rows = len(graph.function)
    width = len(graph.operators) + 1
    key = entries.row * width + graph.operator[entries.source] + 1
    keys, place = np.unique(key, return_inverse=True)
    share: Floats = np.bincount(place, entries.share, minlength=len(keys)).astype(np.float64)
    row, operator = keys // width, keys % width - 1
    none = 1 - np.bincount(row, share, minlength=rows)
    lacking = np.flatnonzero(none > _NEGLIGIBLE)
    row, operator = np.concatenate((row, lacking)), np.concatenate((operator, np.full(len(lacking), -1)))
    share = np.concatenate((share, none[lacking]))
    kept = share > _NEGLIGIBLE
    row, operator, share = row[kept], operator[kept], share[kept]
    order = np.argsort(row, kind="stable")
    row, operator, share = row[order], operator[order], share[order]
    begin = np.searchsorted(row, np.arange(rows + 1))
    # Inlined code belongs to whom its function belongs.
    length = np.diff(begin)[graph.function]
    taken = ranges(begin[graph.function], begin[graph.function + 1])
    record = np.repeat(np.arange(rows), length)
    return record, operator[taken], share[taken], length[record] > 1


def apportion(row: Ints, share: Floats, cost: Ints) -> Ints:
    """Integer pieces of each row's cost by share, by largest remainder: they sum to the cost exactly."""
    wanted = cost[row] * (share / np.bincount(row, share, minlength=len(cost))[row])
    pieces = np.minimum(np.floor(wanted).astype(np.int64), cost[row])
    sums = np.zeros(len(cost), np.int64)
    np.add.at(sums, row, pieces)
    missing = cost - sums
    split = np.flatnonzero(missing[row] > 0)
    order = split[np.lexsort(((pieces - wanted)[split], row[split]))]
    rank = np.arange(len(order)) - np.searchsorted(row[order], row[order])
    pieces[order[rank < missing[row[order]]]] += 1
    # Costs beyond the digits of a float leave a rest.
    rest = cost.copy()
    np.subtract.at(rest, row, pieces)
    pieces[_first_of_largest(row, pieces)] += rest
    return pieces


def _first_of_largest(row: Ints, pieces: Ints) -> Mask:
    """Marks one row of each record, which has one at least: the first with its largest piece."""
    begins = np.diff(row, prepend=-1) != 0
    largest = np.maximum.reduceat(pieces, np.flatnonzero(begins)) if len(row) else pieces
    candidates = np.flatnonzero(pieces == largest[np.cumsum(begins) - 1])
    first = np.zeros(len(row), np.bool_)
    first[candidates[np.diff(row[candidates], prepend=-1) != 0]] = True
    return first


def _of_operators(recording: Recording, graph: _Graph, entries: Entries) -> tuple[Ints, Ints]:
    """Inclusive cost and calls of the operator that each record is an entry of; -1 for other records.

    Of each call of an entry the part counts that the same operator is not already above of.
    """
    rows = len(graph.function)
    total, count = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64)
    entry = np.flatnonzero(graph.operator >= 0)
    whole = _column(recording.records, "total_instructions")
    inner, calls = np.zeros(rows), np.zeros(rows)
    into = graph.operator[graph.callee] >= 0
    caller, callee = graph.caller[into], graph.callee[into]
    if len(caller):
        above = _above(graph, entries, caller, callee, graph.weight[into])
        np.add.at(inner, callee, graph.weight[into] * above)
        np.add.at(calls, callee, graph.count[into] * (1 - above))
    called = np.bincount(callee, minlength=rows) > 0
    outer = entry[inner[entry] < 1 - _NEGLIGIBLE]
    total[outer] = np.rint(whole[outer] * (1 - inner[outer])).astype(np.int64)
    known = outer[called[outer]]
    count[known] = np.rint(calls[known]).astype(np.int64)
    return total, count


def _above(graph: _Graph, entries: Entries, caller: Ints, callee: Ints, weight: Floats) -> Floats:
    """For each call of an operator's entry: the share of it that the same operator is somewhere above of."""
    from scipy.sparse import csr_array

    rows, kinds = len(graph.function), len(graph.operators)
    entry = np.flatnonzero(graph.operator >= 0)
    place = np.full(rows, -1, np.int64)
    place[entry] = np.arange(len(entry))
    nearest_entry = csr_array((entries.share, (entries.row, place[entries.source])), shape=(rows, len(entry)))
    calls = csr_array((weight, (place[callee], caller)), shape=(len(entry), rows)) @ nearest_entry
    itself = (np.arange(len(entry)), graph.operator[entry])
    above: csr_array[Any] = csr_array((len(entry), kinds))
    for _ in range(_MOST_NESTED):
        further = calls @ _with_itself(above, itself)
        change = abs(further - above)
        above = further
        if not change.nnz or change.max() < _NEGLIGIBLE:
            break
    callers, back = np.unique(caller, return_inverse=True)
    known = nearest_entry[callers] @ _with_itself(above, itself)
    return np.minimum(np.asarray(known[back, graph.operator[callee]]).ravel(), 1)


def _with_itself(above: csr_array[Any], itself: tuple[Ints, Ints]) -> csr_array[Any]:
    """What is above of each entry, itself included."""
    from scipy.sparse import csr_array

    coordinates = above.tocoo()
    others = coordinates.col != itself[1][coordinates.row]
    row = np.concatenate((coordinates.row[others], itself[0]))
    column = np.concatenate((coordinates.col[others], itself[1]))
    values = np.concatenate((coordinates.data[others], np.ones(len(itself[0]))))
    return csr_array((values, (row, column)), shape=above.shape)


def _table(
    recording: Recording, operators: pa.Array, row: Ints, operator: Ints, first: Mask, costs: dict[str, Ints]
) -> pa.Table:
    records = recording.records
    same = len(row) == records.num_rows
    arrays: dict[str, Any] = {}
    for name in records.column_names:
        column = records[name]
        if name in costs or name in ("parent_id", "operator", "category") or column.null_count == len(column):
            continue
        taken = column if same else column.take(pa.array(row))
        arrays[name] = pc.if_else(pa.array(first), taken, None) if name in _MEASURES and not same else taken
    category = symbols.categories(records["symbol"].combine_chunks(), records["library"].combine_chunks())
    arrays["category"] = category if same else category.take(pa.array(row))
    codes = pa.array(operator.astype(np.int32), mask=operator < 0)
    arrays["operator"] = pa.DictionaryArray.from_arrays(codes, operators)
    if records["self_instructions"].null_count < records.num_rows:
        arrays["self_instructions"] = costs["self_instructions"]
    for name in ("total_instructions", "count"):
        arrays[name] = pa.array(costs[name], mask=costs[name] < 0)
    table = schema.table_from(schema.RECORDS, arrays, len(row))
    return table.append_column(ESTIMATED, pa.array(costs[ESTIMATED]))
