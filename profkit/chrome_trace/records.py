"""From the columns of a torch trace to records: hierarchy, launchers, allocations, names and categories."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from profkit import calltree, operators, schema
from profkit.chrome_trace.events import KERNEL, OPERATOR, PYTHON, SCOPE, EventColumns
from profkit.chrome_trace.inputs import input_columns
from profkit.columns import NONE, Flags, Ints, from_codes, from_integers, integers, repeated, to_integers

_KIND_NAMES = ("operator", "scope", "python", "runtime", "kernel", "kernel")
_OPERATOR_NAME = re.compile(r"aten::\w")
_SCOPE_NAME = re.compile(r"ProfilerStep[#*]|Optimizer\.(?:step|zero_grad)#|enumerate\(DataLoader\)|phase/|layer/")
LAUNCHING = re.compile(
    r"(?:cuda|hip|cu)(?:Ext|Module)*(?:Launch(?:Cooperative)?Kernel|GraphLaunch)|urEnqueueKernelLaunch"
)
"""Calls of a device's runtime that launch kernels; one launch of a graph may launch many."""
_PYTHON_NAME = re.compile(r"(?P<file>[^<>]*)\((?P<line>\d+)\): .*", re.DOTALL)


class _Host:
    """Rows of host threads, ordered by thread and start: kind, name, parent, innermost operator, times."""

    def __init__(self, kind: Ints, parent: Ints, start: Ints, end: Ints) -> None:
        self.kind, self.parent, self.start, self.end = kind, parent, start, end
        rows = np.arange(len(kind), dtype=np.int32)
        self.operator = calltree.inherit(parent, np.where(kind == OPERATOR, rows, NONE).astype(np.int32))


@dataclass(frozen=True)
class _Rows:
    """All rows in their final order.

    Attributes:
        order: place in the file of each row, shape (rows,), like all of these.
        thread, name, kind: codes.
        start, end: times [ns].
        hosts: the number of rows on the host; those of devices follow.
    """

    order: Ints
    thread: Ints
    name: Ints
    kind: Ints
    start: Ints
    end: Ints
    hosts: int


@dataclass(frozen=True)
class Records:
    """What is made of a trace.

    Attributes:
        table: host threads first, each in the order of start, every caller before its callees, then the devices.
        notes: on what had to be cut or left out.
        launches_without_kernel: calls on the host that launched kernels of which the trace has none.
    """

    table: pa.Table
    notes: list[str]
    launches_without_kernel: int


def records(columns: EventColumns, language: str | None) -> Records:
    """Make the records of a trace.

    Args:
        columns: its events; the columns are taken out of it.
        language: python, c++ or None.
    """
    names = list(columns.names)
    rows = _ordered(columns, names)
    table, notes, fruitless = _hierarchy(columns, rows, names, language)
    table |= _threads(rows.thread, list(columns.threads))
    for column in ("sequence", "forward_thread"):
        table[column] = from_integers(columns.take(column)[rows.order].astype(np.int32, copy=False))
    inputs = columns.take("inputs")[rows.order]
    # A kernel works on the inputs of the operator that launched it.
    launcher = to_integers(table["launcher_id"])[rows.hosts :]
    inputs[rows.hosts :] = np.where(launcher >= 0, inputs[launcher], NONE)
    table |= input_columns(inputs, list(columns.inputs))
    table["count"] = repeated(integers(np.ones(1, np.int64)), columns.rows)
    return Records(schema.table_from(schema.RECORDS, table, columns.rows), notes, fruitless)


def _ordered(columns: EventColumns, names: list[str]) -> _Rows:
    """Put the rows in order: host threads first, each by start, every caller before its callees."""
    thread, start = columns.take("thread"), columns.take("start")
    end = start + columns.take("duration")
    on_device = np.array([device for device, *_ in columns.threads], bool)
    order = calltree.order_by_time(_devices_last(thread, on_device), start, end)
    name, kind = columns.take("name")[order], columns.take("kind")[order]
    kind[(kind == OPERATOR) & _flags(names, _SCOPE_NAME)[name]] = SCOPE
    # Kernels written by hand tell of themselves by annotations under the operators' own names.
    kind[(kind == SCOPE) & _flags(names, _OPERATOR_NAME)[name]] = OPERATOR
    return _Rows(order, thread[order], name, kind, start[order], end[order], int(np.count_nonzero(kind < KERNEL)))


