"""The recording of this program: warm-up, region, and some steps after it to compare with, by its own steps."""

from __future__ import annotations

import atexit
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from types import FrameType, FunctionType, ModuleType
from typing import Any

from profkit.errors import ProgramError
from profkit.guest.plan import CLAIM, Plan, plan_from
from profkit.runner.region import REGIONS
from profkit.runner.scope import NO_SCOPES, Scopes

STEPS_AFTER = 20
"""Steps timed after the region, without the tool."""


class State(Enum):
    """Where the recording stands."""

    WAITING = "waiting"
    RECORDING = "recording"
    AFTER = "after"
    OVER = "over"


class Session:
    """Starts and stops the tool by the steps that it is told of; never raises into the program.

    Steps are told of by the optimizer, or where there is none by the network; where the program has imported profkit,
    and in any case from its first `profkit.step()` on, only by the program itself.

    Args:
        plan: what to record.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = State.WAITING
        self.scopes: Scopes = NO_SCOPES
        self.by_marks = plan.marks
        self.in_region = False
        self.failure = ""
        self.counted = 0
        self.warmup_ns: list[int] = []
        self.step_ns: list[int] = []
        self.after_ns: list[int] = []
        self.called_ns = 0
        """When the last step ended whose end is that of a call of the network."""
        self._open = ExitStack()
        self._step = ExitStack()
        self._started_ns: int | None = None
        self._owner: tuple[int, int] | None = None

    @property
    def listening(self) -> bool:
        """Whether it still has to be told of anything in this process and thread."""
        if self.state is State.OVER:
            return False
        return self._owner is None or self._owner == (os.getpid(), threading.get_ident())

    def begin(self) -> bool:
        """The program comes to its first step; whether it is this process that is recorded."""
        if self._owner is not None:
            return self._owner == (os.getpid(), threading.get_ident())
        self._owner = os.getpid(), threading.get_ident()
        self.by_marks = self.by_marks or _imports_profkit()
        if not self._claim():
            self.state = State.OVER
            return False
        os.register_at_fork(after_in_child=self._leave_child)
        atexit.register(self.finish)
        if threading.current_thread() is threading.main_thread():
            _before_death(signal.SIGTERM, self.finish)
        self._started_ns = time.perf_counter_ns()
        if self.plan.warmup == 0 and not self.by_marks:
            self._start()
        return True

    def step(self, *, marked: bool = False) -> None:
        """A step has ended, and the next one begins.

        Args:
            marked: by the program itself.

        Raises:
            SystemExit: the region is over, and the program is to end with it.
        """
        if not self.begin() or (self.by_marks and not marked):
            return
        if marked and not self.by_marks:
            self.by_marks = True
            if self.counted == 1 and self.state is State.WAITING:
                return  # this very step was told of by its optimizer
        now = time.perf_counter_ns()
        elapsed = now - (self._started_ns or now)
        self.counted += 1
        if self.state is State.WAITING:
            self.warmup_ns.append(elapsed)
            if self.counted >= self.plan.warmup:
                self._start()
        elif self.state is State.RECORDING:
            self._step.close()
            self.step_ns.append(elapsed)
            if self.plan.steps is not None and len(self.step_ns) >= self.plan.steps and not self.in_region:
                self._stop()
            else:
                self._enter_step()
        elif self.state is State.AFTER:
            self.after_ns.append(elapsed)
            if len(self.after_ns) >= STEPS_AFTER:
                self.finish()
        self._started_ns = time.perf_counter_ns()

    @contextmanager
    def region(self) -> Iterator[None]:
        """Record exactly this block, whatever the warm-up and the number of steps."""
        if not self.begin() or self.state is not State.WAITING:
            if self.state in (State.RECORDING, State.AFTER):
                self._warn("profkit.region() comes after the recording has begun; --marks has it wait for the region")
            yield
            return
        self.in_region = True
        self._start()
        try:
            yield
        finally:
            self.in_region = False
            self._stop()

    def give_way(self) -> None:
        """The program starts a profiler of its own, which cannot run beside ours."""
        if self.state is State.RECORDING and self.plan.tool.name == "torch":
            self._warn("the program starts a PyTorch Profiler of its own: the recording ends here")
            self._stop()

    def finish(self) -> None:
        """End whatever is still open, and report."""
        if self.state is State.OVER or self._owner is None or self._owner[0] != os.getpid():
            return
        if self.state is State.RECORDING:
            self._close()
            if self.called_ns > (self._started_ns or 0):
                self.step_ns.append(self.called_ns - (self._started_ns or 0))
        self.state = State.OVER
        self.scopes = NO_SCOPES
        self._report()

    def _start(self) -> None:
        if self.plan.tool.name == "torch" and _profiler_runs():
            return  # at a later step, when the program's own profiler has ended
        try:
            self.scopes = self._open.enter_context(REGIONS[self.plan.tool.name](self.plan.tool))
        except (ImportError, OSError, ProgramError, RuntimeError) as error:
            self.failure = str(error)
            self.state = State.OVER
            self._report()
            return
        self.state = State.RECORDING
        self._enter_step()
        self._started_ns = time.perf_counter_ns()

    def _enter_step(self) -> None:
        self._step.enter_context(self.scopes(f"ProfilerStep#{len(self.step_ns)}"))

    def _stop(self) -> None:
        """End the region.

        Raises:
            SystemExit: the program is to end with it.
        """
        self._close()
        self._report()
        if self.plan.stop and self.state is State.AFTER:
            self.state = State.OVER
            raise SystemExit(0)

    def _close(self) -> None:
        self.scopes = NO_SCOPES
        self.state = State.AFTER
        try:
            self._step.close()
            self._open.close()
        except (OSError, ProgramError, RuntimeError) as error:
            self.failure = str(error)

    def _claim(self) -> bool:
        """Whether this process is the first that comes to a step."""
        try:
            with (self.plan.control / CLAIM).open("x") as file:
                file.write(str(os.getpid()))
        except OSError:
            return False
        return True

    def _leave_child(self) -> None:
        """A process that the program forks is none of ours: it has the tool's state, but not the tool."""
        self.state = State.OVER
        self.scopes = NO_SCOPES

    def _report(self) -> None:
        """Tell the recorder how far it came: the file is whole whenever it is there."""
        body: dict[str, Any] = {
            "region": "steps",
            "reason": self.failure,
            "by_marks": self.by_marks,
            "warmup_ns": self.warmup_ns,
            "step_ns": self.step_ns,
            "after_ns": self.after_ns,
            "complete": self.plan.steps is None or len(self.step_ns) >= self.plan.steps,
            **_facts(),
        }
        partial = self.plan.report.with_suffix(".partial")
        partial.write_text(json.dumps(body))
        partial.replace(self.plan.report)

    def _warn(self, words: str) -> None:
        sys.stderr.write(f"profkit: {words}\n")


