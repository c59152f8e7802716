"""The JSON profile of Scalene 2: its stitched Python and native stacks, else its Python stacks, else its lines.

The three tell of the same samples, so that only one of them, the most detailed, is read. Scalene's unit is the source
line: native frames carry the file and line of the Python line that called them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from profkit import schema, stacks
from profkit.artefact import open_artefact
from profkit.columns import NONE, from_integers
from profkit.errors import InputError
from profkit.frames import Frame, located
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

_BYTES_PER_MB = 1024 * 1024
_NS_PER_S = 1_000_000_000
_LONGEST_S = 1e9
_ENTRY = re.compile(r"(?P<file>.*) (?P<function>\S+):(?P<line>\d+);?", re.DOTALL)
_EVALUATES = re.compile(r"_?PyEval_(?:EvalFrame\w*|EvalCode|Vector)(?:[.@].*)?")
"""CPython running Python code: what lies above the last of these in a native stack, the Python frames say better."""
_MARKS = (re.compile(rb'"(?:elapsed_time_sec|combined_stacks)"\s*:'), re.compile(rb'"(?:alloc_samples|files)"\s*:'))
_TOO_SHORT = "let the program run for a second or more, and profile its folder (--profile-all for all code)"


class _Frame(msgspec.Struct, gc=False):
    kind: str
    display_name: str = ""
    filename_or_module: str = ""
    line: int | None = None
    ip: int | None = None


class _Share(msgspec.Struct):
    """Shares of the run, and samples, of one Python stack."""

    count: int = 0
    python_time: float = 0.0
    c_time: float = 0.0


class _Line(msgspec.Struct):
    """A source line; percentages are of the time of the run."""

    lineno: int
    n_cpu_percent_python: float = 0.0
    n_cpu_percent_c: float = 0.0
    n_sys_percent: float = 0.0
    n_gpu_percent: float = 0.0
    n_malloc_mb: float = 0.0
    n_peak_mb: float = 0.0
    start_function_line: int = 0


class _Function(msgspec.Struct):
    line: str
    lineno: int


class _Source(msgspec.Struct):
    lines: list[_Line] = []
    functions: list[_Function] = []


class _Moment(msgspec.Struct, gc=False):
    """Samples of one stitched stack on one thread."""

    stack_index: int
    count: int
    thread_id: int


class _File(msgspec.Struct):
    files: dict[str, _Source]
    elapsed_time_sec: float
    stacks: list[tuple[list[str], _Share]] = []
    combined_stacks: list[tuple[list[_Frame], int]] = []
    combined_stacks_timeline: list[_Moment] = []
    main_thread_id: int = 0
    program: str | None = None
    args: list[str] | None = None
    memory: bool = False


def sniff(head: bytes) -> bool:
    """Whether a file that begins so is of Scalene; all that one of too short a run holds is `{}`."""
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    return text == b"{}" or (text.startswith(b"{") and all(mark.search(text) for mark in _MARKS))


def load(path: Path) -> Recording:
    """Read a profile.

    Records carry samples where Scalene stitched stacks together, else times: shares of the run by the time of the run.
    Memory stands in records of its own, one a line, which have no other cost.

    Raises:
        InputError: unreadable, cut off, or without a sample.
    """
    with open_artefact(path) as file:
        data = file.read()
    if data.strip() == b"{}":
        raise InputError(f"{path} is an empty profile: the run was too short for Scalene to take a sample", _TOO_SHORT)
    try:
        content = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is no whole Scalene profile: {error}", "record it again; it may be cut off"
        ) from error
    if not 0 <= content.elapsed_time_sec < _LONGEST_S:
        raise InputError(f"{path}: elapsed_time_sec is {content.elapsed_time_sec:g}", "record it again")
    counter, basis = _counted(content, path)
    found = counter.stacks()
    table = stacks.records(found)
    totals = {name.removeprefix("self_"): int(values.sum()) for name, values in found.costs.items()}
    if not any(totals.values()):
        raise InputError(f"{path} has no sample of the processor in it", _TOO_SHORT)
    notes = [basis, *(() if "ns" in totals else stacks.notes_on(table, found.frames)), *_notes(content, totals)]
    return Recording(_run(content, path), _with_memory(table, content), tool_totals=totals, notes=tuple(notes))


def _counted(content: _File, path: Path) -> tuple[stacks.StackCounter, str]:
    """The stacks of the most detailed of the three tables that has any, and a sentence on which."""
    if any(count for _, count in content.combined_stacks):
        return _from_combined(content, path), "read from Scalene's combined stacks, in samples"
    if any(share.python_time or share.c_time for _, share in content.stacks):
        return _from_stacks(content, path), "there are no native stacks: read from Scalene's Python stacks, in time"
    return _from_lines(content, path), "there are no stacks: read from Scalene's lines, in time"


def _from_combined(content: _File, path: Path) -> stacks.StackCounter:
    counter = stacks.StackCounter("samples")
    by_thread, libraries = _by_thread(content), _Libraries(content)
    for index, (frames, count) in enumerate(content.combined_stacks):
        if count < 0:
            raise InputError(f"{path}: combined_stacks[{index}] has {count} samples", "record it again")
        path_codes = [counter.code(frame) for frame in _stitched(frames, libraries)]
        for thread, part in by_thread.get(index, {None: count}).items():
            counter.add(thread, path_codes, part)
    return counter


def _by_thread(content: _File) -> Mapping[int, Mapping[str | None, int]]:
    """Samples of each stitched stack by thread; empty where the timeline is not of all samples."""
    found: dict[int, dict[str | None, int]] = {}
    for moment in content.combined_stacks_timeline:
        thread = "main" if moment.thread_id == content.main_thread_id else str(moment.thread_id)
        threads = found.setdefault(moment.stack_index, {})
        threads[thread] = threads.get(thread, 0) + moment.count
    whole = {index: count for index, (_, count) in enumerate(content.combined_stacks)}
    return found if {index: sum(threads.values()) for index, threads in found.items()} == whole else {}


class _Libraries:
    """Where libraries lie in memory, as far as addresses with a name tell.

    Scalene names exported functions only. Code between two named addresses of one library is that library's, too.
    """

    def __init__(self, content: _File) -> None:
        bounds: dict[str, tuple[int, int]] = {}
        for frames, _ in content.combined_stacks:
            for frame in frames:
                if frame.ip and frame.filename_or_module:
                    low, high = bounds.get(frame.filename_or_module, (frame.ip, frame.ip))
                    bounds[frame.filename_or_module] = min(low, frame.ip), max(high, frame.ip)
        self._bounds = sorted((low, high, library) for library, (low, high) in bounds.items())

    def of(self, frame: _Frame) -> str | None:
        """The library that a frame's code lies in, None where it is not known."""
        if frame.filename_or_module or not frame.ip:
            return frame.filename_or_module or None
        found = [library for low, high, library in self._bounds if low <= frame.ip <= high]
        return found[0] if len(found) == 1 else None


