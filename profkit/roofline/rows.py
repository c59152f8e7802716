"""Rows of a profile with their time, their work and their roof, where the tool saw the shapes of operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from profkit.columns import NONE, Flags, Ints, chosen, counts, flattened, to_codes, valid
from profkit.errors import UsageError
from profkit.peaks import Peaks
from profkit.profile import Profile
from profkit.roofline.roofs import UNKNOWN, Floats, Work, is_floating, roofs
from profkit.run import Run
from profkit.summary import Key, group_rows, is_host, multiply_adds

LIKELY = "float32"
"""The type of a network where the tool names none at all."""
MANY = 1 << 30
"""Threads of a run that does not say how many it had: as many as the peaks are known for."""

_RECORD = "record with --tool torch, which sees time and shapes, or with --tool wallclock"
_WORKING = ("operator", "kernel")
"""Kinds of rows that may have work; the time of the others is spent between operators."""


@dataclass(frozen=True)
class Rows:
    """Rows with time, work and roof; all arrays have shape (rows,).

    Attributes:
        by: the columns that make a key.
        keys: distinct keys.
        key: place of each row's key.
        operator: place of each row's operator in `operators`, -1 outside every operator.
        operators: their names.
        time_ns: self time over all steps.
        per_step_ns: the same in each step, (rows, steps); None where the tool does not tell them apart.
        macs: multiply-adds, each of two FLOP; NaN where unknown.
        work: calls, FLOP and bytes, over all steps.
        compute_ns: time of the arithmetic at its peak; NaN where unknown.
        memory_ns: time of the traffic at its level's bandwidth; likewise.
        bound: code of `BOUNDS`.
        level: place in `levels`, -1 for none.
        levels: bandwidth [bytes/s] of each level of the memory by its name.
        peaks: FLOP/s of the types that occur; None where the machine has none.
        assumed: whether the type of the arithmetic is a guess.
    """

    by: tuple[str, ...]
    keys: tuple[Key, ...]
    key: Ints
    operator: Ints
    operators: Sequence[str]
    time_ns: Floats
    per_step_ns: Floats | None
    macs: Floats
    work: Work
    compute_ns: Floats
    memory_ns: Floats
    bound: Ints
    level: Ints
    levels: dict[str, float]
    peaks: dict[str, float | None]
    assumed: Flags

    @property
    def known(self) -> Flags:
        """Rows that have a roof, shape (rows,)."""
        return self.bound != UNKNOWN

    @property
    def roof_ns(self) -> Floats:
        """Least time, shape (rows,); 0 where it is unknown."""
        return np.where(self.known, np.maximum(self.compute_ns, self.memory_ns), 0.0)

    @property
    def left_ns(self) -> Floats:
        """Time beyond the roof, shape (rows,); 0 where the roof is unknown, and for a row that is above it."""
        return np.where(self.known, np.maximum(self.time_ns - self.roof_ns, 0.0), 0.0)


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
    table = chosen(profile.operators, side)
    dtype, dtypes, assumed = _dtypes(profile.operators)
    work = _work(table, profile.run, dtype[side], dtypes)
    keys, key = group_rows(table, by)
    operator, operators = to_codes(table["operator"])
    return Rows(
        by=tuple(by),
        keys=tuple(keys),
        key=key,
        operator=operator,
        operators=operators,
        time_ns=time_of(profile)[side],
        per_step_ns=_per_step(table, profile.run),
        macs=np.where(multiply_adds(table), work.flop / 2, np.where(np.isnan(work.flop), np.nan, 0.0)),
        work=work,
        assumed=assumed[side] & (np.nan_to_num(work.flop) > 0),
        **_limits(work, table, profile.run, peaks),
    )


def _limits(work: Work, table: pa.Table, run: Run, peaks: Peaks) -> dict[str, Any]:
    """What bounds each row, by the peaks of the device that it is on."""
    size = table.num_rows
    compute_ns, memory_ns = np.full(size, np.nan), np.full(size, np.nan)
    bound, level = np.full(size, UNKNOWN), np.full(size, NONE)
    levels: dict[str, float] = {}
    found: dict[str, float | None] = {}
    codes, names = to_codes(table["device"])
    for code in np.unique(codes):
        on = codes == code
        name = names[code] if code >= 0 else "cpu"
        part = roofs(replace(work.chosen(on), device=name, threads=threads_of(run, name)), peaks)
        compute_ns[on], memory_ns[on], bound[on] = part.compute_ns, part.memory_ns, part.bound
        levels |= {each.level: each.bytes_per_s.value for each in part.levels}
        place = [list(levels).index(each.level) for each in part.levels]
        level[on] = np.array([*place, NONE])[part.level]
        found |= part.peaks
    limits = {"compute_ns": compute_ns, "memory_ns": memory_ns, "bound": bound, "level": level}
    return {**limits, "levels": levels, "peaks": found}


def _work(table: pa.Table, run: Run, dtype: Ints, dtypes: tuple[str, ...]) -> Work:
    """Calls, FLOP and bytes of each row; what is no operator has no work."""
    kind, kinds = to_codes(table["kind"])
    between = np.array([*(name not in _WORKING for name in kinds), False], bool)[kind]
    flop, traffic_bytes = (
        np.where(valid(table[name]), counts(table[name]).astype(float), np.where(between, 0.0, np.nan))
        for name in ("flop", "traffic_bytes")
    )
    phase, phases = to_codes(table["phase"])
    return Work(
        device="cpu",
        threads=0,
        calls=np.where(between, 0.0, counts(table["count"]).astype(float)),
        flop=flop,
        traffic_bytes=traffic_bytes,
        dtype=dtype,
        dtypes=dtypes,
        native=np.array([*(name == "backward" for name in phases), False], bool)[phase],
        language=language(run),
    )


def _dtypes(table: pa.Table) -> tuple[Ints, tuple[str, ...], Flags]:
    """Type of each row's arithmetic, and whether it is assumed: the most frequent one of its layer, or of all.

    A row's own type is not believed where no arithmetic on it counts, or where the first input is a lone number.
    """
    code, names = to_codes(table["dtype"])
    shapes, texts = to_codes(table["input_shapes"])
    lone = np.array([*(text.startswith("[[],[") and text[5:6] != "]" for text in texts), False], bool)[shapes]
    own = np.array([*map(is_floating, names), False], bool)[code] & ~lone
    layer, layers = to_codes(table["layer"])
    calls = counts(table["count"]).astype(float)
    dtypes = (*names, *([] if LIKELY in names else [LIKELY]))
    votes = np.zeros((len(layers) + 1, len(dtypes)))
    np.add.at(votes, (layer[own], code[own]), calls[own])
    all_votes = votes.sum(axis=0)
    whole = int(all_votes.argmax()) if all_votes.any() else dtypes.index(LIKELY)
    of_layer = np.where(votes.any(axis=1), votes.argmax(axis=1), whole)
    return np.where(own, code, of_layer[layer]).astype(np.int64), dtypes, ~own


def _per_step(table: pa.Table, run: Run) -> Floats | None:
    """Self time of each row in each step, (rows, steps); rows that have none count nothing."""
    column = table["self_ns_per_step"]
    if not run.steps or column.null_count == len(column):
        return None
    values = np.zeros((len(column), run.steps))
    values[valid(column)] = flattened(column).reshape(-1, run.steps)
    return values


def threads_of(run: Run, device: str) -> int:
    """Threads that may have computed together; as many as there are where the run does not say it."""
    if device != "cpu":
        return 0
    return run.threads or (run.machine.cores if run.machine else MANY)


def language(run: Run) -> str:
    """What calls the operators of a run: `python` or `c++`."""
    said = run.settings.get("language")
    return "c++" if said == "c++" or (said is None and run.implementation == "libtorch") else "python"
