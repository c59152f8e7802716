"""The recording of this program: warm-up, region, and some steps after it to compare with, by its own steps."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from profkit.guest.observe import Observer
from profkit.guest.plan import CLAIM, Plan, plan_from
from profkit.guest.region import RecordedRegion
from profkit.guest.report import Report
from profkit.guest.surroundings import before_death, imports_profkit, own_profiler_runs
from profkit.runner.scope import Scopes

STEPS_AFTER = 20
"""Steps timed after the region, without the tool."""


class State(Enum):
    """Where the recording stands."""

    WAITING = "waiting"
    RECORDING = "recording"
    AFTER = "after"
    OVER = "over"


_KINDS = {State.WAITING: "warmup", State.RECORDING: "step", State.AFTER: "after", State.OVER: "after"}


class Session:
    """Starts and stops the tool by the steps that it is told of; never raises into the program but to end it.

    Steps are told of by the optimizer, or where there is none by the network; where the program has imported profkit,
    and in any case from its first `profkit.step()` on, only by the program itself.

    Args:
        plan: what to record.

    Attributes:
        called_ns: when the last step ended whose end is that of a call of the network.
        started_ns: when the step began.
        observer: sees what the program is beside its times.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = State.WAITING
        self.report = Report(by_marks=plan.marks)
        self.called_ns = 0
        self.started_ns = 0
        self.observer = Observer(plan.tool.name)
        self._tool = RecordedRegion(plan.tool)
        self._in_block = False
        self._owner: tuple[int, int] | None = None

    @property
    def scopes(self) -> Scopes:
        """What the tool is told of, and without it the observer."""
        return self.observer.clock if self.untooled else self._tool.scopes

    @property
    def untooled(self) -> bool:
        """Whether no tool records what the program does now."""
        return self.state is not State.RECORDING or self.plan.tool.name == "none"

    @property
    def begun(self) -> bool:
        """Whether the program has come to a step."""
        return self._owner is not None

    @property
    def listening(self) -> bool:
        """Whether it still has to be told of anything in this process and thread."""
        if self.state is State.OVER:
            return False
        return self._owner is None or self._owner == (os.getpid(), threading.get_ident())

    def begin(self) -> bool:
        """The program comes to a step; whether it is this process and thread that is recorded."""
        if self._owner is not None:
            return self._owner == (os.getpid(), threading.get_ident())
        self._owner = os.getpid(), threading.get_ident()
        if not self._claim():
            self.state = State.OVER
            return False
        self.report.by_marks = self.report.by_marks or imports_profkit()
        os.register_at_fork(after_in_child=self._leave_child)
        atexit.register(self.finish)
        if threading.current_thread() is threading.main_thread():
            before_death(signal.SIGTERM, self.finish)
        self.observer.clock.take()
        self.started_ns = time.perf_counter_ns()
        if self.plan.warmup == 0 and not self.report.by_marks:
            self._start()
        return True

    def step(self, *, marked: bool = False) -> None:
        """A step has ended, and the next one begins.

        Args:
            marked: by the program itself.

        Raises:
            SystemExit: the region is over, and the program is to end with it.
        """
        if not self.begin() or (self.report.by_marks and not marked):
            return
        if marked and not self.report.by_marks:
            self.report.by_marks = True
            if self.report.counted == 1 and self.state is State.WAITING:
                return  # this very step was told of by its optimizer
        self._count(time.perf_counter_ns() - self.started_ns)
        self.started_ns = time.perf_counter_ns()

    @contextmanager
    def region(self) -> Iterator[None]:
        """Record exactly this block, whatever the warm-up and the number of steps."""
        if not self.begin() or self.state is not State.WAITING:
            if self.state in (State.RECORDING, State.AFTER):
                _warn("profkit.region() comes after the recording has begun; --marks has it wait for the region")
            yield
            return
        self._in_block = True
        self._start()
        try:
            yield
        finally:
            self._in_block = False
            self._stop()

    def give_way(self) -> None:
        """The program starts a profiler of its own, which cannot run beside ours."""
        if not self._tool.starting:
            self.observer.other_tool("torch profiler")
        if self.state is State.RECORDING and self.plan.tool.name == "torch":
            _warn("the program starts a PyTorch Profiler of its own: the recording ends here")
            self._stop()

    def finish(self) -> None:
        """End whatever is still open, and report."""
        if self.state is State.OVER or self._owner is None or self._owner[0] != os.getpid():
            return
        if self.state is State.RECORDING:
            self._tool.stop()
            if self.called_ns > self.started_ns:
                self.report.step_ns.append(self.called_ns - self.started_ns)
            self.observer.after_tool()
        self.state = State.OVER
        self._write_report()

    def _count(self, elapsed_ns: int) -> None:
        """One more step, wherever the recording stands."""
        if self.untooled:
            self.observer.step_ended(_KINDS[self.state], elapsed_ns)
        if self.state is State.WAITING:
            self.report.warmup_ns.append(elapsed_ns)
            if self.report.counted >= self.plan.warmup:
                self._start()
        elif self.state is State.RECORDING:
            self.report.step_ns.append(elapsed_ns)
            if self._all_recorded() and not self._in_block:
                self._stop()
            else:
                self._tool.enter_step(len(self.report.step_ns))
        elif self.state is State.AFTER:
            self.report.after_ns.append(elapsed_ns)
            if len(self.report.after_ns) >= STEPS_AFTER:
                self.finish()

    def _all_recorded(self) -> bool:
        return self.plan.steps is not None and len(self.report.step_ns) >= self.plan.steps

    def _start(self) -> None:
        if self.plan.tool.name == "torch" and own_profiler_runs():
            return  # at a later step, when the program's own profiler has ended
        self.observer.before_tool()
        if not self._tool.start():
            self.state = State.OVER
            self._write_report()
            return
        self.state = State.RECORDING
        self._tool.enter_step(0)
        self.started_ns = time.perf_counter_ns()

    def _stop(self) -> None:
        """End the region.

        Raises:
            SystemExit: the program is to end with it.
        """
        if self.state is not State.RECORDING:
            return
        self._tool.stop()
        self.state = State.AFTER
        self.observer.after_tool()
        self._write_report()
        self.started_ns = time.perf_counter_ns()
        if self.plan.stop:
            self.state = State.OVER
            raise SystemExit(0)

    def _write_report(self) -> None:
        self.report.reason = self._tool.failure
        self.report.complete = self.plan.steps is None or self._all_recorded()
        self.report.write(self.plan.report, self.observer.report(), self.observer.settings)

    def _claim(self) -> bool:
        """Whether this process is the first that comes to a step."""
        try:
            with (self.plan.control / CLAIM).open("x") as file:
                file.write(str(os.getpid()))
        except OSError:
            return False
        return True

    def _leave_child(self) -> None:
        self.state = State.OVER
        self._tool.forget()


def _warn(words: str) -> None:
    sys.stderr.write(f"profkit: {words}\n")


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