def _stitched(frames: Sequence[_Frame], libraries: _Libraries) -> Iterator[Frame]:
    """Python frames, then the native ones below the last Python code that runs."""
    seam = next((place for place, frame in enumerate(frames) if frame.kind == "native"), len(frames))
    native = frames[seam:]
    evaluates = [place for place, frame in enumerate(native) if _EVALUATES.fullmatch(frame.display_name)]
    line = Frame(None)
    for frame in frames[:seam]:
        line = located(frame.display_name or None, frame.filename_or_module, frame.line)
        yield line
    for frame in native[evaluates[-1] + 1 if evaluates else 0 :]:
        yield Frame(frame.display_name or None, "native", line.file, line.line, libraries.of(frame))


def _from_stacks(content: _File, path: Path) -> stacks.StackCounter:
    """Python stacks; the time of the C code below a line is that of a nameless frame."""
    counter = stacks.StackCounter("self_ns", "samples")
    for index, (entries, share) in enumerate(content.stacks):
        where = f"{path}: stacks[{index}]"
        frames = [_entry(entry, where) for entry in entries]
        python, native = (_ns(time, content, where) for time in (share.python_time, share.c_time))
        counter.add(None, map(counter.code, frames), python, max(share.count, 0))
        if native and frames:
            below = Frame(None, "native", frames[-1].file, frames[-1].line)
            counter.add(None, map(counter.code, [*frames, below]), native, 0)
    return counter


