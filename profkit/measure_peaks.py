"""Measure what this machine can do at most, in processes of their own, and keep it."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from profkit.errors import BuildError, MissingToolError, WriteError
from profkit.machine import this_machine
from profkit.native import Say, build
from profkit.peaks import Bandwidth, DispatchCost, Peaks, peaks_file, rate_of, write_peaks
from profkit.process import run_watched
from profkit.processor import Cache, Processor, this_processor
from profkit.programs import ENVIRONMENT
from profkit.units import format_size

PAST = 4
"""Times the last cache: a working set that lies in the memory."""
UNKNOWN_BYTES = 2**29
"""Working set that lies in the memory where the caches are not known."""
LIMIT_S = 300.0

NATIVE_VECTORS = "vectors of triads"
"""The fact that says with which vectors the bandwidths of the caches were measured."""


@dataclass(frozen=True)
class Triad:
    """A working set of the C++ program.

    Attributes:
        level: of the memory that it lies in.
        threads: that share it.
        working_set: the three arrays of all of them [byte].
        capacity_bytes: of the level, for these threads; None for memory.
    """

    level: str
    threads: int
    working_set: int
    capacity_bytes: int | None

    @property
    def word(self) -> str:
        """As the program takes it."""
        return f"{self.threads},{self.working_set}"


class Repeats(msgspec.Struct):
    """What the C++ program measured again and again, by the words that asked for it."""

    what: str
    of: str
    repeats: list[float]


class NativeReport(msgspec.Struct):
    """What the C++ program has to say."""

    vectors: str
    measured: list[Repeats]

    def find(self, what: str, of: str) -> list[float]:
        """The repeats of one thing; it must have been asked for."""
        return next(each.repeats for each in self.measured if (each.what, each.of) == (what, of))


def measure_peaks(say: Say) -> Peaks:
    """Measure this machine and keep what was found.

    Args:
        say: told what is going on.

    Raises:
        MissingToolError: torch is not installed.
        ProgramError: a measuring program fails.
        WriteError: the cache cannot be written.
        KeyboardInterrupt: passed on after the programs are gone.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingToolError("peaks are measured with torch, which is not installed", "pip install torch==2.13.0")
    machine, processor = this_machine(), this_processor()
    program, notes = _native_program(say)
    start = time.monotonic()
    threads = tuple(sorted({1, processor.logical}))
    working_set = memory_working_set(processor.caches, psutil.virtual_memory().available)
    peaks = _by_torch(threads, 0 if program else working_set, say)
    clock_hz = processor.advertised_hz
    if program:
        planned = triads(processor.caches, threads, working_set)
        report = _by_native(program, threads, planned, [cost.device for cost in peaks.dispatch], say)
        peaks = with_native(peaks, report, planned)
        clock_hz = max(max(report.find("clock", str(count))) for count in threads)
    peaks = replace(
        peaks,
        name=machine.processor,
        machine=machine,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        theoretical_flop_per_s=theoretical(processor, clock_hz),
        cores=processor.cores,
        facts={
            **facts(processor, clock_hz, measured=program is not None),
            **(peaks.facts or {}),
            "measured in": f"{time.monotonic() - start:.0f} s",
        },
        notes=(*peaks.notes, *_type_notes(peaks, processor), *notes, *_size_notes(processor.caches, working_set)),
    )
    _keep(peaks)
    return peaks


