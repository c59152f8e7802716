"""Region: the measured steps. Start and stop the tool around them, and hand the steps its scopes.

`cpp/include/profkit/region.h` is the twin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from profkit.runner.attach import attach, detach
from profkit.runner.scope import NO_SCOPES, CallgrindScopes, NamedFrames, Scopes, TorchScopes, WallclockScopes


@dataclass(frozen=True)
class Tool:
    """What a region needs to know of the tool.

    Attributes:
        name: a key of `REGIONS`.
        artefact: file that the tool inside this process writes.
        extension: of Callgrind's client requests.
        control: directory for asking the recorder to attach the tool.
    """

    name: str
    artefact: Path | None = None
    extension: Path | None = None
    control: Path | None = None


@contextmanager
def _no_region(_tool: Tool) -> Iterator[Scopes]:
    yield NO_SCOPES


@contextmanager
def _torch_region(tool: Tool) -> Iterator[Scopes]:
    """Profile the region with shapes and memory; the trace is written after the region."""
    import torch

    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, record_shapes=True, profile_memory=True) as profiler:
        yield TorchScopes()
    assert tool.artefact is not None
    profiler.export_chrome_trace(str(tool.artefact))


@contextmanager
def _callgrind_region(tool: Tool) -> Iterator[Scopes]:
    """Count instructions in the region only, so that neither start-up nor tear-down is in the profile."""
    assert tool.extension is not None
    scopes = CallgrindScopes(tool.extension)
    scopes.extension.start()
    yield scopes
    scopes.extension.stop()


@contextmanager
def _wallclock_region(tool: Tool) -> Iterator[Scopes]:
    scopes = WallclockScopes()
    yield scopes
    assert tool.artefact is not None
    names, depths, starts, durations = zip(*scopes.rows, strict=True) if scopes.rows else ((), (), (), ())
    body = {"format": "profkit-wallclock", "name": names, "depth": depths, "start_ns": starts, "duration_ns": durations}
    tool.artefact.write_text(json.dumps(body))


@contextmanager
def _py_spy_region(tool: Tool) -> Iterator[Scopes]:
    """Have py-spy look at this process in the region only: before it, it would mostly see torch being imported."""
    assert tool.control is not None
    attach(tool.control)
    try:
        yield NamedFrames("<profkit>")
    finally:
        detach(tool.control)


def _unless_saved(*words: object, sep: str = " ", end: str = "\n", file: TextIO | None = None, **_: object) -> None:
    """Print what Scalene has to say, but not where its file lies: that would stand in the program's own output."""
    text = sep.join(map(str, words)) + end
    if "profile saved to" not in text:
        (file or sys.stdout).write(text)


@contextmanager
def _scalene_region(_tool: Tool) -> Iterator[Scopes]:
    """Switch Scalene, which runs this program, on for the region."""
    from scalene import scalene_profiler

    vars(scalene_profiler)["print"] = _unless_saved
    scalene_profiler.start()
    try:
        yield NamedFrames("<exec@profkit>")  # Scalene leaves out frames of other files that are none
    finally:
        scalene_profiler.stop()


REGIONS: Mapping[str, Callable[[Tool], AbstractContextManager[Scopes]]] = {
    "none": _no_region,
    "torch": _torch_region,
    "callgrind": _callgrind_region,
    "wallclock": _wallclock_region,
    "py-spy": _py_spy_region,
    "scalene": _scalene_region,
}
