"""A tool that is attached to the program: what it counted is kept, and nothing is lost when it cannot do its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.own_program.conftest import TRAIN_CNN, Record

UNTRACEABLE = "import ctypes, runpy, sys\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
"""Not dumpable, so that only who has the capability may look into it."""


def test_the_samples_the_errors_and_the_period_are_kept(recorded: Record) -> None:
    script = [sys.executable, TRAIN_CNN, "--steps", 60, "--workers", 0]
    run = recorded("--tool", "py-spy", "--tool-option", "rate=250", "--steps", 40, "--", *script).profile.run
    assert run.sampling_period_ns == 4_000_000
    assert 0 <= int(run.settings["sample_errors"]) < int(run.settings["samples"])  # some stacks cannot be unwound
    assert run.evidence.trace.broken >= int(run.settings["sample_errors"])
    assert run.settings["py-spy rate"] == "250"
    assert (run.steps, len(run.tool_step_ns)) == (40, 40)
    assert run.slowdown is not None


def test_samples_are_of_the_region_only(recorded: Record) -> None:
    """Nothing of the import of torch, which is most of what a sampler sees of a short program."""
    done = recorded("--tool", "py-spy", "--steps", 40, "--", sys.executable, TRAIN_CNN, "--steps", 60, "--workers", 0)
    symbols = set(done.profile.operators["symbol"].to_pylist())
    assert not {"_find_and_load", "exec_module", "profkit/attach"} & symbols
    assert "layer/conv1" in symbols


def test_the_speedscope_format_gives_times(recorded: Record) -> None:
    how = ["--tool", "py-spy", "--tool-option", "format=speedscope", "--tool-option", "native=false", "--steps", 40]
    done = recorded(*how, "--", sys.executable, TRAIN_CNN, "--steps", 60, "--workers", 0)
    assert done.profile.metric == "self_ns"
    assert "conv1" in done.profile.operators["layer"].to_pylist()


def test_a_program_that_may_not_be_looked_into_runs_to_its_end(recorded: Record, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"{UNTRACEABLE}sys.argv = ['x', '--steps', '50', '--workers', '0']\n"
                      f"runpy.run_path({str(TRAIN_CNN)!r}, run_name='__main__')\n")  # fmt: skip
    without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"] if os.geteuid() == 0 else []
    command = [*without, sys.executable, "-m", "profkit", "record", "--tool", "py-spy", "--", sys.executable, script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 6, done.stderr
    assert "done: 50 steps" in done.stdout
    assert "py-spy cannot be attached" in done.stderr
    assert "ptrace is forbidden" in done.stderr
    assert not list((tmp_path / "profkit-runs").iterdir())


def test_a_tool_that_dies_is_told_of_and_the_program_runs_on(tmp_path: Path) -> None:
    script = [sys.executable, str(TRAIN_CNN), "--steps", "2000", "--workers", "0"]
    command = [sys.executable, "-m", "profkit", "record", "--tool", "py-spy", "--steps", "1500", "--", *script]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    tool = _child(process.pid, "py-spy")
    tool.send_signal(signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 6, stderr
    assert "done: 2000 steps" in stdout
    assert "py-spy ended with status -9 while it recorded" in stderr


def _child(process: int, name: str) -> psutil.Process:
    """The child of that name, once it says that it samples."""
    for _ in range(600):
        for child in psutil.Process(process).children():
            if child.name() == name and child.cpu_times().user > 0.3:  # it has read the libraries' symbols
                return child
        time.sleep(0.1)
    pytest.fail(f"no {name} was started")
