"""The text that `perf script` prints: a line for each sample of Linux perf, and below it the stack, leaf first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from profkit import stacks
from profkit.artefact import open_artefact
from profkit.errors import InputError
from profkit.frames import Frame, python_perf_name
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

_HEADER = re.compile(
    r"(?P<comm>\S.*?)\s+(?P<pid>-?\d+)(?:/(?P<tid>-?\d+))?\s+(?:\[\d+\]\s+(?:[\w.]{4,6}\s+(?=\d+\.))?)?"
    r"(?:\d+\.\d+:\s+)?"
    r"(?:(?P<period>\d+)\s+)?(?P<event>[A-Za-z_][^\s]*?):(?:\s+(?P<rest>.*))?"
)
_FRAME = re.compile(r"\s*(?P<address>[0-9a-f]+)\s+(?P<symbol>.+?)(?:\+0x[0-9a-f]+)?\s+\((?P<library>.*)\)")
_SOURCE_LINE = re.compile(r"\s+(?P<file>[^\s:][^:]*):(?P<line>\d+)")
_FIRST = re.compile(
    rb"^\S.*?\s+-?\d+(?:/-?\d+)?\s+(?:\[\d+\]\s+)?(?:\d+\.\d+:\s+)?(?:\d+\s+)?[A-Za-z_][^\s]*?:(?:\s|$)"
)
_FIRST_FRAME = re.compile(rb"^\s+[0-9a-f]+\s+\S.*\(.*\)\s*$", re.MULTILINE)

_CLOCKS = re.compile(r"(?:cpu|task)-clock(?::\w*)?")
_INSTRUCTIONS = re.compile(r"(?:cpu_\w+/)?instructions(?:/\w*)?(?::\w*)?")
_UNKNOWN = "[unknown]"
_MADE = ("//anon", "[anon]", "[heap]", "anon_inode:[perf_event]")
"""Where perf says that code lies which was made at run time."""
_MAP = re.compile(r"(?:.*/)?perf-\d+\.map")
_HINT = "it is what 'perf record -g' and then 'perf script' print; write it again"
_MOST = 2**62


@dataclass
class _Sample:
    """One sample; its frames come leaf first."""

    thread: str
    event: str
    period: int | None
    frames: list[Frame] = field(default_factory=list)


@dataclass
class _Event:
    """What was sampled by one event.

    Attributes:
        counter: samples and weights by stack.
        samples: number of them.
        lost: of them, such without a stack.
        weight: sum of the periods.
        weighted: whether every sample has a period.
    """

    counter: stacks.StackCounter = field(default_factory=lambda: stacks.StackCounter("samples", "weight"))
    samples: int = 0
    lost: int = 0
    weight: int = 0
    weighted: bool = True

    def add(self, sample: _Sample) -> None:
        """Count a sample."""
        period = 1 if sample.period is None else sample.period
        self.counter.add(sample.thread, map(self.counter.code, reversed(sample.frames)), 1, period)
        self.samples += 1
        self.lost += not sample.frames
        self.weight += period
        self.weighted &= sample.period is not None


def sniff(head: bytes) -> bool:
    """Whether the file begins with a sample of perf and an address."""
    text = b"\n".join(line for line in head.split(b"\n") if line.strip() and not line.startswith(b"#"))
    return bool(_FIRST.match(text) and _FIRST_FRAME.search(text))


def load(path: Path) -> Recording:
    """Read samples and stacks.

    The weight of a sample is its period: nanoseconds for the clocks, instructions for that event. Of other events only
    the number of samples is a measure of profkit's.

    Raises:
        InputError: unreadable, a line of no sample and no frame, or no sample at all.
    """
    events: dict[str, _Event] = {}
    with open_artefact(path) as file:
        for sample in _samples((line.decode("utf-8", "replace").rstrip("\r\n") for line in file), str(path)):
            events.setdefault(sample.event, _Event()).add(sample)
    if not events:
        raise InputError(f"{path} has no samples of perf", _HINT)
    name = _preferred(events)
    found, column = _of_event(events[name], name)
    table = stacks.records(found)
    notes = [*_notes(events, name, column), *stacks.notes_on(table, found.frames)]
    totals = {"samples": events[name].samples}
    if events[name].weighted:
        totals[name] = events[name].weight
    run = Run(tool="perf", artefacts=(path.name,))
    return Recording(run, table, tool_totals=totals, notes=tuple(notes), broken=events[name].lost)


def _samples(lines: Iterable[str], source: str) -> Iterator[_Sample]:
    """The samples of the file, each with its frames, leaf first."""
    sample: _Sample | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            if sample is not None:
                yield sample
            sample = None
        elif not line[0].isspace() or (sample is None and _FRAME.fullmatch(line) is None):
            if sample is not None:
                yield sample
            sample = _header(line.strip(), number, source)
        elif sample is None:
            raise InputError(f"{source}, line {number}: a frame, but no sample before it", _HINT)
        else:
            _read_frame(line.rstrip(), sample, number, source)
    if sample is not None:
        yield sample


def _header(line: str, number: int, source: str) -> _Sample:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise InputError(f"{source}, line {number}: '{line[:80]}' is no sample of perf", _HINT)
    period = None if match["period"] is None else int(match["period"])
    if period is not None and period >= _MOST:
        raise InputError(f"{source}, line {number}: the period {period} is beyond 62 bits", "the file is damaged")
    thread = f"{match['pid']}/{match['tid']}" if match["tid"] else match["pid"]
    sample = _Sample(f"{match['comm']} {thread}", match["event"], period)
    if match["rest"] and _FRAME.fullmatch(match["rest"]):  # without -g the only frame stands here
        _read_frame(match["rest"], sample, number, source)
    return sample


def _read_frame(line: str, sample: _Sample, number: int, source: str) -> None:
    match = _FRAME.fullmatch(line)
    if match is not None:
        sample.frames.append(_frame(match["address"], match["symbol"], match["library"]))
        return
    place = _SOURCE_LINE.fullmatch(line)
    if place is None or not sample.frames:
        raise InputError(f"{source}, line {number}: '{line.strip()[:80]}' is no frame of perf", _HINT)
    leaf = sample.frames[-1]
    sample.frames[-1] = Frame(leaf.symbol, leaf.kind, place["file"], int(place["line"]), leaf.library)


def _frame(address: str, symbol: str, library: str) -> Frame:
    if symbol.startswith("py::"):
        return python_perf_name(symbol)
    known = None if library in ("[unknown]", "", "inlined", *_MADE) or _MAP.fullmatch(library) else library
    if symbol == _UNKNOWN and (library in _MADE or _MAP.fullmatch(library)):
        symbol = f"0x{address}"
    return Frame(symbol, "native", library=known)


def _preferred(events: dict[str, _Event]) -> str:
    """The event to be read: a clock, else instructions, else that with most samples."""
    weighted = [name for name, event in events.items() if event.weighted]
    for pattern in (_CLOCKS, _INSTRUCTIONS):
        for name in weighted:
            if pattern.fullmatch(name):
                return name
    return max(events, key=lambda name: events[name].samples)


def _of_event(event: _Event, name: str) -> tuple[stacks.Stacks, str | None]:
    """Stacks of an event, and the column that its periods are of, None where there is none."""
    found = event.counter.stacks()
    column = None
    if event.weighted:
        column = (
            "self_ns" if _CLOCKS.fullmatch(name) else "self_instructions" if _INSTRUCTIONS.fullmatch(name) else None
        )
    costs = {"samples": found.costs["samples"]}
    if column:
        costs[column] = found.costs["weight"]
    return stacks.Stacks(found.frames, found.frame, found.length, found.threads, found.thread, costs), column


def _notes(events: dict[str, _Event], name: str, column: str | None) -> Iterator[str]:
    if column is None and events[name].weighted:
        yield (
            f"the {events[name].samples} samples of {name} count as samples; their periods sum to {events[name].weight}"
        )
    others = Counter({other: event.samples for other, event in events.items() if other != name})
    if others:
        left = ", ".join(f"{count} of {other}" for other, count in others.most_common())
        yield f"samples of other events than {name} were left out: {left}"
    if events[name].lost:
        yield f"{events[name].lost} samples have no stack"


PERF_SCRIPT = Importer(name="perf_script", sniff=sniff, load=load)