def _facts() -> dict[str, Any]:
    """What the program runs with."""
    if "torch" not in sys.modules:
        return {"versions": {"python": platform.python_version()}, "build": {}, "settings": {}, "threads": None}
    import torch

    from profkit.runner.torch_facts import torch_build, torch_settings, torch_versions

    return {
        "versions": torch_versions(),
        "build": torch_build(),
        "settings": torch_settings(),
        "threads": torch.get_num_threads(),
    }


def _imports_profkit() -> bool:
    """Whether the program has imported profkit itself, so that it will say where its steps are."""
    profkit = sys.modules["profkit"]
    return any(
        value is profkit or getattr(value, "__module__", None) == "profkit.guest.marks"
        for name, module in list(sys.modules.items())
        if not name.startswith(("profkit", "sitecustomize"))
        for value in list(getattr(module, "__dict__", {}).values())
        if type(value)
        in (ModuleType, FunctionType)  # the class that others claim to have may warn when it is asked for
    )


def _profiler_runs() -> bool:
    from torch._C._autograd import _profiler_enabled

    return _profiler_enabled()


def _before_death(number: signal.Signals, action: Any) -> None:
    """Act before a signal that the program leaves to the system ends it."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        return

    def act(_number: int, _frame: FrameType | None) -> None:
        action()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(number, act)


_session: Session | None = None


def current() -> Session | None:
    """The session of this process, if it is recorded; that of a program without torch begins with its first mark."""
    global _session
    if _session is None and (plan := plan_from()) is not None and plan.tool.name != "torch":
        _session = Session(plan)
    return _session


def set_current(session: Session) -> None:
    """Make it the session of this process."""
    global _session
    _session = session