def _hierarchy(
    columns: EventColumns, rows: _Rows, names: list[str], language: str | None
) -> tuple[dict[str, Any], list[str], int]:
    """Parents, launchers, costs, names and categories, notes on what had to be cut, and launches without a kernel."""
    count, hosts = len(rows.kind), rows.hosts
    nesting = calltree.nest(rows.thread[:hosts], rows.start[:hosts], rows.end[:hosts], rows.kind[:hosts] == PYTHON)
    notes = []
    if nesting.overlaps:
        notes.append(f"{nesting.overlaps} of {hosts} events overlapped another one in part and were cut at its border")
    rows.end[:hosts] = nesting.end
    host = _Host(rows.kind[:hosts], nesting.parent, rows.start[:hosts], rows.end[:hosts])
    del nesting
    launcher, launches, fruitless = _launchers(columns, rows, host, _flags(names, LAUNCHING))
    lost = int(np.count_nonzero(launcher < 0))
    if lost:
        notes.append(f"{lost} of {count - hosts} device rows have no launching record in the trace")
    memory, more = _memory(columns, host, rows.thread[:hosts])
    table = {column: from_integers(values, count) for column, values in memory.items()}
    del memory
    total = rows.end - rows.start
    own = total.copy()
    own[:hosts] = calltree.self_from_total(host.parent, total[:hosts])
    table |= {"start_ns": integers(rows.start), "total_ns": integers(total), "self_ns": integers(own)}
    table |= {
        "parent_id": from_integers(host.parent, count),
        "launcher_id": from_integers(launcher, count, first=hosts),
    }
    dispatching = _dispatching(host, launches, rows.name, names, count)
    category = operators.categories(rows.kind, _KIND_NAMES, rows.name, names, dispatching, language)
    table["category"] = from_codes(category, schema.CATEGORIES)
    operator = np.concatenate((host.operator, _launching_operator(launcher, host)))
    return table | _named(operator, rows.name, names, rows.kind), [*notes, *more], fruitless


def _devices_last(thread: Ints, on_device: Flags) -> Ints:
    """Thread codes in which every device stream comes after every host thread."""
    rank = np.empty(len(on_device), np.int32)
    rank[np.argsort(on_device, kind="stable")] = np.arange(len(on_device))
    return rank[thread]


def _flags(names: list[str], pattern: re.Pattern[str]) -> Flags:
    return np.array([pattern.match(name) is not None for name in names], bool)


def _launchers(columns: EventColumns, rows: _Rows, host: _Host, launching: Flags) -> tuple[Ints, Ints, int]:
    """Find who launched each device row: the runtime call by correlation, and the operator around it.

    Returns:
        Launching record of each device row or -1, shape (device rows,): the innermost operator, else the runtime call;
        the host rows that launched something; and how many calls of the names that are `launching` have no device row.
    """
    hosts, kernels = rows.hosts, len(rows.kind) - rows.hosts
    correlation, in_file = columns.take("correlation"), columns.take("correlation_row")
    external = columns.take("external")
    if not kernels:
        none = np.zeros(0, np.int32)
        return none, none, int(np.count_nonzero(launching[rows.name]))
    place = np.empty(len(rows.order), np.int32)
    place[rows.order] = np.arange(len(place), dtype=np.int32)
    row, external = place[in_file], external[rows.order]
    known = correlation > 0
    correlation, row = correlation[known], row[known]
    calls, launched = row < hosts, row >= hosts
    fruitless = launching[rows.name[row[calls]]] & ~np.isin(correlation[calls], correlation[launched])
    call = np.full(kernels, NONE, np.int32)
    call[row[launched] - hosts] = _match(correlation[launched], correlation[calls], row[calls])
    # Where the external id is the correlation again (before torch 2.0), it names no operator.
    named = np.flatnonzero((call < 0) & (external[hosts:] > 0))
    same = np.zeros(len(call), bool)
    same[row[launched] - hosts] = external[row[launched]] == correlation[launched]
    named = named[~same[named]]
    if len(named):
        owners = np.flatnonzero(np.isin(host.kind, (OPERATOR, SCOPE)))
        call[named] = _match(external[hosts:][named], external[:hosts][owners], owners)
    launches = np.unique(call[call >= 0])
    operator = np.where(call >= 0, host.operator[call], NONE)
    return np.where(operator >= 0, operator, call).astype(np.int32), launches, int(np.count_nonzero(fruitless))


def _match(keys: Ints, known: Ints, rows: Ints) -> Ints:
    """Row of each key among the known ones (the first, where several have it), or -1."""
    if not len(known):
        return np.full(len(keys), NONE, np.int32)
    order = np.argsort(known, kind="stable")
    found = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    return np.where(known[order][found] == keys, rows[order][found], NONE).astype(np.int32)


