"""What the program does besides torch's work: how it ends, and whether it knows of profkit."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, FunctionType, ModuleType


def imports_profkit() -> bool:
    """Whether the program has imported profkit itself, so that it will say where its steps are."""
    profkit = sys.modules["profkit"]
    return any(
        value is profkit or getattr(value, "__module__", None) == "profkit.guest.marks"
        for name, module in list(sys.modules.items())
        if not name.startswith(("profkit", "sitecustomize"))
        for value in list(getattr(module, "__dict__", {}).values())
        # By type: the class that a value claims to have may be computed, with a warning, when it is asked for.
        if type(value) in (ModuleType, FunctionType)
    )


def own_profiler_runs() -> bool:
    """Whether a PyTorch Profiler runs in this process."""
    from torch._C._autograd import _profiler_enabled

    return _profiler_enabled()


def before_death(number: signal.Signals, action: Callable[[], None]) -> None:
    """Act before a signal that the program leaves to the system ends it; to be called in the main thread."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        return

    def act(_number: int, _frame: FrameType | None) -> None:
        action()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(number, act)
