"""A tool that is attached to a program while it runs, when the program asks for it.

Requests and answers are files in a directory that both know; `profkit.runner.attach` is the program's side.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from profkit.errors import ProgramError
from profkit.process import end
from profkit.runner.attach import ATTACH, DETACH

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Attaching:
    """How a tool is attached.

    Attributes:
        command: from the process id to what to start.
        ready: what the tool says when it is attached.
        refusals: what it says when it may not be, each with what to do.
        log: file for all that it says.
    """

    command: Callable[[int], list[str]]
    ready: str
    refusals: Mapping[str, str]
    log: Path


@dataclass
class Companion:
    """The tool, from the program's request on.

    Attributes:
        attaching: how.
        control: directory of requests and answers.
        failure: why it could not be attached.
    """

    attaching: Attaching
    control: Path
    failure: ProgramError | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _answered: set[str] = field(default_factory=set, init=False)

    def attend(self) -> None:
        """Do what the program has asked for since the last call; never waits for the tool to get ready."""
        if ATTACH not in self._answered and (self.control / ATTACH).exists():
            self._attach()
        if DETACH not in self._answered and (self.control / DETACH).exists():
            self.stop()
            self._answer(DETACH, "")

    def stop(self) -> None:
        """Have the tool write its artefact and end."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.failure = ProgramError(f"{self._name()} did not end within {_PATIENCE_S:.0f} s", "try it again")
        if self._process.returncode and not self.failure:
            outcome = f"ended with status {self._process.returncode} while it recorded"
            self.failure = ProgramError(f"{self._name()} {outcome}: {self._last_words()}", "nothing of it can be kept")

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            end(self._process)

    def said(self) -> str:
        """All that the tool said."""
        return self.attaching.log.read_text(errors="replace") if self.attaching.log.exists() else ""

    def _attach(self) -> None:
        if self._process is None:
            process = int((self.control / ATTACH).read_text())
            self._start(self.attaching.command(process))
        if self.attaching.ready in self.said():
            self._answer(ATTACH, "")
        elif self.failure or (self._process is not None and self._process.poll() is not None):
            self.failure = self.failure or self._refused()
            self._answer(ATTACH, self.failure.message)

    def _start(self, command: list[str]) -> None:
        try:
            with self.attaching.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            self.failure = ProgramError(f"cannot start {command[0]}: {error.strerror}", "profkit doctor")

    def _refused(self) -> ProgramError:
        words = self.said()
        hint = next((hint for mark, hint in self.attaching.refusals.items() if mark in words), "its own words say why")
        return ProgramError(f"{self._name()} cannot be attached: {self._last_words()}", hint)

    def _last_words(self) -> str:
        words = self.said().partition("Stack backtrace:")[0]
        return " ".join(words.split())[-300:] or "it said nothing"

    def _answer(self, request: str, words: str) -> None:
        self._answered.add(request)
        partial = self.control / f"{request}.answer.partial"
        partial.write_text(words)
        partial.rename(self.control / f"{request}.answer")

    def _name(self) -> str:
        return self.attaching.log.stem


@contextmanager
def accompanied(attaching: Attaching | None, control: Path) -> Iterator[Companion | None]:
    """A companion for as long as the program runs; at the end it has written its artefact, or is gone.

    Raises:
        ProgramError: it could not be attached.
    """
    if attaching is None:
        yield None
        return
    companion = Companion(attaching, control)
    try:
        yield companion
        companion.stop()
        if companion.failure:
            raise companion.failure
    finally:
        companion.close()
