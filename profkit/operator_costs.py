"""FLOP and bytes of every record: the formula of its operator, computed once for each distinct call.

Operators call each other (`aten::linear` calls `aten::addmm`), and both may have a formula. A record's own cost is what
its formula gives beyond the costs of its callees, so that a sum over all records counts everything once. Where an
operator launched work on a device, its own cost is that of the longest kernel that it launched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from profkit.calltree import depths, inherit
from profkit.columns import NONE, Flags, Ints, integers, to_codes, to_integers
from profkit.costs import UNTOLD, Cost, CostUnknownError, Inputs, Tensor, Untold, Value, cost_of
from profkit.operators import category_of_leaf, is_backward

COLUMNS = ("flop", "traffic_bytes")
UNKNOWN = NONE
"""In a column of costs: nobody knows."""

_SPARSE = re.compile(r"aten::(?:_nnz|_?indices|_?values|c?(?:row|col)_indices|sparse_dim|_?sparse_.*|_coalesce)")
"""What an operator on sparse tensors calls: its shapes say nothing of its work."""

_LARGEST = 2**62


@dataclass(frozen=True)
class _Launches:
    """Kernels that operators launched.

    Attributes:
        kernel: row of each kernel, shape (kernels,).
        operator: place of the operator that launched it among the operators, shape (kernels,).
        longest: whether it is the longest of that operator, shape (kernels,).
    """

    kernel: Ints
    operator: Ints
    longest: Flags


@dataclass(frozen=True)
class _Calls:
    """The operators among the records, and the distinct calls that they are of.

    Attributes:
        row: of each operator, callers before callees or not, shape (operators,).
        caller: the operator that called it, as a place in `row`, or -1, shape (operators,).
        call: code of the distinct call, shape (operators,).
        names: operator of each distinct call.
        inputs: what the trace says of its inputs, None for nothing.
        launches: what they launched on devices.
    """

    row: Ints
    caller: Ints
    call: Ints
    names: list[str]
    inputs: list[str | None]
    launches: _Launches

    @property
    def launched(self) -> Flags:
        """Whether each operator launched something, shape (operators,)."""
        flags = np.zeros(len(self.row), bool)
        flags[self.launches.operator] = True
        return flags


def record_costs(records: pa.Table) -> dict[str, Ints]:
    """Own cost of each record.

    Args:
        records: of any tool; one that knows no inputs of operators gives no costs.

    Returns:
        `flop` and `traffic_bytes`, shape (rows,) each: -1 where it is unknown and for what is no operator; no columns
        at all where no record says anything of inputs.
    """
    if records["inputs"].null_count == records.num_rows:
        return {}
    calls = _calls(records)
    known = [_known(name, inputs) for name, inputs in zip(calls.names, calls.inputs, strict=True)]
    levels = _levels(calls.caller)
    sparse = _calling_sparse(calls, levels)
    helped = calls.launched | _delegating(calls)
    costs: dict[str, Ints] = {}
    for column in COLUMNS:
        of_call = np.array([UNKNOWN if cost is None else _small(getattr(cost, column)) for cost in known], np.int64)
        by_formula = of_call[calls.call]
        by_formula = np.where(sparse & (by_formula > 0), UNKNOWN, by_formula)
        own = _own(by_formula, calls, levels, helped)
        costs[column] = _with_kernels(own, by_formula, calls, records.num_rows)
    return costs


def parse_inputs(text: str) -> Inputs:
    """The inputs of a call as the column `inputs` has them.

    Raises:
        CostUnknownError: a size that is no whole number, or lists that do not belong together.

    >>> parse_inputs('[[8,4],[4,2],[]],["float32","float32","Scalar"],["","","1"]').values
    (Tensor(shape=(8, 4), dtype='float32'), Tensor(shape=(4, 2), dtype='float32'), 1)
    """
    try:
        dims, types, values = msgspec.json.decode(f"[{text}]")
    except (msgspec.DecodeError, ValueError) as error:
        raise CostUnknownError("inputs that cannot be read") from error
    if not all(isinstance(part, list) for part in (dims, types, values)) or len(types) not in (0, len(dims)):
        raise CostUnknownError("shapes and types differ in number")
    return Inputs(
        tuple(
            _value(size, types[place] if types else None, values[place] if place < len(values) else None)
            for place, size in enumerate(dims)
        )
    )


def _value(sizes: Any, kind: Any, told: Any) -> Value | Untold:
    """One input: its sizes, its type, and its value as text where the trace has it."""
    if kind == "":
        return None
    if kind in ("Scalar", "ScalarList"):
        return _number(told)
    if kind == "TensorList" or isinstance(kind, list) or _nested(sizes):
        if not isinstance(sizes, list):
            raise CostUnknownError(f"a list of tensors has no shapes: {sizes}")
        types = kind if isinstance(kind, list) else [None] * len(sizes)
        if len(types) != len(sizes):
            raise CostUnknownError("a list of tensors has another number of types than of shapes")
        return tuple(_tensor(size, one) for size, one in zip(sizes, types, strict=True))
    return _tensor(sizes, kind)


def _nested(sizes: Any) -> bool:
    return isinstance(sizes, list) and bool(sizes) and isinstance(sizes[0], list)


def _tensor(sizes: Any, kind: Any) -> Tensor:
    if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
        raise CostUnknownError(f"a size is no number: {sizes}")
    return Tensor(tuple(sizes), None if kind is None else str(kind))


def _number(told: Any) -> Value | Untold:
    """A number, a truth value, a text, or a list of numbers, from the text in the trace."""
    if not isinstance(told, str) or told == "":
        return UNTOLD
    if told in ("True", "False"):
        return told == "True"
    # Torch writes floats as `0.` and truth values in Python's way.
    text = told.replace("True", "true").replace("False", "false").replace(".,", ".0,").replace(".]", ".0]")
    try:
        value = msgspec.json.decode(text + "0" if text.endswith(".") else text)
    except msgspec.DecodeError:
        return told
    if isinstance(value, list):
        return tuple(value) if all(isinstance(one, bool | int | float) for one in value) else UNTOLD
    return value if isinstance(value, bool | int | float) else told


def _cost(operator: str, inputs: str | None) -> Cost:
    if is_backward(operator):  # the graph's nodes leave all work to operators
        return Cost(0, 0)
    return cost_of(operator, parse_inputs("[],[],[]" if inputs is None else inputs))


def _known(operator: str, inputs: str | None) -> Cost | None:
    try:
        return _cost(operator, inputs)
    except CostUnknownError:
        return None


def _small(value: int | None) -> int:
    return UNKNOWN if value is None or value > _LARGEST else value


def _calls(records: pa.Table) -> _Calls:
    kind, kinds = to_codes(records["kind"])
    is_operator = kind == kinds.index("operator") if "operator" in kinds else np.zeros(len(kind), bool)
    row = np.flatnonzero(is_operator)
    place = np.full(records.num_rows + 1, NONE, np.int64)
    place[row] = np.arange(len(row))
    parent = to_integers(records["parent_id"])
    around = inherit(parent, place[:-1].astype(np.int32))
    caller = np.where(parent[row] >= 0, around[parent[row]], NONE)
    name, names = to_codes(records["operator"])
    inputs, texts = to_codes(records["inputs"])
    key = name[row].astype(np.int64) * (len(texts) + 1) + inputs[row] + 1
    distinct, call = _distinct(key)
    return _Calls(
        row=row,
        caller=caller,
        call=call,
        names=[names[code] for code in (distinct // (len(texts) + 1)).tolist()],
        inputs=[texts[code] if code >= 0 else None for code in (distinct % (len(texts) + 1) - 1).tolist()],
        launches=_launches(records, place),
    )


def _distinct(key: Ints) -> tuple[Ints, Ints]:
    """The distinct keys, and which of them each one is."""
    encoded = integers(key).dictionary_encode()
    return to_integers(pa.chunked_array([encoded.dictionary])), to_integers(pa.chunked_array([encoded.indices]))


def _levels(caller: Ints) -> list[Ints]:
    """The operators of each level of nesting, callers first."""
    depth = depths(caller.astype(np.int32))
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.cumsum(np.bincount(depth, minlength=1))[:-1])


def _delegating(calls: _Calls) -> Flags:
    """Operators that leave their work to others, shape (operators,): they call one that neither allocates nor views."""
    works = np.array([category_of_leaf(name) == "kernel" for name in calls.names], bool)[calls.call]
    flags = np.zeros(len(calls.row), bool)
    callers = calls.caller[works & (calls.caller >= 0)]
    flags[callers] = True
    return flags


def _calling_sparse(calls: _Calls, levels: Sequence[Ints]) -> Flags:
    """Operators that work on sparse tensors, or call one that does, shape (operators,)."""
    flags = np.array([_SPARSE.fullmatch(name) is not None for name in calls.names], bool)[calls.call]
    if flags.any():
        for rows in reversed(levels[1:]):
            flags[calls.caller[rows[flags[rows]]]] = True
    return flags


def _own(formula: Ints, calls: _Calls, levels: Sequence[Ints], helped: Flags) -> Ints:
    """What each operator costs beyond its callees, -1 for unknown, shape (operators,).

    Args:
        formula: cost by formula, -1 where there is none, shape (operators,).
        calls: who called whom.
        levels: operators by depth.
        helped: operators whose work others do, so that one without a formula has none of its own.
    """
    below = np.zeros(len(formula), np.int64)
    for rows in reversed(levels[1:]):
        np.add.at(below, calls.caller[rows], np.maximum(formula[rows], below[rows]))
    own = np.maximum(formula - below, 0)
    return np.where(formula >= 0, own, np.where(helped, 0, UNKNOWN))


def _launches(records: pa.Table, place: Ints) -> _Launches:
    """The kernels and who launched them.

    Args:
        records: all of them.
        place: of each record among the operators, -1 for what is none, shape (rows + 1,).
    """
    launcher = to_integers(records["launcher_id"])
    kernels = np.flatnonzero((launcher >= 0) & (place[launcher] >= 0))
    kernels = kernels[np.argsort(to_integers(records["total_ns"])[kernels], kind="stable")]
    operator = place[launcher[kernels]]
    last = np.full(int(operator.max(initial=NONE)) + 1, NONE, np.int64)
    last[operator] = np.arange(len(kernels))  # of several, the last one written stays
    return _Launches(kernels, operator, last[operator] == np.arange(len(kernels)))


def _with_kernels(own: Ints, formula: Ints, calls: _Calls, rows: int) -> Ints:
    """Cost of every record: of an operator that launched kernels the longest of them has it, and the others nothing.

    Args:
        own: cost of each operator beyond its callees, shape (operators,).
        formula: its cost by formula, -1 where there is none, shape (operators,).
        calls: the operators and their kernels.
        rows: number of records.
    """
    cost = np.full(rows, UNKNOWN, np.int64)
    cost[calls.row] = own
    by, longest = calls.launches.operator, calls.launches.longest
    cost[calls.launches.kernel] = np.where(formula[by] < 0, UNKNOWN, np.where(longest, own[by], 0))
    cost[calls.row[by]] = 0
    return cost
