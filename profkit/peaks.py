"""What a machine can do at most: FLOP/s by type and threads, bytes/s by level of memory, the cost of a dispatch."""

from __future__ import annotations

import difflib
import importlib.metadata
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import msgspec

from profkit.cache import cache_directory
from profkit.errors import InputError
from profkit.machine import Machine
from profkit.write import write_whole

DTYPES = (
    "float64",
    "float32",
    "tf32",
    "bfloat16",
    "float16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "int8",
)
"""Types that arithmetic has a peak of, by torch's names; `tf32` is float32 rounded on the way into tensor cores."""
LEVELS = ("L1", "L2", "L3", "L4", "memory")
"""Of the memory."""
LANGUAGES = ("python", "c++")
"""That operators are called from."""

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_HINT = "examples/machines/h100-sxm.json is such a file, and profkit machine -o FILE writes one"


@dataclass(frozen=True)
class Rate:
    """A measured quantity and how far its repeats were apart; a published one has no repeats.

    Attributes:
        value: the best of the repeats, as it is a limit.
        median: of the repeats.
        low: the worst repeat.
        repeats: how many.
    """

    value: float
    median: float | None = None
    low: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class ComputePeak:
    """Largest rate of arithmetic.

    Attributes:
        device: `cpu` or `cuda:0`.
        dtype: torch's name of the element type.
        threads: that computed together; 0 for a device that has no such thing.
        flop_per_s: FLOP/s.
        how: what was run, or where it is published.
    """

    device: str
    dtype: str
    threads: int
    flop_per_s: Rate
    how: str = ""


@dataclass(frozen=True)
class Bandwidth:
    """Largest rate of one level of the memory.

    Attributes:
        device: as above.
        level: `L1`, `L2`, `L3` or `memory`.
        threads: as above.
        bytes_per_s: bytes/s read and written together.
        capacity_bytes: that the level holds for these threads together; None for memory.
        how: as above.
    """

    device: str
    level: str
    threads: int
    bytes_per_s: Rate
    capacity_bytes: int | None = None
    how: str = ""


@dataclass(frozen=True)
class DispatchCost:
    """Time of an operator that has next to nothing to compute.

    Attributes:
        device: as above.
        language: `python` or `c++`.
        ns: time of one call [ns]; the smallest of the repeats is the value.
        how: as above.
    """

    device: str
    language: str
    ns: Rate
    how: str = ""


@dataclass(frozen=True)
class Peaks:
    """What a machine can do, and how that is known.

    Attributes:
        name: of the processor or the device.
        compute: peaks of arithmetic.
        bandwidth: peaks of memory.
        dispatch: costs of a call.
        source: `measured`, or where the numbers are published.
        machine: that they were measured on; None for published ones.
        measured_at: UTC, ISO 8601.
        theoretical_flop_per_s: by type, all cores: cores x clock x FLOP a cycle, as far as the processor tells.
        cores: that the theoretical peak is of; one thread has its share of it.
        facts: versions, caches, clock and other circumstances, for people.
        notes: what could not be measured, and why.
    """

    name: str
    compute: tuple[ComputePeak, ...]
    bandwidth: tuple[Bandwidth, ...]
    dispatch: tuple[DispatchCost, ...] = ()
    source: str = "measured"
    machine: Machine | None = None
    measured_at: str | None = None
    theoretical_flop_per_s: dict[str, float] | None = None
    cores: int | None = None
    facts: dict[str, str] | None = None
    notes: tuple[str, ...] = ()


Placed = TypeVar("Placed", ComputePeak, Bandwidth, DispatchCost)
Threaded = TypeVar("Threaded", ComputePeak, Bandwidth)