def _entry(entry: str, where: str) -> Frame:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise InputError(f"{where}: '{entry[:80]}' is no frame", "a frame is a file, a function and a line")
    return located(match["function"], match["file"], int(match["line"]))


def _from_lines(content: _File, path: Path) -> stacks.StackCounter:
    """Lines; what they spend in C and in the system are nameless frames below them."""
    counter = stacks.StackCounter("self_ns")
    for file, line, frame in _lines(content):
        where = f"{path}: {file}, line {line.lineno}"
        parts = (line.n_cpu_percent_python, line.n_cpu_percent_c, line.n_sys_percent)
        python, native, system = (_ns(percent / 100, content, where) for percent in parts)
        below = Frame(None, "native", frame.file, frame.line)
        in_system = Frame("[system]", "native", frame.file, frame.line, "[kernel]")
        for frames, cost in (([frame], python), ([frame, below], native), ([frame, in_system], system)):
            if cost:
                counter.add(None, map(counter.code, frames), cost)
    return counter


def _lines(content: _File) -> Iterator[tuple[str, _Line, Frame]]:
    """Every line of every file, with the function that it lies in."""
    for file, source in content.files.items():
        functions = {function.lineno: function.line for function in source.functions}
        for line in source.lines:
            name = functions.get(line.start_function_line, "<module>")
            yield file, line, located(name, file, line.lineno)


def _ns(share: float, content: _File, where: str) -> int:
    """A share of the run as a time.

    Raises:
        InputError: negative or no number.
    """
    if not (math.isfinite(share) and 0 <= share < _LONGEST_S):
        raise InputError(f"{where}: a share of {share:g} of the run", "record it again")
    return round(share * content.elapsed_time_sec * _NS_PER_S)


def _with_memory(table: pa.Table, content: _File) -> pa.Table:
    """The records, and one more for each line that allocated: it has no cost but memory."""
    lines = [(line, frame) for _, line, frame in _lines(content) if line.n_malloc_mb > 0 or line.n_peak_mb > 0]
    if not lines:
        return table
    frames = [frame for _, frame in lines]
    parent = np.full(len(lines), NONE, np.int32)
    columns = {
        **stacks.columns_of(frames, np.arange(len(lines)), parent),
        "allocated_bytes": from_integers(_bytes(line.n_malloc_mb for line, _ in lines)),
        "peak_bytes": from_integers(_bytes(line.n_peak_mb for line, _ in lines)),
    }
    return pa.concat_tables([table, schema.table_from(schema.RECORDS, columns, len(lines))])


def _bytes(megabytes: Iterable[float]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(size * _BYTES_PER_MB) for size in megabytes], np.int64)


def _notes(content: _File, totals: Mapping[str, int]) -> Iterator[str]:
    if "ns" in totals:
        whole = content.elapsed_time_sec * _NS_PER_S
        yield (
            f"Scalene gives shares; times are of the {content.elapsed_time_sec:.3g} s that the run took, and what a "
            "line spends in C is a frame without a name below it"
        )
        if abs(totals["ns"] - whole) > 0.01 * whole:
            yield f"its shares sum to {totals['ns'] / whole:.1%} of the run"
    on_gpu = sum(1 for _, line, _ in _lines(content) if line.n_gpu_percent > 0)
    if on_gpu:
        yield f"GPU utilisation of {on_gpu} lines was left out: Scalene does not tell it by kernel"


def _run(content: _File, path: Path) -> Run:
    command = [content.program, *(content.args or [])[1:]] if content.program else []
    return Run(
        tool="scalene",
        command=tuple(command),
        settings={"elapsed_time_sec": f"{content.elapsed_time_sec:.6g}", "memory": str(content.memory).lower()},
        artefacts=(path.name,),
    )


SCALENE = Importer(name="scalene", sniff=sniff, load=load)
