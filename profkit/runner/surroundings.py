"""What surrounds a run in its process: the clock, other tools, the display; `cpp/src/surroundings.cpp` is the twin."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

READINGS = 5000
"""Of the clock, to know its resolution: they take less than a millisecond."""

WATCHERS = (
    "scalene",
    "profiler",
    "asan",
    "tsan",
    "ubsan",
    "memray",
    "trace",
    "heaptrack",
    "Injection",
    "gperf",
    "vtune",
    "ittnotify",
)
"""In the names of libraries that watch the program which loads them ahead of its own; others give it an allocator or
another version of what it has. `cpp/src/surroundings.cpp` has the same."""

OWN: Mapping[str, str] = {"callgrind": "valgrind", "scalene": "scalene", "py-spy": "py-spy"}
"""In the names of what a recorder itself leaves in the process."""


def clock() -> dict[str, Any]:
    """The clock that times the steps, and the smallest difference that it shows [ns]."""
    readings = [time.perf_counter_ns() for _ in range(READINGS)]
    return {
        "name": "perf_counter",
        "resolution_ns": float(min(after - before for before, after in pairwise(readings) if after > before)),
        "monotonic": time.get_clock_info("perf_counter").monotonic,
    }


def process_mark() -> str:
    """What no other process has, on this machine and since it was started."""
    import psutil  # not every program that is looked at has it

    return f"{psutil.boot_time():.0f}-{os.getpid()}-{psutil.Process().create_time():.2f}"


def headless() -> bool:
    """Whether there is no display."""
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def elsewhere() -> bool:
    """Whether the current directory is another than the program's own."""
    return not Path.cwd().is_relative_to(Path(__file__).resolve().parent)


def other_tools(own: str) -> list[str]:
    """Profilers, tracers and debuggers in this process beside the recorder's own.

    Args:
        own: the recorder's tool.
    """
    ours = OWN.get(own)
    found = (*_hooks(), *_monitors(), *_torch_profiler(), *_tracer(), *_preloaded())
    return sorted({tool for tool in found if ours is None or ours not in tool})


def _hooks() -> Iterator[str]:
    for name, hook in (("sys.setprofile", sys.getprofile()), ("sys.settrace", sys.gettrace())):
        if hook is not None:
            yield f"{name}: {getattr(hook, '__module__', None) or type(hook).__module__}"


def _monitors() -> Iterator[str]:
    """Tools of `sys.monitoring`, which Python has from 3.12 on."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None:
        for number in range(6):
            if tool := monitoring.get_tool(number):
                yield f"sys.monitoring: {tool}"


def _torch_profiler() -> Iterator[str]:
    if torch._C._autograd._profiler_enabled():
        yield "torch profiler"


def _tracer() -> Iterator[str]:
    """Who has attached to this process as debuggers do, where the system tells."""
    status = Path("/proc/self/status")
    traced = re.search(r"^TracerPid:\s*([1-9]\d*)$", status.read_text(), re.MULTILINE) if status.exists() else None
    if traced:
        name = Path("/proc", traced[1], "comm")
        yield f"ptrace: {name.read_text().strip() if name.exists() else traced[1]}"


def _preloaded() -> Iterator[str]:
    """Libraries that watch, and that the environment loads ahead of the program's own; Valgrind's are how it shows."""
    for variable in ("LD_PRELOAD", "LD_AUDIT"):
        for path in re.split("[: ]+", os.environ.get(variable, "")):
            library = path.rpartition("/")[2]
            if library.startswith("vgpreload"):
                yield "valgrind"
            elif any(name in library for name in WATCHERS):
                yield f"{variable}: {library}"