def flop_peak(peaks: Peaks, device: str, dtype: str, threads: int) -> ComputePeak | None:
    """The largest rate of arithmetic on a type.

    Args:
        peaks: of the machine.
        device: `cpu` or `cuda:1`; what is known of `cuda` or `cuda:0` holds for every CUDA device that is not listed.
        dtype: torch's name of the element type.
        threads: that compute together.

    Returns:
        The one for exactly these threads, else for the most below them, else for the fewest; None where nothing is
        known of this type on this device.

    >>> peaks = Peaks("four cores", (
    ...     ComputePeak("cpu", "float32", 1, Rate(1e11)),
    ...     ComputePeak("cpu", "float32", 4, Rate(4e11)),
    ...     ComputePeak("cuda", "float32", 0, Rate(1e13)),
    ... ), ())
    >>> [flop_peak(peaks, "cpu", "float32", threads).flop_per_s.value for threads in (1, 2, 4, 8)]
    [100000000000.0, 100000000000.0, 400000000000.0, 400000000000.0]
    >>> flop_peak(peaks, "cuda:1", "float32", 1).device
    'cuda'
    >>> flop_peak(peaks, "cpu", "float16", 1) is None
    True
    """
    return _for_threads([peak for peak in _on(peaks.compute, device) if peak.dtype == dtype], threads)


def memory_levels(peaks: Peaks, device: str, threads: int) -> tuple[Bandwidth, ...]:
    """The bandwidth of every level of the memory that is known, fastest first.

    Args:
        peaks: of the machine.
        device: as for `flop_peak`.
        threads: likewise; chosen for each level by itself.

    >>> peaks = Peaks("one core", (), (
    ...     Bandwidth("cpu", "memory", 1, Rate(2e10)), Bandwidth("cpu", "L1", 1, Rate(3e11), 32768)
    ... ))
    >>> [level.level for level in memory_levels(peaks, "cpu", 2)]
    ['L1', 'memory']
    """
    known = _on(peaks.bandwidth, device)
    chosen = (
        _for_threads([each for each in known if each.level == level], threads)
        for level in dict.fromkeys(each.level for each in known)
    )
    return tuple(sorted(filter(None, chosen), key=lambda level: -level.bytes_per_s.value))


def dispatch_ns(peaks: Peaks, device: str, language: str) -> float | None:
    """The time of an operator that has next to nothing to compute [ns]; None where it is not known.

    Args:
        peaks: of the machine.
        device: as for `flop_peak`.
        language: `python` or `c++`.

    >>> peaks = Peaks("one core", (), (), (DispatchCost("cpu", "python", Rate(800.0)),))
    >>> dispatch_ns(peaks, "cpu", "python"), dispatch_ns(peaks, "cpu", "c++")
    (800.0, None)
    """
    return next((cost.ns.value for cost in _on(peaks.dispatch, device) if cost.language == language), None)


def _on(entries: Sequence[Placed], device: str) -> list[Placed]:
    """Those of a device, else those that stand for all of its kind."""
    names = (device, "cuda", "cuda:0") if device.startswith("cuda") else (device,)
    found = ([entry for entry in entries if entry.device == name] for name in names)
    return next(filter(None, found), [])


def _for_threads(entries: Sequence[Threaded], threads: int) -> Threaded | None:
    below = [entry for entry in entries if entry.threads <= threads]
    if below:
        return max(below, key=lambda entry: entry.threads)
    return min(entries, key=lambda entry: entry.threads, default=None)


def rate_of(repeats: Sequence[float], best: Callable[[Sequence[float]], float] = max) -> Rate:
    """A rate, or a time, from its repeats.

    Args:
        repeats: at least one.
        best: `max` for a rate, `min` for a time.

    >>> rate_of([2.0, 3.0, 1.0]), rate_of([2.0, 3.0, 1.0], best=min).value
    (Rate(value=3.0, median=2.0, low=1.0, repeats=3), 1.0)
    """
    worst = min if best is max else max
    return Rate(best(repeats), median(repeats), worst(repeats), len(repeats))


def to_json(peaks: Peaks) -> dict[str, Any]:
    """The peaks for programs, and as a machine file has them."""
    return msgspec.to_builtins(peaks)


def encoded(peaks: Peaks) -> bytes:
    """A machine file."""
    return msgspec.json.format(msgspec.json.encode(peaks), indent=2) + b"\n"


def write_peaks(peaks: Peaks, path: Path) -> None:
    """Write a machine file.

    Raises:
        WriteError: it cannot be written.
    """
    write_whole(path, encoded(peaks))


