"""The roof over each row of a table: the least time that its work can take on a machine, and what sets it.

The roofline model (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009) bounds work of `flop` operations and
`traffic_bytes` bytes by two limits, time >= flop / peak and time >= traffic_bytes / bandwidth. The second has one
line for each level of the memory (cache-aware roofline: Ilic, Pratas, Sousa, IEEE CAL 13(1), 2014). Which level the
data of a call lies in is not measured; it is taken for the fastest one that can hold all operands of the call, so that
the roof is a limit wherever they really were. Bytes are compulsory, a lower bound, for the same reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from profkit.columns import NONE, Flags, Ints
from profkit.errors import InputError
from profkit.peaks import Bandwidth, Peaks, dispatch_ns, flop_peak, memory_levels

Floats = npt.NDArray[np.float64]

UNKNOWN, COMPUTE, MEMORY, DISPATCH = range(4)
BOUNDS = ("unknown", "compute", "memory", "dispatch")
"""What can set the time of a row, by code; `unknown` where a cost or a peak is missing."""

_HINT = "measure the machine again with profkit machine, or mend the file given to --machine"
_FLOATING = ("float", "bfloat", "complex")


@dataclass(frozen=True)
class Work:
    """Rows of work on one device; all arrays have shape (rows,).

    Attributes:
        device: `cpu`, `cuda:0`.
        threads: that computed together; 0 for a device that has no such thing.
        calls: how often each ran.
        flop: operations of all calls of a row; NaN where unknown.
        traffic_bytes: bytes of all calls of a row; NaN where unknown.
        dtype: code of the element type.
        dtypes: names of the codes.
        native: called from C++ whatever the language of the program (by the autograd engine).
        language: of the program, `python` or `c++`.
    """

    device: str
    threads: int
    calls: Floats
    flop: Floats
    traffic_bytes: Floats
    dtype: Ints
    dtypes: tuple[str, ...]
    native: Flags
    language: str

    def chosen(self, rows: Flags) -> Work:
        """Some of the rows, by a mask of shape (rows,)."""
        arrays = ("calls", "flop", "traffic_bytes", "dtype", "native")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


@dataclass(frozen=True)
class Roofs:
    """What bounds each row; all arrays have shape (rows,).

    Attributes:
        compute_ns: time of the arithmetic at its peak; NaN where the work or the peak is unknown.
        memory_ns: time of the traffic at the bandwidth of its level; NaN likewise.
        level: place in `levels`, -1 where there is no traffic.
        bound: code of `BOUNDS`.
        levels: of the memory, fastest first.
        peaks: FLOP/s by type, of the types that occur in arithmetic; None where the machine has none for it.
    """

    compute_ns: Floats
    memory_ns: Floats
    level: Ints
    bound: Ints
    levels: tuple[Bandwidth, ...]
    peaks: dict[str, float | None]

    @property
    def roof_ns(self) -> Floats:
        """The least time of each row, shape (rows,); NaN where it is unknown."""
        return np.maximum(self.compute_ns, self.memory_ns)


def is_floating(dtype: str | None) -> bool:
    """Whether arithmetic on the type counts as FLOP."""
    return dtype is not None and dtype.startswith(_FLOATING)


def roofs(work: Work, peaks: Peaks) -> Roofs:
    """The roof over each row of work.

    Args:
        work: rows of one device.
        peaks: of the machine.

    Raises:
        InputError: the peaks have no bandwidth for the device though it has some arithmetic, or a rate that is none.
    """
    levels = _levels(work, peaks)
    rates = {name: _peak(work, peaks, name) for name in _with_arithmetic(work)}
    compute_ns = _compute_ns(work, rates)
    level = _level(work, levels)
    bandwidth = np.array([_rate(each.bytes_per_s.value, f"bandwidth of {each.level}") for each in levels] or [math.nan])
    with np.errstate(invalid="ignore"):
        memory_ns = np.where(work.traffic_bytes == 0, 0.0, work.traffic_bytes / bandwidth[level] * 1e9)
    roof = np.maximum(compute_ns, memory_ns)
    known = np.isfinite(roof)
    bound = np.where(compute_ns >= memory_ns, COMPUTE, MEMORY)
    bound[(roof == 0) | (roof < work.calls * _dispatch(work, peaks))] = DISPATCH
    bound[~known] = UNKNOWN
    level = np.where(known & (work.traffic_bytes > 0), level, NONE)
    return Roofs(compute_ns, memory_ns, level, bound, levels, rates)


def _levels(work: Work, peaks: Peaks) -> tuple[Bandwidth, ...]:
    """Levels of the memory from the smallest on."""
    levels = tuple(memory_levels(peaks, work.device, work.threads))
    computes = any(peak.device == work.device for peak in peaks.compute)
    if not levels and computes:
        raise InputError(f"{peaks.name} has no bandwidth for {work.device}, so there is no roof", _HINT)
    return tuple(sorted(levels, key=lambda each: math.inf if each.capacity_bytes is None else each.capacity_bytes))


def _with_arithmetic(work: Work) -> list[str]:
    used = np.unique(work.dtype[np.nan_to_num(work.flop) > 0])
    return [work.dtypes[code] for code in used if code >= 0]


def _peak(work: Work, peaks: Peaks, dtype: str) -> float | None:
    found = flop_peak(peaks, work.device, dtype, work.threads)
    return None if found is None else _rate(found.flop_per_s.value, f"peak of {dtype}")


def _rate(value: float, what: str) -> float:
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"the {what} is {value:g}, which no machine has", _HINT)
    return value


def _compute_ns(work: Work, rates: dict[str, float | None]) -> Floats:
    """Time of the arithmetic; rows without any need no type."""
    of_code = np.array([rates.get(name) or math.nan for name in work.dtypes] + [math.nan])
    with np.errstate(invalid="ignore"):
        return np.where(work.flop == 0, 0.0, work.flop / of_code[work.dtype] * 1e9)


def _level(work: Work, levels: tuple[Bandwidth, ...]) -> Ints:
    """The fastest level that holds what a call touches; the last one has no limit."""
    if not levels:
        return np.full(len(work.flop), NONE, np.int64)
    per_call = np.nan_to_num(work.traffic_bytes) / np.maximum(work.calls, 1)
    capacities: list[Any] = [math.inf if each.capacity_bytes is None else each.capacity_bytes for each in levels]
    return np.minimum(np.searchsorted(np.array(capacities, float), per_call), len(levels) - 1)


def _dispatch(work: Work, peaks: Peaks) -> Floats:
    """Time of a call that has nothing to do, by row; none where it is not known."""
    cost = {language: dispatch_ns(peaks, work.device, language) or 0.0 for language in (work.language, "c++")}
    return np.where(work.native, cost["c++"], cost[work.language])
