"""No child process is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import FrameType

import pytest

from profkit.process import end

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def press_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_while_a_program_is_asked_to_end_ends_it_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        before = signal.signal(signal.SIGALRM, press_ctrl_c)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                end(process)
            assert process.poll() == -signal.SIGKILL
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            process.kill()
