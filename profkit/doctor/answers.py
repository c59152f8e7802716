"""What programs answer: asked with a time limit, and a failure is an answer too."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_LIMIT_S = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes:
        failure: why it did not do what it was asked; None where it did.
        output: on standard output.
    """

    failure: str | None
    output: str = ""

    @property
    def version(self) -> str | None:
        """The first number with a point in it."""
        found = _VERSION.search(self.output)
        return found.group() if found else None


def ask(command: Sequence[str], words: str = "", limit_s: float = _LIMIT_S) -> Answer:
    """Run a program that takes a moment.

    Args:
        command: to start.
        words: for its standard input.
        limit_s: time that it may take [s].
    """
    try:
        done = subprocess.run(
            command, input=words, capture_output=True, text=True, errors="replace", timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(f"it did not end within {limit_s:g} s")
    except OSError as error:
        return Answer(f"it cannot be started: {error.strerror}")
    if done.returncode:
        return Answer(_failure(done.returncode, done.stderr or done.stdout), done.stdout)
    return Answer(None, done.stdout)


def _failure(status: int, words: str) -> str:
    """The last line of what a program said, or how it ended."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][-200:] if lines else f"exit code {status}"


def older(version: str | None, least: tuple[int, ...]) -> bool:
    """Whether a version is known and before another.

    >>> older("3.9.1", (3, 15)), older("3.15", (3, 15)), older(None, (3, 15))
    (True, False, False)
    """
    return version is not None and tuple(map(int, version.split("."))) < least