def _launching_operator(launcher: Ints, host: _Host) -> Ints:
    return np.where(launcher >= 0, host.operator[launcher], NONE).astype(np.int32) if len(host.kind) else launcher


def _dispatching(host: _Host, launches: Ints, name: Ints, names: list[str], rows: int) -> Flags:
    """Operators that leave their work to other operators or to a device, shape (rows,).

    One that only allocates, copies or makes views through others (`aten::convolution_backward`) does its work itself.
    """
    flags = np.zeros(rows, bool)
    works = np.array([operators.category_of_leaf(text) == "kernel" for text in names], bool)
    inner = np.flatnonzero((host.kind == OPERATOR) & (host.parent >= 0) & works[name[: len(host.kind)]])
    callers = host.operator[host.parent[inner]]
    flags[callers[callers >= 0]] = True
    launching = host.operator[launches]
    flags[launching[launching >= 0]] = True
    return flags


def _memory(columns: EventColumns, host: _Host, thread: Ints) -> tuple[dict[str, Ints], list[str]]:
    """Add memory events to the innermost operator open on their thread (else to what encloses it).

    Returns:
        allocated_bytes and peak_bytes of the host rows, -1 where there is none; and notes.
    """
    at, on = columns.take("memory_start"), columns.take("memory_thread")
    size, held = columns.take("memory_bytes"), columns.take("memory_total")
    if not len(at):
        return {}, []
    row = np.full(len(at), NONE, np.int32)
    for code in np.unique(on):
        events, rows = np.flatnonzero(on == code), np.flatnonzero(thread == code)
        if len(rows):
            before = np.searchsorted(host.start[rows], at[events], side="right") - 1
            row[events] = np.where(before >= 0, rows[before], NONE)
    late = np.flatnonzero(row >= 0)
    while len(late := late[host.end[row[late]] < at[late]]):
        row[late] = host.parent[row[late]]
        late = late[row[late] >= 0]
    row = np.where((row >= 0) & (host.operator[row] >= 0), host.operator[row], row)
    inside = row >= 0
    allocated = np.full(len(host.kind), NONE, np.int64)
    positive = inside & (size > 0)
    allocated[row[positive]] = 0
    np.add.at(allocated, row[positive], size[positive])
    peak = np.full(len(host.kind), NONE, np.int64)
    np.maximum.at(peak, row[inside], held[inside])
    outside = int(np.count_nonzero(~inside))
    notes = [f"{outside} of {len(at)} memory events lie outside every record"] if outside else []
    return {"allocated_bytes": allocated, "peak_bytes": calltree.largest_below(host.parent, peak)}, notes


def _named(operator: Ints, name: Ints, names: list[str], kind: Ints) -> dict[str, Any]:
    """Columns operator, symbol, kind, file and line."""
    codes: dict[str, int] = {}
    canonical = np.array([codes.setdefault(operators.canonical(text), len(codes)) for text in names], np.int32)
    kinds = list(dict.fromkeys(_KIND_NAMES))
    kind_codes = np.array([kinds.index(text) for text in _KIND_NAMES], np.int32)
    table = {
        "operator": from_codes(np.where(operator >= 0, canonical[name[operator]], NONE), list(codes)),
        "symbol": from_codes(name, names),
        "kind": from_codes(kind_codes[kind], kinds),
    }
    if not np.any(kind == PYTHON):
        return table
    files: dict[str, int] = {}
    file_of, line_of = np.full(len(names), NONE, np.int32), np.full(len(names), NONE, np.int32)
    for code in np.unique(name[kind == PYTHON]).tolist():
        match = _PYTHON_NAME.fullmatch(names[code])
        if match:
            file_of[code] = files.setdefault(match["file"], len(files))
            line_of[code] = int(match["line"])
    return table | {"file": from_codes(file_of[name], list(files)), "line": from_integers(line_of[name])}


def _threads(thread: Ints, threads: list[tuple[bool, int | str, int | str]]) -> dict[str, Any]:
    """Columns thread and device. Device rows have the index of the device as their process."""
    labels = [f"{pid} stream {tid}" if device else f"{pid}/{tid}" for device, pid, tid in threads]
    devices = [f"cuda:{pid}" if device else "cpu" for device, pid, _ in threads]
    unique = list(dict.fromkeys(devices))
    codes = np.array([unique.index(device) for device in devices], np.int32)
    return {"thread": from_codes(thread, labels), "device": from_codes(codes[thread], unique)}
