"""Measure what this machine can do at most, in processes of their own, and keep it."""

from __future__ import annotations

import importlib.util
import os
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

from profkit.errors import BuildError, MissingToolError
from profkit.machine import this_machine
from profkit.native import Say, build
from profkit.peaks import Bandwidth, DispatchCost, Peaks, encoded, peaks_file, rate_of
from profkit.process import run_watched
from profkit.processor import Cache, Processor, this_processor
from profkit.programs import ENVIRONMENT
from profkit.units import format_size
from profkit.write import write_kept

PAST = 4
"""Times the last cache: a working set that lies in the memory."""
UNKNOWN_BYTES = 2**29
"""Working set that lies in the memory where the caches are not known."""
ROUNDS = 2
"""Times that the C++ program goes through everything, so that what else runs here for a while spoils no one figure."""
BUSY = 0.1
"""Share of the processors that others may use before it is worth a note."""
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
        """The repeats of one thing, from all rounds; it must have been asked for."""
        found = [repeat for each in self.measured if (each.what, each.of) == (what, of) for repeat in each.repeats]
        if not found:
            raise ValueError(f"{what} {of} was not measured")
        return found


@dataclass(frozen=True)
class Spent:
    """Time that passed and time that processors worked, from some start on [s].

    Attributes:
        wall: by the clock.
        busy: of the processors that we may use, for all programs and for other guests of the same host.
        own: of our programs that have ended.
    """

    wall: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> Spent:
        """Since the system started."""
        each, own = psutil.cpu_times(percpu=True), os.times()
        available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(each))
        idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is in its user's too
        busy = sum(
            spent
            for processor in available
            if processor < len(each)
            for name, spent in each[processor]._asdict().items()
            if name not in idle
        )
        return cls(time.monotonic(), busy, own.children_user + own.children_system)

    def since(self, before: Spent) -> Spent:
        """What came since then."""
        return Spent(self.wall - before.wall, self.busy - before.busy, self.own - before.own)

    @property
    def others(self) -> float:
        """Processors that other programs kept busy."""
        return max(0.0, self.busy - self.own) / self.wall

    def facts(self, processors: int) -> dict[str, str]:
        """In words."""
        return {"measured in": f"{self.wall:.0f} s, with {self.others:.2f} of {processors} processors busy elsewhere"}


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
    before = Spent.now()
    working_set = memory_working_set(processor.caches, psutil.virtual_memory().available)
    peaks, clock_hz = _rates(program, processor, working_set, say)
    busy = Spent.now().since(before)
    peaks = replace(
        peaks,
        name=machine.processor,
        machine=machine,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        theoretical_flop_per_s=theoretical(processor, clock_hz or processor.advertised_hz),
        cores=processor.cores,
        facts={**facts(processor, clock_hz), **(peaks.facts or {}), **busy.facts(processor.logical)},
        notes=(*peaks.notes, *notes, *_notes(peaks, processor, working_set, busy)),
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
            capacity = cache.capacity_bytes * min(cache.instances, count)
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
    devices = dict.fromkeys(each.of for each in report.measured if each.what == "dispatch")
    dispatch = tuple(
        DispatchCost(device, "c++", rate_of(report.find("dispatch", device), best=min), "at::add of 1 element")
        for device in devices
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


def facts(processor: Processor, clock_hz: float | None) -> dict[str, str]:
    """The circumstances, in words.

    Args:
        processor: that was measured.
        clock_hz: the highest clock that was seen; None where it was not measured.
    """
    cycles = ", ".join(f"{dtype} {flop}" for dtype, flop in processor.flop_per_cycle.items())
    caches = {each.level: f"{format_size(each.capacity_bytes)}, {each.instances} of them" for each in processor.caches}
    said = {
        "cores": f"{processor.cores}, with {processor.logical} logical processors",
        **caches,
        "bytes counted": "b and c read, a written; not that a cache may read a before it writes it",
        "FLOP a cycle": f"{cycles}; assumed: {processor.assumptions}",
    }
    if clock_hz:
        said["clock"] = f"{clock_hz / 1e9:.2f} GHz, the highest of dependent additions, one a cycle"
    elif processor.advertised_hz:
        said["clock"] = f"{processor.advertised_hz / 1e9:.2f} GHz, as advertised; turbo may be above it"
    return said


def _native_program(say: Say) -> tuple[Path | None, list[str]]:
    """The C++ program, built now if need be; without it, why."""
    try:
        return build(say).machine, []
    except (MissingToolError, BuildError) as error:
        why = error.message.splitlines()[0]
        return None, [f"no bandwidth of the caches and no dispatch in C++: {why}; the memory is measured by torch"]


def _rates(program: Path | None, processor: Processor, working_set: int, say: Say) -> tuple[Peaks, float | None]:
    """What torch and the C++ program found, and the highest clock that was seen."""
    threads = tuple(sorted({1, processor.logical}))
    peaks = _by_torch(threads, 0 if program else working_set, say)
    if not program:
        return peaks, None
    planned = triads(processor.caches, threads, working_set)
    report = _by_native(program, threads, planned, [cost.device for cost in peaks.dispatch], say)
    return with_native(peaks, report, planned), max(max(report.find("clock", str(count))) for count in threads)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        yield Path(scratch)


def _notes(peaks: Peaks, processor: Processor, working_set: int, busy: Spent) -> Iterator[str]:
    """What keeps figures from being what they should be."""
    if busy.others > BUSY * processor.logical:
        yield (
            f"other programs used {busy.others:.1f} of {processor.logical} processors meanwhile, so the figures may be "
            "too low: --again measures anew"
        )
    measured = {peak.dtype for peak in peaks.compute if peak.device == "cpu" and "float" in peak.dtype}
    for dtype in sorted(measured - set(processor.flop_per_cycle)):
        yield f"the instruction set has no arithmetic of {dtype}; torch computes it some other way"
    caches = processor.caches
    if not caches:
        yield "the system does not tell the sizes of the caches, so their bandwidths are not measured"
    elif working_set < PAST * caches[-1].capacity_bytes * caches[-1].instances:
        allowed = format_size(working_set)
        yield f"the free memory allows a working set of {allowed} only, less than {PAST} times {caches[-1].level}"


def _keep(peaks: Peaks) -> None:
    if peaks.machine is None:
        raise ValueError("only what was measured is kept")
    write_kept(peaks_file(peaks.machine), encoded(peaks))


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
        words = [("--clock", str(count)) for count in threads]
        words += [("--triad", word) for word in dict.fromkeys(triad.word for triad in planned)]
        words += [("--dispatch", device) for device in devices]
        files = ["--report", str(report), "--progress", str(progress)]
        command = [str(program), *files, *(word for pair in words * ROUNDS for word in pair)]
        names = {triad.word: f"{triad.level}, threads {triad.threads}" for triad in planned}

        def watch(line: str) -> None:
            what, _, of = line.partition(" ")
            say(f"measuring {what}: {names.get(of, of)}" if line else "starting the C++ program")

        run_watched(command, ENVIRONMENT, progress, watch, limit_s=LIMIT_S)
        return msgspec.json.decode(report.read_bytes(), type=NativeReport)