def read_peaks(path: Path) -> Peaks:
    """Read a machine file.

    Raises:
        InputError: it cannot be read, is no JSON, has no source, no peak of arithmetic or no bandwidth of the memory of
            a device, or a rate, type, level or device in it is none.
    """
    try:
        said = msgspec.json.decode(path.read_bytes())
        if not isinstance(said, dict):
            raise InputError(f"{path} is no machine file: it has no fields", _HINT)
        for name, what in _MUST.items():
            if not said.get(name):
                raise InputError(f"{path} has no `{name}`: {what}", _HINT)
        peaks = msgspec.convert(said, Peaks)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "give the path of a machine file") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no machine file: {error}", _HINT) from error
    if fault := next(_faults(peaks), None):
        raise InputError(f"{path}: {fault}", _HINT)
    return peaks


_MUST = {
    "source": "say where the numbers are published, or `measured`",
    "compute": "there is no peak of arithmetic",
    "bandwidth": "there is no bandwidth of the memory",
}
"""Fields that a machine file cannot do without, and why."""


def _faults(peaks: Peaks) -> Iterator[str]:
    """What is wrong with peaks that have the right types."""
    groups = (peaks.compute, peaks.bandwidth, peaks.dispatch)
    for device in [entry.device for group in groups for entry in group]:
        if not _DEVICE.fullmatch(device):
            yield f"unknown device '{device}': it is cpu, cuda or cuda:N"
    for what, said, known in (
        ("dtype", [peak.dtype for peak in peaks.compute], DTYPES),
        ("level", [level.level for level in peaks.bandwidth], LEVELS),
        ("language", [cost.language for cost in peaks.dispatch], LANGUAGES),
    ):
        yield from (_unknown(what, name, known) for name in said if name not in known)
    yield from _rate_faults(peaks)
    keys = [(peak.device, peak.dtype, peak.threads) for peak in peaks.compute]
    keys += [(level.device, level.level, level.threads) for level in peaks.bandwidth]
    for (device, what, threads), count in Counter(keys).items():
        if count > 1:
            yield f"{what} on {device} with {threads} threads is there {count} times"
        if threads < 0:
            yield f"{what} on {device} has {threads} threads"
    with_memory = {level.device for level in peaks.bandwidth if level.level == "memory"}
    for device in dict.fromkeys(peak.device for peak in peaks.compute):
        if device not in with_memory:
            yield f"there is no bandwidth of level memory for {device}"


def _rate_faults(peaks: Peaks) -> Iterator[str]:
    rates = [(f"flop_per_s of {peak.dtype} on {peak.device}", peak.flop_per_s) for peak in peaks.compute]
    rates += [(f"bytes_per_s of {level.level} of {level.device}", level.bytes_per_s) for level in peaks.bandwidth]
    rates += [(f"ns of {cost.language} on {cost.device}", cost.ns) for cost in peaks.dispatch]
    numbers: list[tuple[str, float | None]] = [
        (what, number) for what, rate in rates for number in (rate.value, rate.median, rate.low)
    ]
    numbers += [
        (f"capacity_bytes of {level.level} of {level.device}", level.capacity_bytes) for level in peaks.bandwidth
    ]
    numbers += [
        (f"theoretical_flop_per_s of {name}", rate) for name, rate in (peaks.theoretical_flop_per_s or {}).items()
    ]
    for what, number in numbers:
        if number is not None and not (math.isfinite(number) and number > 0):
            yield f"{what} is {number:g}, and should be positive"


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"unknown {what} '{name}': " + (f"did you mean {' or '.join(near)}?" if near else f"{', '.join(known)}")


def cached_peaks(machine: Machine) -> Peaks | None:
    """What was measured on a machine with the torch that is installed; None where nothing was."""
    try:
        return read_peaks(peaks_file(machine))
    except InputError:  # there is none, or one of another version of this program: it is measured again
        return None


def peaks_file(machine: Machine) -> Path:
    """Where the peaks of a machine are kept."""
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "none"
    return cache_directory() / "machines" / f"{machine.fingerprint}-torch-{torch}.json"
