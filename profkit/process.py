"""Child processes: their output passes through, and none is left behind whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from profkit.errors import MissingToolError, ProgramError

_POLL_S = 0.05
_PATIENCE_S = 3.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MOST_SIGNALS = 2


def nothing() -> None:
    """Attend to nothing."""


def run_watched(
    command: Sequence[str],
    environment: Mapping[str, str],
    progress: Path,
    watch: Callable[[str], None],
    attend: Callable[[], None] = nothing,
    limit_s: float | None = None,
) -> None:
    """Run a program to its end, telling `watch` the last line of its progress file whenever it changes.

    Its standard output goes to our standard error, because ours is for the result.

    Args:
        command: to start.
        environment: variables beside our own.
        progress: file that it appends a line to.
        watch: told that line.
        attend: called again and again while it runs.
        limit_s: time that it may take [s].

    Raises:
        ProgramError: it fails, is killed or takes too long.
        MissingToolError: it cannot be started.
        KeyboardInterrupt: passed on after the program and its children are gone.
    """
    process = _start(command, {**os.environ, **environment}, stdout=sys.stderr.fileno())
    try:
        told, start = None, time.monotonic()
        while process.poll() is None:
            if (line := _last_line(progress)) != told:
                watch(line)
                told = line
            attend()
            if limit_s is not None and time.monotonic() - start > limit_s:
                raise ProgramError(
                    f"the program took longer than {limit_s:g} s: {' '.join(command)}",
                    "a larger --time-limit, or fewer --steps",
                )
            time.sleep(_POLL_S)
    finally:
        end(process)
    if process.returncode:
        raise ProgramError(f"{_outcome(process.returncode)}: {' '.join(command)}", "its own words are above")


def run_through(
    command: Sequence[str],
    environment: Mapping[str, str],
    attend: Callable[[], None],
    *,
    output: int | None = None,
    limit_s: float | None = None,
) -> int:
    """Run a program of the user to its end as if it were run by itself.

    It has our standard input, output and error. Signals that end a program are passed on to it; Ctrl-C in a terminal
    reaches it by itself. What it leaves running in the background stays.

    Args:
        command: to start.
        environment: variables beside our own.
        attend: called again and again while it runs.
        output: file descriptor for its standard output; None for ours.
        limit_s: time that it may take [s]; it is asked to end after that.

    Returns:
        Its exit status, negative where a signal killed it.

    Raises:
        MissingToolError: it cannot be started.
    """
    in_terminal = sys.stdin is not None and sys.stdin.isatty()
    process = _start(command, {**os.environ, **environment}, stdout=output, stdin=None, own_session=not in_terminal)
    with ExitStack() as unless_it_ends:
        unless_it_ends.callback(process.kill if in_terminal else partial(end, process))
        with _passing_on(process, in_terminal):
            start = time.monotonic()
            while process.poll() is None:
                attend()
                if limit_s is not None and time.monotonic() - start > limit_s:
                    process.send_signal(signal.SIGTERM)
                    limit_s = None
                time.sleep(_POLL_S)
        unless_it_ends.pop_all()
    return process.wait()


@contextmanager
def _passing_on(process: subprocess.Popen[bytes], in_terminal: bool) -> Iterator[None]:
    """Pass signals on to a program, and end it at the third one that asks for that."""
    received: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > _MOST_SIGNALS:
            number = signal.SIGKILL
        if in_terminal and number != signal.SIGINT:
            process.send_signal(number)
        elif not in_terminal:
            _signal(process, signal.Signals(number))

    before = {number: signal.signal(number, pass_on) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_quietly(command: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end and return its exit status and all that it said."""
    process = _start(command, dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate()
    finally:
        end(process)
    return process.returncode, output.decode(errors="replace")


def _start(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: int | None,
    stderr: int | None = None,
    stdin: int | None = subprocess.DEVNULL,
    *,
    own_session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start in a session of its own, so that the program and all its children can be ended together."""
    try:
        return subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=own_session
        )
    except OSError as error:
        raise MissingToolError(
            f"cannot start {command[0]}: {error.strerror}", "is it installed and executable?"
        ) from error


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole session to stop, then make it."""
    try:
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_S)
    finally:  # also when Ctrl-C is pressed again: in a session of its own the terminal does not reach it
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # nobody is left
        os.killpg(process.pid, number)


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""


def _outcome(status: int) -> str:
    if status < 0:
        return f"the program was killed by {signal.Signals(-status).name}"
    return f"the program failed with exit code {status}"
