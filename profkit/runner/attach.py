"""Ask the recorder, which watches this program, to attach a tool to it and to take it off again.

A request is a file in a directory that both know, and so is its answer; `profkit.companion` is the other side.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profkit.errors import ProgramError
from profkit.runner.scope import NamedFrames

ATTACH, DETACH = "attach", "detach"
OUTSIDE = "profkit/attach"
"""Name of the frame that this waits in: samples in it are none of the program's."""

_POLL_S = 0.005
_PAUSE_S, _QUIET_S, _LONGEST_S = 0.1, 0.5, 60.0
_PR_SET_PTRACER, _ANYONE = 0x59616D61, ctypes.c_ulong(-1)


def attach(control: Path) -> None:
    """Have the tool attached, and wait until it disturbs no more than it always will.

    Raises:
        ProgramError: it cannot be attached; the message is the tool's own.
    """
    _permit()
    outside = NamedFrames("<profkit>")
    if refusal := outside.run(OUTSIDE, _ask, control, ATTACH):
        raise ProgramError(refusal)
    outside.run(OUTSIDE, _settle, _something_native())


def detach(control: Path) -> None:
    """Have the tool taken off, and wait until it has written its artefact."""
    NamedFrames("<profkit>").run(OUTSIDE, _ask, control, DETACH)


def _permit() -> None:
    """Allow any process of this user to look into this one: where Yama is on, only a parent may otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYONE, 0, 0, 0)


def _ask(control: Path, request: str) -> str:
    """Make a request; returns what the answer says, empty where it was granted."""
    partial = control / f"{request}.partial"
    partial.write_text(str(os.getpid()))
    partial.rename(control / request)
    answer = control / f"{request}.answer"
    while not answer.exists():
        time.sleep(_POLL_S)
    return answer.read_text()


def _something_native() -> Callable[[], Any]:
    """Work in the libraries whose symbols the tool will need."""
    if "torch" not in sys.modules:
        return lambda: sum(range(100))
    import torch

    ones = torch.ones(256)
    return ones.sum


def _settle(work: Callable[[], Any]) -> None:
    """Work until nothing stops the program for long: a sampler's first look at a library reads all its symbols."""
    begin = last = quiet = time.perf_counter()
    while last - quiet < _QUIET_S and last - begin < _LONGEST_S:
        work()
        now = time.perf_counter()
        if now - last > _PAUSE_S:
            quiet = now
        last = now
