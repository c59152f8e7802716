"""Collapsed stacks: `root;caller;leaf 42`, one stack a line, as py-spy (`raw`), stackcollapse-perf.pl and others do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from profkit import stacks
from profkit.artefact import open_artefact
from profkit.errors import InputError
from profkit.frames import frame_of
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

_LINE = re.compile(r"(?P<stack>(?:.*\S)?)[ \t]+(?P<count>\d+)\s*", re.DOTALL)
_PROCESS = re.compile(r'process (?P<pid>\d+):"', re.DOTALL)
_THREAD = re.compile(r"thread \((?P<thread>[^()]*)\)(?:: (?P<name>.*))?", re.DOTALL)
_LIKE_A_FRAME = re.compile(r'.+ \(.+\)|thread \(.*|process \d+:".*', re.DOTALL)
_LONGEST_COMMAND = 10_000
"""Lines that the command of one process may have."""
_MOST = 2**62
_HINT = "a line is the frames of a stack, root first, with ';' between them, then a space and a whole number"


def sniff(head: bytes) -> bool:
    """Whether the file begins with stacks and their counts."""
    text = head.decode("utf-8", "replace")
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    if len(lines) > 1 and len(head) > len(text.rpartition("\n")[0]) and not text.endswith("\n"):
        lines.pop()  # the head may end within it
    if not lines or not any(";" in line for line in lines):
        return False
    return _PROCESS.match(lines[0]) is not None or all(_LINE.fullmatch(line) for line in lines)


def load(path: Path) -> Recording:
    """Read stacks and counts; processes and threads, which py-spy writes as frames, become the thread.

    Raises:
        InputError: unreadable, or a line that is no stack with a count.
    """
    with open_artefact(path) as file:
        text = file.read().decode("utf-8", "replace")
    lines = text.split("\n")
    reader = _Reader(str(path))
    for line, stack, count in _records(lines, str(path)):
        reader.add(line, stack, count)
    found, notes = stacks.within_program(reader.counter.stacks())
    if not found.costs["samples"].sum():
        raise InputError(f"{path} has no samples in it", "the program may have been too short; sample more often")
    table = stacks.records(found)
    notes += stacks.notes_on(table, found.frames)
    if lines[-1].strip():
        notes.append("the last line has no end: if the file was cut off, its count may be too low")
    if reader.without_stack:
        notes.append(f"{reader.without_stack} of {reader.total} samples were taken outside of every frame")
    run = Run(tool="py-spy" if reader.by_py_spy else "collapsed", artefacts=(path.name,))
    # py-spy ends every line; others may leave the end of the last one out.
    broken = int(reader.by_py_spy and bool(lines[-1].strip()))
    return Recording(run, table, tool_totals={"samples": reader.total}, notes=tuple(notes), broken=broken)


def _records(lines: list[str], source: str) -> Iterator[tuple[int, str, int]]:
    """Number, stack and count of each line; what a line break in a command has split is joined again."""
    number = 0
    while number < len(lines):
        first, text = number, lines[number]
        number += 1
        if not text.strip() or text.startswith("#"):
            continue
        if _PROCESS.match(text):
            while not _is_whole(text) and number < len(lines) and number - first < _LONGEST_COMMAND:
                text += "\n" + lines[number]
                number += 1
        match = _LINE.fullmatch(text)
        if match is None or (_PROCESS.match(text) and not _is_whole(text)):
            shown = lines[first] if len(lines[first]) < 80 else f"{lines[first][:60]} ... {lines[first][-15:]}"
            raise InputError(f"{source}, line {first + 1}: '{shown}' is no stack with a count", _HINT)
        count = int(match["count"])
        if count >= _MOST:
            raise InputError(f"{source}, line {first + 1}: the count {count} is beyond 62 bits", "the file is damaged")
        yield first + 1, match["stack"], count


def _is_whole(text: str) -> bool:
    """Whether a line that begins with a process ends with a count, and the command before is closed."""
    match = _LINE.fullmatch(text)
    return match is not None and _after_process(match["stack"]) is not None


def _after_process(stack: str) -> int | None:
    """Where the frame of a process ends: its command may hold quotes, semicolons and line breaks."""
    end = stack.find('"', stack.index('"') + 1)
    while end >= 0:
        rest = stack[end + 1 :]
        if not rest or (rest.startswith(";") and _LIKE_A_FRAME.fullmatch(rest[1:].split(";", 1)[0])):
            return end + 1
        end = stack.find('"', end + 1)
    return None


class _Reader:
    """Takes places off stacks, and reads each distinct frame once.

    Attributes:
        counter: the stacks.
        total: samples so far.
        without_stack: of them, such with no frame.
        by_py_spy: whether a process or a thread is named as only py-spy does.
    """

    def __init__(self, source: str) -> None:
        self.counter = stacks.StackCounter("samples")
        self.total = self.without_stack = 0
        self.by_py_spy = False
        self._source = source
        self._codes: dict[str, int] = {}

    def add(self, line: int, stack: str, count: int) -> None:
        """Add a stack.

        Raises:
            InputError: a frame without a name.
        """
        place, stack = self._place(stack)
        names = stack.split(";") if stack else []
        if not all(names):
            raise InputError(f"{self._source}, line {line}: a frame of the stack '{stack[:60]}' has no name", _HINT)
        self.counter.add(place or None, self._read(names), count)
        self.total += count
        if not names:
            self.without_stack += count

    def _read(self, names: Iterable[str]) -> Iterator[int]:
        for name in names:
            code = self._codes.get(name)
            if code is None:
                code = self._codes[name] = self.counter.code(frame_of(name))
            yield code

    def _place(self, stack: str) -> tuple[str, str]:
        """Name of the process and thread that a stack begins with, and the frames after it."""
        process = ""
        while match := _PROCESS.match(stack):  # the last one is the process itself, those before it started it
            end = _after_process(stack)
            if end is None:
                break
            process, stack = match["pid"], stack[end + 1 :]
        head, _, rest = stack.partition(";")
        thread = _THREAD.fullmatch(head)
        place = process
        if thread:
            stack = rest
            name = " ".join(part for part in (thread["thread"], thread["name"]) if part)
            place = f"{process}/{name}" if process else name
        self.by_py_spy = self.by_py_spy or bool(place)
        return place, stack


COLLAPSED = Importer(name="collapsed", sniff=sniff, load=load)
