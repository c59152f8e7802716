"""What follows from a profile beside its self cost: FLOP, bytes, intensity and rates, for each key of a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from profkit.columns import Flags, Ints, to_codes
from profkit.costs import is_multiply_add
from profkit.errors import UsageError
from profkit.profile import Profile
from profkit.registry import unknown
from profkit.summary import Key, group_rows

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Quantity:
    """A column that `show` and `diff` have on demand.

    Attributes:
        head: of the column.
        unit: FLOP, MAC, bytes, FLOP/byte, FLOP/s, bytes/s or FLOP/instruction.
        meaning: one line.
        needs: columns of sums that it is made of.
        of: from those sums to the value, shape (keys,) each; NaN where there is none.
        additive: whether the values of two keys sum to that of both.
    """

    head: str
    unit: str
    meaning: str
    needs: tuple[str, ...]
    of: Callable[..., Values]
    additive: bool = False


def _itself(values: Values) -> Values:
    return values


def _ratio(above: Values, below: Values) -> Values:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _sum_of(column: str, head: str, unit: str, meaning: str) -> Quantity:
    return Quantity(head, unit, meaning, (column,), _itself, additive=True)


QUANTITIES: Mapping[str, Quantity] = {
    "flop": _sum_of("flop", "FLOP", "FLOP", "floating-point operations; a multiply-add is two"),
    "macs": _sum_of("macs", "MAC", "MAC", "multiply-adds of matrix products, convolutions and attention: FLOP / 2"),
    "traffic_bytes": _sum_of("traffic_bytes", "bytes", "bytes", "compulsory bytes: inputs and outputs once each"),
    "intensity": Quantity(
        "FLOP/B", "FLOP/byte", "arithmetic intensity: FLOP / compulsory bytes", ("flop", "traffic_bytes"), _ratio
    ),
    "flop_per_s": Quantity("FLOP/s", "FLOP/s", "achieved: FLOP / self time", ("flop", "seconds"), _ratio),
    "bytes_per_s": Quantity(
        "bytes/s", "bytes/s", "achieved: compulsory bytes / self time", ("traffic_bytes", "seconds"), _ratio
    ),
    "flop_per_instruction": Quantity(
        "FLOP/instr.", "FLOP/instruction", "FLOP / instructions", ("flop", "self_instructions"), _ratio
    ),
    "allocated_bytes": _sum_of("allocated_bytes", "allocated", "bytes", "bytes allocated, frees not subtracted"),
}
"""By the name that `--columns` takes."""


@dataclass(frozen=True)
class Derived:
    """The values of some quantities.

    Attributes:
        values: by quantity, one for each key; None where nothing is known.
        least: by quantity, whether a value is the least that it can be, because some operators have no formula; the
            last one is of all keys together.
        whole: by quantity, of all keys together.
    """

    values: Mapping[str, tuple[float | None, ...]]
    least: Mapping[str, tuple[bool, ...]]
    whole: Mapping[str, float | None]


def parse_quantities(text: str) -> tuple[str, ...]:
    """Read `flop,intensity`.

    Raises:
        UsageError: a quantity that does not exist.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in QUANTITIES:
            raise unknown("column", name, QUANTITIES)
    return tuple(dict.fromkeys(names))


