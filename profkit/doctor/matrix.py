"""Which tool records what: every implementation, and the user's own programs; a reason for each no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profkit.commands import NATIVE, PYTHON
from profkit.recorders import Recorder


@dataclass(frozen=True)
class Tool:
    """A tool on this machine.

    Attributes:
        recorder: of it.
        version: as it says it; None where it has none, or is not there.
        problem: why it does not work here; None where it does.
        remedy: what to do, one command or setting an entry.
        tried: whether it was started here.
    """

    recorder: Recorder
    version: str | None
    problem: str | None
    remedy: tuple[str, ...] = ()
    tried: bool = False

    @property
    def name(self) -> str:
        """On the command line."""
        return self.recorder.name


@dataclass(frozen=True)
class Subject:
    """What tools record: an implementation or the user's own program.

    Attributes:
        name: column of the matrix.
        summary: one line.
        language: `python` or `c++`.
        devices: why it cannot run on each of its devices; None where it can, empty for the user's own.
        problem: why it does not run at all; None where it does.
        remedy: what to do, one command or setting an entry.
        note: what else is to be known; may be empty.
        own: whether it is the user's own program.
    """

    name: str
    summary: str
    language: str
    devices: Mapping[str, str | None]
    problem: str | None = None
    remedy: tuple[str, ...] = ()
    note: str = ""
    own: bool = False


OWN = (
    Subject("python program", "your own, unedited", PYTHON, {}, own=True),
    Subject("c++ program", "your own, of LibTorch", NATIVE, {}, own=True),
)

Matrix = Mapping[str, Mapping[str, str | None]]
"""By tool and subject: why not; None where it records."""


def matrix_of(tools: Sequence[Tool], subjects: Sequence[Subject], extension: str | None, preload: str | None) -> Matrix:
    """Every tool on every subject.

    Args:
        tools: rows.
        subjects: columns.
        extension: why the compiled client requests for Python cannot be had; None where they can.
        preload: why what is loaded into a C++ program cannot be had; None where it can.
    """
    return {
        tool.name: {subject.name: why_not(tool, subject, extension, preload) for subject in subjects} for tool in tools
    }


def why_not(tool: Tool, subject: Subject, extension: str | None, preload: str | None) -> str | None:
    """The first reason, what cannot be changed before what can; None where the tool records it."""
    recorder = tool.recorder
    if subject.language in recorder.refuses:
        return f"{tool.name}: {recorder.refuses[subject.language]}"
    if tool.problem:
        return f"{tool.name}: {tool.problem}"
    if subject.problem:
        return f"{subject.name}: {subject.problem}"
    if recorder.client_requests and subject.language == PYTHON and extension:
        return f"{tool.name} on Python: {extension}"
    if recorder.inside and subject.own and subject.language == NATIVE and preload:
        return f"{tool.name} in a C++ program: {preload}"
    return None
