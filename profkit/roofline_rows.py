"""Rows of a profile with their time, their work and their roof: from the table's own costs, or from the network's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit.columns import NONE, Flags, Ints, to_codes, valid
from profkit.costs import is_multiply_add
from profkit.errors import UsageError
from profkit.peaks import Peaks
from profkit.profile import Profile
from profkit.roofs import BOUNDS, UNKNOWN, Floats, Roofs, Work, is_floating, roofs
from profkit.run import Run
from profkit.summary import Key, groups, is_host

LIKELY = "float32"
"""The type of a network where the tool names none at all."""
PLACE = ("layer", "phase")

_RECORD = "record with --tool torch, which sees time and shapes, or with --tool wallclock"
_WORKING = ("operator", "kernel")
"""Kinds of rows that may have work; the time of the others is spent between operators."""


class LayerCost(Protocol):
    """Work of one operator of a network as data, in one step."""

    @property
    def layer(self) -> str | None: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def operator(self) -> str: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def calls(self) -> int: ...
    @property
    def flop(self) -> int | None: ...
    @property
    def traffic_bytes(self) -> int | None: ...


@dataclass(frozen=True)
class Rows:
    """Rows with time, work and roof; all arrays have shape (rows,).

    Attributes:
        by: the columns that make a key.
        keys: distinct keys.
        key: place of each row's key.
        operators: of each row, for what has no cost.
        time_ns: self time over all steps.
        per_step_ns: the same in each step, (rows, steps); None where the tool does not tell them apart.
        calls: how often it ran.
        flop: operations; NaN where unknown.
        macs: multiply-adds among them, each of two operations.
        traffic_bytes: compulsory bytes; NaN where unknown.
        compute_ns: time of the arithmetic at its peak.
        memory_ns: time of the traffic at its level's bandwidth.
        bound: code of `BOUNDS`.
        level: place in `levels`, -1 for none.
        levels: names of the levels of memory and their bandwidths [bytes/s].
        dtype: place in `dtypes` of the arithmetic's type.
        dtypes: names of types.
        assumed: whether that type is a guess.
        peaks: FLOP/s of the types that occur; None where the machine has none.
    """

    by: tuple[str, ...]
    keys: tuple[Key, ...]
    key: Ints
    operators: Sequence[str | None]
    time_ns: Floats
    per_step_ns: Floats | None
    calls: Floats
    flop: Floats
    macs: Floats
    traffic_bytes: Floats
    compute_ns: Floats
    memory_ns: Floats
    bound: Ints
    level: Ints
    levels: dict[str, float]
    dtype: Ints
    dtypes: tuple[str, ...]
    assumed: Flags
    peaks: dict[str, float | None]

    @property
    def roof_ns(self) -> Floats:
        """Least time, shape (rows,); 0 where it is unknown."""
        return np.where(self.bound == UNKNOWN, 0.0, np.maximum(self.compute_ns, self.memory_ns))


def has_costs(profile: Profile) -> bool:
    """Whether the tool saw enough of any operator for its cost to be known."""
    return profile.operators["flop"].null_count < profile.operators.num_rows


def time_of(profile: Profile) -> Floats:
    """Self time of each row over all steps [ns], shape (rows,).

    Raises:
        UsageError: the profile counts something that is no time, or has none.
    """
    if not profile.operators.num_rows:
        raise UsageError("the profile has no rows", "record more steps")
    cost = profile.cost().astype(float)
    if profile.metric == "self_instructions":
        raise UsageError("the profile counts instructions, and a roof is a limit of time", _RECORD)
    if profile.metric == "samples":
        period = profile.run.sampling_period_ns
        if not period:
            raise UsageError("the profile has samples, but not how much time lies between them", _RECORD)
        cost *= period
    if not cost.any():
        raise UsageError("the profile has no time at all", "record more steps")
    return cost


def rows_of_table(profile: Profile, peaks: Peaks, by: Sequence[str], device: str) -> Rows:
    """The rows of a profile that knows the cost of its operators.

    Args:
        profile: with time.
        peaks: of the machine.
        by: columns of the keys.
        device: `cpu`, or `device` for what ran beside it.
    """
    side = is_host(profile) == (device == "cpu")
    table = profile.operators
    dtype, dtypes, assumed = _dtypes(table)
    work = _work(table)
    parts: list[tuple[Flags, Roofs]] = []
    for name in dict.fromkeys(_devices(table, side)):
        rows = side & _is_on(table, name, device)
        parts.append((rows, roofs(_of_device(work, rows, name, profile.run, (dtype, dtypes), table), peaks)))
    return _joined(profile, by, side, work, parts, (dtype, dtypes, assumed))


def rows_of_network(profile: Profile, peaks: Peaks, by: Sequence[str], network: Sequence[LayerCost]) -> Rows:
    """The places of a profile that knows no shapes, with the cost that the network as data has in them.

    Args:
        profile: with time on the processor.
        peaks: of the machine.
        by: columns of the keys: layer and phase, and the operator where its names are those of the network.
        network: cost of one step.

    Raises:
        UsageError: another column is asked for.
    """
    places = _check_places(profile, by, network)
    table = profile.operators.filter(pa.array(is_host(profile)))
    keys, row_key = groups(table, places)
    index = {key: place for place, key in enumerate(keys)}
    cost_key = np.array([_placed(each, places, index) for each in network], np.int64)
    steps = profile.run.steps or 1
    work, dtypes = _network_work(network, profile.run, steps)
    found = roofs(work, peaks)
    time = time_of(profile)[is_host(profile)]
    return _of_places(profile.run, by, places, (list(index), row_key, time), (cost_key, work, found, dtypes))


def _check_places(profile: Profile, by: Sequence[str], network: Sequence[LayerCost]) -> tuple[str, ...]:
    """The columns that time and cost are brought together by.

    Raises:
        UsageError: the cost of the network does not lie in such columns.
    """
    if set(by) <= set(PLACE):
        return PLACE
    wrong = [name for name in by if name not in (*PLACE, "operator")]
    if not wrong:
        keys = {tuple(key) for key in groups(profile.operators, (*PLACE, "operator"))[0]}
        whole = sum(each.flop or 0 for each in network)
        named = sum(each.flop or 0 for each in network if (each.layer, each.phase, each.operator) in keys)
        if named >= 0.9 * whole:
            return (*PLACE, "operator")
    raise UsageError(
        f"{profile.run.tool} sees no shapes, so costs are known by layer and phase, not by {(wrong or ['operator'])[0]}",
        "leave out --by, or record with --tool torch",
    )


def _placed(cost: LayerCost, places: tuple[str, ...], index: dict[Key, int]) -> int:
    """The key a cost belongs to: its own, that of its phase where the tool saw no more, else a new one without time."""
    key: Key = (cost.layer, cost.phase, cost.operator)[: len(places)]
    phase: Key = (None, cost.phase, None)[: len(places)]
    if key not in index and phase in index:
        return index[phase]
    return index.setdefault(key, len(index))


def _network_work(network: Sequence[LayerCost], run: Run, steps: int) -> tuple[Work, tuple[str, ...]]:
    dtypes = tuple(dict.fromkeys(each.dtype or LIKELY for each in network))
    unknown = float("nan")

    def numbers(values: Sequence[int | None]) -> Floats:
        return np.array([unknown if value is None else float(value) * steps for value in values])

    work = Work(
        device="cpu",
        threads=run.threads,
        calls=numbers([each.calls for each in network]),
        flop=numbers([each.flop for each in network]),
        traffic_bytes=numbers([each.traffic_bytes for each in network]),
        dtype=np.array([dtypes.index(each.dtype or LIKELY) for each in network], np.int64),
        dtypes=dtypes,
        native=np.array([each.phase == "backward" for each in network], bool),
        language=language(run),
    )
    return work, dtypes


def _of_places(
    run: Run,
    by: Sequence[str],
    places: tuple[str, ...],
    timed: tuple[list[Key], Ints, Floats],
    costed: tuple[Ints, Work, Roofs, tuple[str, ...]],
) -> Rows:
    """One row a place and operator of the network; the time of a place is divided among its operators by their roofs."""
    place_keys, row_key, time = timed
    cost_key, work, found, dtypes = costed
    size = len(place_keys)
    known = found.bound != UNKNOWN
    roof = np.where(known, found.roof_ns, 0.0)
    of_place = np.bincount(row_key, time, size)
    count = np.bincount(cost_key, minlength=size)
    whole = np.bincount(cost_key, roof, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(whole[cost_key] > 0, roof / whole[cost_key], 1 / np.maximum(count[cost_key], 1))
    empty = np.flatnonzero((count == 0) & (of_place > 0))
    lost = np.array([place_keys[place][0] is not None for place in empty], bool)
    nothing = np.where(lost, np.nan, 0.0)
    key = np.concatenate([cost_key, empty])
    keys, inverse = _narrowed(place_keys, places, by)
    used = {level.level: level.bytes_per_s.value for level in found.levels}
    none = np.full(len(empty), NONE, np.int64)
    multiply_adds = np.array(run_macs(work.flop, [cost for cost in _names(place_keys, cost_key, places)]))
    return Rows(
        by=tuple(by),
        keys=keys,
        key=inverse[key],
        operators=[None] * len(key),
        time_ns=np.concatenate([of_place[cost_key] * part, of_place[empty]]),
        per_step_ns=None,
        calls=np.concatenate([work.calls, np.zeros(len(empty))]),
        flop=np.concatenate([work.flop, nothing]),
        macs=np.concatenate([multiply_adds, np.zeros(len(empty))]),
        traffic_bytes=np.concatenate([work.traffic_bytes, nothing]),
        compute_ns=np.concatenate([found.compute_ns, nothing]),
        memory_ns=np.concatenate([found.memory_ns, nothing]),
        bound=np.concatenate([found.bound, np.where(lost, UNKNOWN, BOUNDS.index("dispatch"))]),
        level=np.concatenate([found.level, none]),
        levels=used,
        dtype=np.concatenate([work.dtype, none]),
        dtypes=dtypes,
        assumed=np.zeros(len(key), bool),
        peaks=found.peaks,
    )
