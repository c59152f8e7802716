"""Scopes: steps, phases and layers of the running program, told to whichever tool is recording.

With `region.py` the only place that knows how each tool learns of them; `cpp/include/profkit/scope.h` is the twin.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Scopes(Protocol):
    """Tells a tool of scopes called `ProfilerStep#0`, `phase/forward` or `layer/conv1`.

    Attributes:
        layers: whether anyone listens to layers and operators; where not, a program opens no scopes for them.
    """

    layers: bool

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The scope, to be entered once."""
        ...

    def run(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call a function within the scope."""
        with self(name):
            return function(*args, **kwargs)


class NoScopes(Scopes):
    """Scopes that nobody listens to."""

    layers = False
    _nothing = nullcontext()

    def __call__(self, _name: str, /) -> AbstractContextManager[object]:
        """Nothing."""
        return self._nothing

    def run(self, _name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call the function."""
        return function(*args, **kwargs)


NO_SCOPES = NoScopes()


class PhaseClock(Scopes):
    """Times the phases of one step and nothing else: what a run without a tool is split into.

    Args:
        phases: names, without `phase/`.
        synchronize: called at the end of each phase, so that what was asked of a device is done.
    """

    layers = False

    def __init__(self, phases: Sequence[str], synchronize: Callable[[], None]) -> None:
        self._phases = {f"phase/{phase}": _TimedPhase(synchronize) for phase in phases}
        self._nothing = nullcontext()

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The phase's clock, running while it is entered."""
        return self._phases.get(name, self._nothing)

    def take(self) -> list[int]:
        """Time of each phase since the last call [ns], in the order of the names."""
        return [phase.take() for phase in self._phases.values()]


class _TimedPhase:
    __slots__ = ("elapsed", "start", "synchronize")

    def __init__(self, synchronize: Callable[[], None]) -> None:
        self.synchronize = synchronize
        self.elapsed = 0

    def __enter__(self) -> None:
        self.start = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self.synchronize()
        self.elapsed += time.perf_counter_ns() - self.start

    def take(self) -> int:
        elapsed, self.elapsed = self.elapsed, 0
        return elapsed


class TorchScopes(Scopes):
    """Scopes as `user_annotation` rows of PyTorch Profiler."""

    layers = True

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        """The scope, to be entered once."""
        import torch

        return torch.profiler.record_function(name)


class CallgrindScopes(Scopes):
    """Scopes as labelled Callgrind dumps, through the extension module that the C++ side builds.

    Args:
        extension: path of `profkit_callgrind`, the shared object.
    """

    layers = True

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


class WallclockScopes(Scopes):
    """Scopes as rows of (name, depth, start, duration) on the monotonic clock, nanoseconds."""

    layers = True

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


def call(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """Call a function: what runs in every named frame."""
    return function(*args, **kwargs)


class NamedFrames(Scopes):
    """Scopes as frames of the Python stack, each of a function named like the scope, which every sampler sees.

    Only `run` makes a frame; a `with` block has none, so that steps are not told apart.

    Args:
        file: what the frames say that they are from.
    """

    layers = True
    _nothing = nullcontext()

    def __init__(self, file: str) -> None:
        self._file = file
        self._frames: dict[str, Callable[..., Any]] = {}

    def __call__(self, _name: str, /) -> AbstractContextManager[object]:
        """Nothing."""
        return self._nothing

    def run(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call a function within the frame."""
        frame = self._frames.get(name)
        if frame is None:
            code = call.__code__.replace(co_name=name, co_qualname=name, co_filename=self._file)
            frame = self._frames[name] = FunctionType(code, call.__globals__, name)
        return frame(function, args, kwargs)
