"""What follows from a profile beside its self cost: FLOP, bytes, intensity and rates, for each key of a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from profkit.columns import Flags, Ints, chosen, to_codes, to_floats, valid
from profkit.errors import UsageError
from profkit.network_costs import network_costs
from profkit.network_places import placed, places_of
from profkit.profile import Profile
from profkit.registry import unknown
from profkit.summary import Key, group_rows, multiply_adds

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

    Where the tool saw no shapes, FLOP and bytes are those of the network as data, by layer and phase.

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
    table = profile.operators if rows is None else chosen(profile.operators, rows)
    groups = _Groups(tuple(by), {key: index for index, several in enumerate(keys) for key in several}, len(keys))
    needs = {column for name in names for column in QUANTITIES[name].needs}
    group = groups.of_rows(table)
    sums = {column: groups.sum(_column(profile, table, column), group) for column in needs}
    if needs & set(_OF_WORK) and table["flop"].null_count == table.num_rows:
        sums |= _of_network(profile, groups)
    uncosted = np.bincount(group, uncosted_rows(table), len(keys) + 1) > 0
    values, least, whole = {}, {}, {}
    for name in names:
        quantity = QUANTITIES[name]
        for column in quantity.needs:
            if np.isnan(sums[column]).all():
                raise UsageError(f"the profile has no {_WORDS.get(column, column)}", _HINTS.get(column, ""))
        found = quantity.of(*(np.append(sums[column], np.nansum(sums[column])) for column in quantity.needs))
        found = np.delete(found / per if quantity.additive else found, len(keys))
        values[name] = tuple(None if np.isnan(value) else float(value) for value in found[:-1])
        whole[name] = None if np.isnan(found[-1]) else float(found[-1])
        bounded = bool(set(_OF_WORK) & set(quantity.needs)) and name != "intensity"
        least[name] = tuple((np.append(uncosted[:-1], uncosted.any()) & bounded & ~np.isnan(found)).tolist())
    return Derived(values, least, whole)


@dataclass(frozen=True)
class _Groups:
    """What sums are over.

    Attributes:
        by: columns of the keys.
        group: of each key.
        size: number of groups; what lies in none goes to one more.
    """

    by: tuple[str, ...]
    group: Mapping[Key, int]
    size: int

    def of_rows(self, table: pa.Table) -> Ints:
        """Group of each row of an operator table, shape (rows,)."""
        found, inverse = group_rows(table, self.by)
        return np.array([self.group.get(key, self.size) for key in found], np.int64)[inverse]

    def sum(self, values: Values, group: Ints) -> Values:
        """Sums by group, shape (groups + 1,); NaN where no value of the group is known."""
        known = ~np.isnan(values)
        total = np.bincount(group[known], values[known], self.size + 1)
        return np.where(np.bincount(group[known], minlength=self.size + 1) > 0, total, np.nan)


_OF_WORK = ("flop", "macs", "traffic_bytes")
_WORDS = {"flop": "FLOP", "macs": "FLOP", "traffic_bytes": "bytes", "seconds": "time"}
_NO_SHAPES = "only a trace of PyTorch Profiler with shapes (record_shapes=True) tells what operators work on"
_HINTS = {
    **dict.fromkeys(_OF_WORK, _NO_SHAPES),
    "seconds": "instructions are no time: record with --tool torch, wallclock or py-spy",
    "self_instructions": "record with --tool callgrind",
    "allocated_bytes": "record with --tool torch",
}


def _of_network(profile: Profile, groups: _Groups) -> dict[str, Values]:
    """FLOP, multiply-adds and bytes of all steps by group, from the network as data; none for an unknown network."""
    network = network_costs(profile.run)
    if network is None:
        return {}
    places = places_of(profile, groups.by)
    known = set(group_rows(profile.operators, places)[0])
    keys = [dict(zip(places, placed(each, places, known), strict=True)) for each in network]
    group = np.array([groups.group.get(tuple(key[name] for name in groups.by), groups.size) for key in keys], np.int64)
    steps = profile.run.steps or 1
    work = np.array([[_or_nan(getattr(each, column)) for column in _OF_WORK] for each in network]) * steps
    return {column: groups.sum(work[:, place], group) for place, column in enumerate(_OF_WORK)}


def _or_nan(value: int | None) -> float:
    return np.nan if value is None else float(value)


def working_rows(table: pa.Table) -> Flags:
    """Operators and kernels: the rows that have a cost if it is known, shape (rows,)."""
    kind, kinds = to_codes(table["kind"])
    return np.isin(kind, [code for code, name in enumerate(kinds) if name in ("operator", "kernel")])


def uncosted_rows(table: pa.Table) -> Flags:
    """Operators and kernels whose cost is not known, shape (rows,)."""
    return working_rows(table) & ~valid(table["flop"])


def _column(profile: Profile, table: pa.Table, name: str) -> Values:
    """A column of the table, or one that follows from it; NaN for null, shape (rows,)."""
    if name == "seconds":
        return _seconds(profile, table)
    if name == "macs":
        known = np.where(valid(table["flop"]), 0.0, np.nan)
        return np.where(multiply_adds(table), to_floats(table["flop"]) / 2, known)
    return to_floats(table[name])


def _seconds(profile: Profile, table: pa.Table) -> Values:
    """Self time of each row [s], by the clock or by samples."""
    if table["self_ns"].null_count < table.num_rows:
        return to_floats(table["self_ns"]) / 1e9
    period = profile.run.sampling_period_ns
    return to_floats(table["samples"]) * (np.nan if period is None else period / 1e9)