def memory_working_set(caches: Sequence[Cache], available: int) -> int:
    """Bytes of the three arrays that are to lie in the memory: past the last cache, if a quarter of the memory allows.

    >>> memory_working_set([Cache("L1", 32768, 2), Cache("L3", 2**25, 1)], available=2**34) == 4 * 2**25
    True
    """
    wanted = PAST * caches[-1].capacity_bytes * caches[-1].instances if caches else UNKNOWN_BYTES
    return min(wanted, available // 4)


def triads(caches: Sequence[Cache], threads: Sequence[int], working_set: int) -> list[Triad]:
    """Working sets of half of what each cache holds for so many threads, and one in the memory.

    >>> [(each.level, each.word) for each in triads([Cache("L1", 32768, 2)], (1, 2), 2**27)]
    [('L1', '1,16384'), ('memory', '1,134217728'), ('L1', '2,32768'), ('memory', '2,134217728')]
    """
    planned = []
    for count in threads:
        for cache in caches:
            capacity = cache.capacity_bytes * (1 if count == 1 else min(cache.instances, count))
            planned.append(Triad(cache.level, count, capacity // 2, capacity))
        planned.append(Triad("memory", count, working_set, None))
    return planned


def with_native(peaks: Peaks, report: NativeReport, planned: Sequence[Triad]) -> Peaks:
    """Add what the C++ program found.

    Args:
        peaks: what torch reached from Python.
        report: of the program.
        planned: the working sets that it was given.
    """
    bandwidth = tuple(
        Bandwidth(
            "cpu",
            triad.level,
            triad.threads,
            rate_of(report.find("bandwidth", triad.word)),
            triad.capacity_bytes,
            f"triad a = b + s*c of float64 over {triad.working_set} B",
        )
        for triad in planned
    )
    dispatch = tuple(
        DispatchCost(
            each.of, "c++", rate_of(each.repeats, best=min), f"at::add of 1 element, {len(each.repeats)} repeats"
        )
        for each in report.measured
        if each.what == "dispatch"
    )
    return replace(
        peaks,
        bandwidth=(*bandwidth, *peaks.bandwidth),
        dispatch=(*peaks.dispatch, *dispatch),
        facts={**(peaks.facts or {}), NATIVE_VECTORS: report.vectors},
    )


def theoretical(processor: Processor, clock_hz: float | None) -> dict[str, float] | None:
    """FLOP/s of all cores together, by type; None where the clock is not known."""
    if not clock_hz:
        return None
    return {dtype: flop * processor.cores * clock_hz for dtype, flop in processor.flop_per_cycle.items()}


def facts(processor: Processor, clock_hz: float | None, *, measured: bool) -> dict[str, str]:
    """The circumstances, in words.

    Args:
        processor: that was measured.
        clock_hz: that the theoretical peak is computed with.
        measured: whether the clock is one that was seen, not one that is advertised.
    """
    cycles = ", ".join(f"{dtype} {flop}" for dtype, flop in processor.flop_per_cycle.items())
    said = {
        "cores": f"{processor.cores}, with {processor.logical} logical processors",
        **{
            cache.level: f"{format_size(cache.capacity_bytes)}, {cache.instances} of them" for cache in processor.caches
        },
        "bytes counted": "b and c read, a written; not that a cache may read a before it writes it",
        "FLOP a cycle": f"{cycles}; assumed: {processor.assumptions}",
    }
    if clock_hz:
        how = "the highest of dependent additions, one a cycle" if measured else "as advertised"
        said["clock"] = f"{clock_hz / 1e9:.2f} GHz, {how}"
    return said


def _native_program(say: Say) -> tuple[Path | None, list[str]]:
    """The C++ program, built now if need be; without it, why."""
    try:
        return build(say).machine, []
    except (MissingToolError, BuildError) as error:
        why = error.message.splitlines()[0]
        return None, [f"no bandwidth of the caches and no dispatch in C++: {why}; the memory is measured by torch"]


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        yield Path(scratch)


def _type_notes(peaks: Peaks, processor: Processor) -> Iterator[str]:
    measured = {peak.dtype for peak in peaks.compute if peak.device == "cpu" and "float" in peak.dtype}
    for dtype in sorted(measured - set(processor.flop_per_cycle)):
        yield f"the instruction set has no arithmetic of {dtype}; torch computes it some other way"


def _size_notes(caches: Sequence[Cache], working_set: int) -> Iterator[str]:
    if not caches:
        yield "the system does not tell the sizes of the caches, so their bandwidths are not measured"
    elif working_set < PAST * caches[-1].capacity_bytes * caches[-1].instances:
        yield f"the free memory allows a working set of {working_set} B only, less than {PAST} times {caches[-1].level}"


def _keep(peaks: Peaks) -> None:
    if peaks.machine is None:
        raise ValueError("only what was measured is kept")
    path = peaks_file(peaks.machine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {path.parent}: {error.strerror}", "set PROFKIT_CACHE to a writable directory"
        ) from error
    write_peaks(peaks, path)


def _by_torch(threads: Sequence[int], triad_bytes: int, say: Say) -> Peaks:
    with _scratch() as scratch:
        report, progress = scratch / "report.json", scratch / "progress"
        command = [sys.executable, "-m", "profkit.runner.peaks", "--report", str(report), "--progress", str(progress)]
        command += ["--triad-bytes", str(triad_bytes), "--threads", *map(str, threads)]
        say("starting torch")
        run_watched(
            command, ENVIRONMENT, progress, lambda line: say(f"measuring {line or 'arithmetic'}"), limit_s=LIMIT_S
        )
        return msgspec.json.decode(report.read_bytes(), type=Peaks)


def _by_native(
    program: Path, threads: Sequence[int], planned: Sequence[Triad], devices: Sequence[str], say: Say
) -> NativeReport:
    with _scratch() as scratch:
        report, progress = scratch / "report.json", scratch / "progress"
        words = [("--report", str(report)), ("--progress", str(progress))]
        words += [("--clock", str(count)) for count in threads]
        words += [("--triad", word) for word in dict.fromkeys(triad.word for triad in planned)]
        words += [("--dispatch", device) for device in devices]
        command = [str(program), *(word for pair in words for word in pair)]
        names = {triad.word: f"{triad.level}, threads {triad.threads}" for triad in planned}

        def watch(line: str) -> None:
            what, _, of = line.partition(" ")
            say(f"measuring {what}: {names.get(of, of)}" if line else "starting the C++ program")

        run_watched(command, ENVIRONMENT, progress, watch, limit_s=LIMIT_S)
        return msgspec.json.decode(report.read_bytes(), type=NativeReport)
