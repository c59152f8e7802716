"""Recorders: one tool a module, each a value that says how to run a program under it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profkit.commands import find_program
from profkit.errors import MissingToolError, UsageError
from profkit.options import Option, Options, complete
from profkit.registry import discover


@dataclass(frozen=True)
class Attachment:
    """A tool that is attached to a program which already runs.

    Attributes:
        command: from (process id, artefact, settings) to what to start.
        ready: what the tool says when it is attached.
        refusals: what it says when it may not be, each with what to do.
        counts: from all that it said to what it counted, by name.
    """

    command: Callable[[int, Path, Options], list[str]]
    ready: str
    refusals: Mapping[str, str]
    counts: Callable[[str], Mapping[str, str]]


def unwrapped(command: list[str], _artefact: Path, _settings: Options) -> list[str]:
    """The command as it is: the tool is inside the program, or attached to it."""
    return command


def settled(_artefact: Path) -> Mapping[str, str]:
    """The tool has written its artefact under the name that it was given."""
    return {}


@dataclass(frozen=True)
class Recorder:
    """Runs a program under one tool.

    Attributes:
        name: on the command line.
        summary: one line.
        artefact: name of the tool's raw file in the run directory; `{option}` stands for a setting.
        format: importer that reads it.
        wrap: from (command of the program, artefact, settings) to the command to start.
        settle: once the program has ended, give the artefact its name; what it says goes into `run.json`.
        programs: that are needed, each with how to get it.
        modules: of Python that are needed, each with how to get it.
        refuses: languages that it cannot record, each with the reason.
        steps: default number of steps, fewer where the tool is slow.
        warmup: default number of steps before the region.
        inside: whether the program itself writes the artefact.
        always_slow: whether the program is slow under it outside of the region too.
        client_requests: whether the program speaks to the tool through the compiled extension.
        attachment: how it is attached to the running program, where it is.
        options: that it takes: `--tool-option name=value`.
        conflict: from its settings to why they cannot be had together; None where they can.
        caution: from its settings to a word on what they cost, empty for none.
        limit_s: from its settings to the time that a run may take where nobody says [s]; None for any.
        period_ns: from its settings to the time between two samples [ns]; None where it takes none.
        environment: variables set for the program.
        version: command that prints the tool's version; None where it is torch's.
    """

    name: str
    summary: str
    artefact: str
    format: str
    wrap: Callable[[list[str], Path, Options], list[str]] = unwrapped
    settle: Callable[[Path], Mapping[str, str]] = settled
    programs: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    refuses: Mapping[str, str] = field(default_factory=dict)
    steps: int = 20
    warmup: int = 5
    inside: bool = False
    always_slow: bool = False
    client_requests: bool = False
    attachment: Attachment | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    conflict: Callable[[Options], str | None] = lambda _: None
    caution: Callable[[Options], str] = lambda _: ""
    limit_s: Callable[[Options], float | None] = lambda _: None
    period_ns: Callable[[Options], int] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    version: tuple[str, ...] | None = None

    def settings(self, given: Options) -> Options:
        """All its settings: the given ones over the defaults.

        Raises:
            UsageError: one does not exist, has a wrong value or excludes another.
        """
        settings = complete(f"--tool-option of {self.name}", self.options, given)
        if why := self.conflict(settings):
            raise UsageError(f"{self.name}: {why}", "leave one of the options out")
        return settings

    def missing(self) -> dict[str, str]:
        """What it needs and does not find here, each with how to get it; the modules in this interpreter."""
        programs = {
            f"'{name}', which is not on PATH": hint
            for name, hint in self.programs.items()
            if find_program(name) is None
        }
        return programs | {
            f"the Python package {name}, which is not installed": hint
            for name, hint in self.modules.items()
            if importlib.util.find_spec(name) is None
        }


def refusal(recorder: Recorder, what: str, language: str, reason: str) -> UsageError:
    """The error for a program that a tool cannot record: why, and which tools can.

    Args:
        recorder: the tool.
        what: is to be recorded.
        language: of that.
        reason: why not.
    """
    others = discover(__name__, Recorder).values()
    can = [other.name for other in others if language not in other.refuses]
    return UsageError(f"{recorder.name} cannot record {what}: {reason}", f"these can: --tool {', '.join(can)}")


def require(recorder: Recorder) -> None:
    """Check that a tool is there.

    Raises:
        MissingToolError: it lacks a program or a Python package.
    """
    for what, hint in recorder.missing().items():
        raise MissingToolError(f"{recorder.name} needs {what}", f"{hint}; then profkit doctor")