def derive(
    profile: Profile,
    by: Sequence[str],
    keys: Sequence[Sequence[Key]],
    names: Sequence[str],
    rows: Flags | None = None,
    per: int = 1,
) -> Derived:
    """The values of quantities for the keys of a summary, or for several keys together.

    Args:
        profile: that was summed.
        by: the columns that make a key.
        keys: what each value is the sum over; keys that the profile does not have add nothing.
        names: of quantities.
        rows: which rows count, shape (rows,); None for all.
        per: what additive quantities are divided by: the number of steps, for values of one.

    Raises:
        UsageError: the profile says nothing that a quantity could be made of.
    """
    table = profile.operators if rows is None else profile.operators.filter(pa.array(rows))
    found, inverse = group_rows(table, by)
    together = {key: index for index, several in enumerate(keys) for key in several}
    chosen = np.array([together.get(key, len(keys)) for key in found], np.int64)[inverse]
    columns = {column: _column(profile, table, column) for name in names for column in QUANTITIES[name].needs}
    for name in names:
        missing = [column for column in QUANTITIES[name].needs if np.isnan(columns[column]).all()]
        if missing:
            raise UsageError(f"the profile has no {_WORDS.get(missing[0], missing[0])}", _HINTS.get(missing[0], ""))
    sums = {column: _sums(values, chosen, len(keys) + 1)[:-1] for column, values in columns.items()}
    uncosted = np.bincount(chosen, uncosted_rows(table), len(keys) + 1)[:-1] > 0
    values, least, whole = {}, {}, {}
    for name in names:
        quantity = QUANTITIES[name]
        of_keys = quantity.of(*(sums[column] for column in quantity.needs))
        of_all = quantity.of(*(np.array([np.nansum(columns[column])]) for column in quantity.needs))
        if quantity.additive:
            of_keys, of_all = of_keys / per, of_all / per
        values[name] = tuple(None if np.isnan(value) else float(value) for value in of_keys)
        by_formula = bool({"flop", "macs", "traffic_bytes"} & set(quantity.needs)) and name != "intensity"
        least[name] = (*(uncosted & by_formula & ~np.isnan(of_keys)).tolist(), bool(uncosted.any()) and by_formula)
        whole[name] = None if np.isnan(of_all[0]) else float(of_all[0])
    return Derived(values, least, whole)


_WORDS = {"flop": "FLOP", "macs": "FLOP", "traffic_bytes": "bytes", "seconds": "time"}
_NO_SHAPES = "only a trace of PyTorch Profiler with shapes (record_shapes=True) tells what operators work on"
_HINTS = {
    "flop": _NO_SHAPES,
    "macs": _NO_SHAPES,
    "traffic_bytes": _NO_SHAPES,
    "seconds": "instructions are no time: record with --tool torch, wallclock or py-spy",
    "self_instructions": "record with --tool callgrind",
    "allocated_bytes": "record with --tool torch",
}


def working_rows(table: pa.Table) -> Flags:
    """Operators and kernels: the rows that have a cost if it is known, shape (rows,)."""
    kind, kinds = to_codes(table["kind"])
    return np.isin(kind, [code for code, name in enumerate(kinds) if name in ("operator", "kernel")])


def uncosted_rows(table: pa.Table) -> Flags:
    """Operators and kernels whose cost is not known, shape (rows,)."""
    return working_rows(table) & table["flop"].is_null().to_numpy()


def _column(profile: Profile, table: pa.Table, name: str) -> Values:
    """A column of the table, or one that follows from it; NaN for null, shape (rows,)."""
    if name == "seconds":
        return _seconds(profile, table)
    if name == "macs":
        return np.where(
            _multiply_adds(table), _floats(table["flop"]) / 2, np.where(table["flop"].is_valid(), 0.0, np.nan)
        )
    return _floats(table[name])


def _floats(column: pa.ChunkedArray) -> Values:
    return column.cast(pa.float64()).fill_null(np.nan).to_numpy()


def _multiply_adds(table: pa.Table) -> Flags:
    code, operators = to_codes(table["operator"])
    return np.array([*map(is_multiply_add, operators), False], bool)[code]


def _seconds(profile: Profile, table: pa.Table) -> Values:
    """Self time of each row [s], by the clock or by samples."""
    if table["self_ns"].null_count < table.num_rows:
        return _floats(table["self_ns"]) / 1e9
    period = profile.run.sampling_period_ns
    return _floats(table["samples"]) * (np.nan if period is None else period / 1e9)


def _sums(values: Values, inverse: Ints, size: int) -> Values:
    """Sums by key, shape (keys,); NaN where no row of the key has a value."""
    known = ~np.isnan(values)
    total = np.bincount(inverse[known], values[known], size)
    return np.where(np.bincount(inverse[known], minlength=size) > 0, total, np.nan)
