"""Sum an operator table by some of its columns: what `show` prints and `diff` aligns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit.columns import chosen, counts, flattened, to_codes, valid
from profkit.costs import is_multiply_add
from profkit.errors import UsageError
from profkit.profile import Profile
from profkit.registry import unknown

Key = tuple[str | None, ...]
Costs = np.ndarray[Any, np.dtype[np.int64]]

DIMENSIONS = (
    "operator", "layer", "phase", "category", "file", "line", "symbol", "library", "kind", "dtype", "input_shapes",
)  # fmt: skip
"""What a table can be summed by."""


@dataclass(frozen=True)
class Summary:
    """Sums of self cost by key, largest first; all arrays have one value a key.

    Attributes:
        by: the columns that make a key.
        unit: of the costs.
        keys: values of those columns, None where a row has none.
        self_cost: sum of the rows' self cost.
        total_cost: cost with callees; None where no row of the key has one, and outside every operator, where rows
            nest in each other.
        count: calls; None likewise.
        estimated: the part of self_cost that is an estimate.
        per_step: self cost in each step, shape (keys, steps); None where there are no steps, or none that
            the tool can tell apart.
    """

    by: tuple[str, ...]
    unit: str
    keys: tuple[Key, ...]
    self_cost: Costs
    total_cost: tuple[int | None, ...]
    count: tuple[int | None, ...]
    estimated: Costs
    per_step: Costs | None


@dataclass(frozen=True)
class Coverage:
    """Shares of the whole self cost on one kind of device.

    Attributes:
        operator: in rows with an operator.
        layer: in rows with a layer.
        phase: in rows with a phase.
        placed: in rows with a layer or a phase.
        estimated: that reached its operator by an estimate.
    """

    operator: float
    layer: float
    phase: float
    placed: float
    estimated: float


def is_host(profile: Profile) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows were paid on the processor, shape (rows,); the others ran on a device beside it, at the same time."""
    code, devices = to_codes(profile.operators["device"])
    return np.array([*(device == "cpu" for device in devices), True], bool)[code]


def multiply_adds(table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows are of an operator whose FLOP are all multiply-adds, shape (rows,)."""
    code, operators = to_codes(table["operator"])
    return np.array([*map(is_multiply_add, operators), False], bool)[code]


def parse_dimensions(text: str) -> tuple[str, ...]:
    """Read `layer` or `layer,phase`.

    Raises:
        UsageError: a dimension that does not exist.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in DIMENSIONS:
            raise unknown("dimension", name, DIMENSIONS)
    return names


def summarise(profile: Profile, by: Sequence[str], rows: np.ndarray[Any, np.dtype[np.bool_]] | None = None) -> Summary:
    """Sum the rows of a profile (or those chosen by a mask) by the columns `by`."""
    table = profile.operators if rows is None else chosen(profile.operators, rows)
    metric = profile.metric
    keys, inverse = group_rows(table, by)
    size = len(keys)
    self_cost = _sums(table[metric], inverse, size)
    steps = _per_step(table, metric, inverse, size, profile.run.steps)
    estimated = (
        _sums(table["estimated_instructions"], inverse, size)
        if metric == "self_instructions"
        else np.zeros(size, np.int64)
    )
    total = (
        _optional_sums(table[metric.replace("self_", "total_")], inverse, size)
        if metric.startswith("self_")
        else (None,) * size
    )
    count = _optional_sums(table["count"], inverse, size)
    order = np.argsort(-self_cost, kind="stable")
    return Summary(
        by=tuple(by),
        unit=profile.unit,
        keys=tuple(keys[index] for index in order),
        self_cost=self_cost[order],
        total_cost=tuple(None if None in _operators(keys[index], by) else total[index] for index in order),
        count=tuple(count[index] for index in order),
        estimated=estimated[order],
        per_step=None if steps is None else steps[order],
    )


def coverage(profile: Profile, rows: np.ndarray[Any, np.dtype[np.bool_]] | None = None) -> Coverage:
    """How much of the self cost (of the chosen rows) is attributed.

    Raises:
        UsageError: there is no cost to speak of.
    """
    cost = profile.cost().astype(float)
    if rows is not None:
        cost = np.where(rows, cost, 0.0)
    whole = cost.sum()
    if whole == 0:
        raise UsageError("the profile has no cost at all", "record more steps")
    known = {name: valid(profile.operators[name]) for name in ("operator", "layer", "phase")}
    estimated = counts(profile.operators["estimated_instructions"])
    return Coverage(
        operator=float(cost[known["operator"]].sum() / whole),
        layer=float(cost[known["layer"]].sum() / whole),
        phase=float(cost[known["phase"]].sum() / whole),
        placed=float(cost[known["layer"] | known["phase"]].sum() / whole),
        estimated=float(estimated.sum() / whole) if profile.metric == "self_instructions" else 0.0,
    )


def _operators(key: Key, by: Sequence[str]) -> list[str | None]:
    """The operator in a key, if it has a place for one."""
    return [value for value, name in zip(key, by, strict=True) if name == "operator"]


def group_rows(table: pa.Table, by: Sequence[str]) -> tuple[list[Key], np.ndarray[Any, np.dtype[np.int64]]]:
    """Distinct values of some columns of an operator table and, for each row, the index of its own, shape (rows,)."""
    columns = [_values(table, name) for name in by]
    index: dict[Key, int] = {}
    inverse = np.fromiter(
        (index.setdefault(key, len(index)) for key in zip(*columns, strict=True)), np.int64, table.num_rows
    )
    return list(index), inverse


def _values(table: pa.Table, name: str) -> list[str | None]:
    """A column; a file that the tool does not know is stood for by the library that the code lies in."""
    column = table[name]
    if name == "line":
        return pc.cast(column, pa.string()).to_pylist()
    return (pc.coalesce(column, table["library"]) if name == "file" else column).to_pylist()


def _sums(column: pa.ChunkedArray, inverse: np.ndarray[Any, np.dtype[np.int64]], size: int) -> Costs:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, inverse, counts(column))
    return sums


def _optional_sums(
    column: pa.ChunkedArray, inverse: np.ndarray[Any, np.dtype[np.int64]], size: int
) -> tuple[int | None, ...]:
    known = np.zeros(size, bool)
    np.logical_or.at(known, inverse, valid(column))
    return tuple(
        int(value) if valid else None for value, valid in zip(_sums(column, inverse, size), known, strict=True)
    )


def _per_step(
    table: pa.Table, metric: str, inverse: np.ndarray[Any, np.dtype[np.int64]], size: int, steps: int | None
) -> Costs | None:
    """Costs of each key in each step, (keys, steps); rows without a step list count nothing."""
    name = f"{metric}_per_step"
    if not steps or name not in table.column_names:
        return None
    column = table[name]
    if table.num_rows and column.null_count == table.num_rows:
        return None
    sums = np.zeros((size, steps), np.int64)
    np.add.at(sums, inverse[valid(column)], flattened(column).reshape(-1, steps))
    return sums
