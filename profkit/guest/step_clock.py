"""The phases of steps that no tool records."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from profkit.runner.scope import Scopes

T = TypeVar("T")


class StepClock(Scopes):
    """Times the phases of a step by the host's clock; of phases in one another each has its own time only.

    Attributes:
        watch: told of every call of a module, if anyone wants to know: the module, its inputs, its output.
    """

    layers = False
    _nothing = nullcontext()

    def __init__(self) -> None:
        self.watch: Callable[[Any, tuple[Any, ...], Any], None] | None = None
        self._elapsed: dict[str, int] = {}
        self._open: list[str] = []
        self._since_ns = 0

    def __call__(self, _name: str, /) -> AbstractContextManager[object]:
        """Nothing: phases are calls."""
        return self._nothing

    def run(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call a function within the scope."""
        if name.startswith("phase/"):
            self._turn()
            self._open.append(name[6:])
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._open.pop()
        output = function(*args, **kwargs)
        if self.watch is not None:
            self.watch(args[0], args[1:], output)
        return output

    def spent(self, phase: str) -> int:
        """Time in a phase since the last `take` [ns]."""
        return self._elapsed.get(phase, 0)

    def take(self) -> dict[str, int]:
        """Time of each phase since the last call [ns]."""
        taken, self._elapsed = self._elapsed, {}
        return taken

    def _turn(self) -> None:
        now = time.perf_counter_ns()
        if self._open:
            phase = self._open[-1]
            self._elapsed[phase] = self._elapsed.get(phase, 0) + now - self._since_ns
        self._since_ns = now
