"""Scopes: steps, phases and layers of the running program, told to whichever tool is recording.

With `region.py` the only place that knows how each tool learns of them; `cpp/include/profkit/scope.h` is the twin.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol


class Scopes(Protocol):
    """Makes the context manager of a scope called `ProfilerStep#0`, `phase/forward` or `layer/conv1`."""

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The scope, to be entered once."""
        ...


def no_scopes(_name: str) -> AbstractContextManager[object]:
    """Scopes that nobody listens to."""
    return nullcontext()


def torch_scopes(name: str) -> AbstractContextManager[object]:
    """Scopes as `user_annotation` rows of PyTorch Profiler."""
    import torch

    return torch.profiler.record_function(name)


class CallgrindScopes:
    """Scopes as labelled Callgrind dumps, through the extension module that the C++ side builds.

    Args:
        extension: path of `profkit_callgrind`, the shared object.
    """

    def __init__(self, extension: Path) -> None:
        loader = importlib.machinery.ExtensionFileLoader("profkit_callgrind", str(extension))
        spec = importlib.util.spec_from_file_location("profkit_callgrind", extension, loader=loader)
        assert spec is not None
        self.extension: ModuleType = importlib.util.module_from_spec(spec)
        loader.exec_module(self.extension)

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The scope, to be entered once."""
        return _CallgrindScope(self.extension, name)


class _CallgrindScope:
    """Enters and leaves in the extension: what happens in here is counted, so it is as little as can be."""

    __slots__ = ("extension", "name")

    def __init__(self, extension: ModuleType, name: str) -> None:
        self.extension = extension
        self.name = name

    def __enter__(self) -> None:
        self.extension.enter(self.name)

    def __exit__(self, *_: object) -> None:
        self.extension.leave()


class WallclockScopes:
    """Scopes as rows of (name, depth, start, duration) on the monotonic clock, nanoseconds."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, int, int]] = []
        self.depth = 0

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The scope, to be entered once."""
        return _WallclockScope(self, name)


class _WallclockScope:
    __slots__ = ("name", "row", "scopes", "start")

    def __init__(self, scopes: WallclockScopes, name: str) -> None:
        self.scopes = scopes
        self.name = name

    def __enter__(self) -> None:
        self.row = len(self.scopes.rows)
        self.scopes.rows.append((self.name, self.scopes.depth, 0, 0))
        self.scopes.depth += 1
        self.start = time.perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        duration = time.perf_counter_ns() - self.start
        self.scopes.depth -= 1
        self.scopes.rows[self.row] = (self.name, self.scopes.depth, self.start, duration)
