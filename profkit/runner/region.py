"""Region: the measured steps. Start and stop the tool around them, and hand the steps its scopes.

`cpp/include/profkit/region.h` is the twin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from profkit.runner.scope import NO_SCOPES, CallgrindScopes, Scopes, TorchScopes, WallclockScopes


@dataclass(frozen=True)
class Tool:
    """What a region needs to know of the tool.

    Attributes:
        name: a key of `REGIONS`.
        artefact: file that the tool inside this process writes.
        extension: of Callgrind's client requests.
    """

    name: str
    artefact: Path | None = None
    extension: Path | None = None


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


REGIONS: Mapping[str, Callable[[Tool], AbstractContextManager[Scopes]]] = {
    "none": _no_region,
    "torch": _torch_region,
    "callgrind": _callgrind_region,
    "wallclock": _wallclock_region,
}
