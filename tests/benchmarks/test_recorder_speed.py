"""What a recorder adds to its bare tool: ratios of paired runs of one program, no clock compared.

    pytest tests/benchmarks/test_recorder_speed.py --rounds 5

The program is a plain training loop that knows nothing of profkit and times its own steps. Each round runs it under the
bare tool with the settings that profkit uses, and under `profkit record`, in alternating order, in fresh processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from profkit.commands import find_program
from tests.benchmarks.test_runner_speed import ratios

LOOP = Path(__file__).with_name("plain_loop.py")
LENGTHS = {"torch": (512, 30, 5), "py-spy": (512, 100, 5), "scalene": (512, 100, 5), "callgrind": (64, 2, 1)}
"""Batch size, steps and warm-up: an instruction counter makes a step hundreds of times slower."""


def bare(tool: str, arguments: list[str], scratch: Path) -> list[str]:
    """The program under the tool as its own manual says, with the settings of profkit's recorder."""
    program = [sys.executable, str(LOOP), *arguments]
    if tool == "torch":
        return [*program, str(scratch / "trace.json")]
    if tool == "py-spy":
        settings = ["--native", "--subprocesses", "--threads", "--rate=100", "--format=raw"]
        return [find_program("py-spy") or "py-spy", "record", *settings, f"--output={scratch / 'raw'}", "--", *program]
    if tool == "scalene":
        settings = ["--cpu-only", "--profile-all", "--cpu-sampling-rate=0.01", "-o", str(scratch / "scalene.json")]
        return [sys.executable, "-m", "scalene", "run", *settings, str(LOOP), "---", *arguments]
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch / 'callgrind.out'}", *program]


def step_ns(command: list[str], scratch: Path) -> list[int]:
    """Times of the program's steps by its own clock [ns]."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=scratch, env={**os.environ, "KINETO_LOG_LEVEL": "6"}
    )
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))["step_ns"]


@pytest.mark.parametrize("tool", LENGTHS)
def test_a_recorder_is_as_fast_as_its_bare_tool(
    benchmark: Callable[..., Any], pytestconfig: pytest.Config, tmp_path: Path, tool: str
) -> None:
    batch_size, steps, warmup = LENGTHS[tool]
    arguments = [str(number) for number in (batch_size, steps, warmup, 1)]
    how = ["--tool", tool, "--steps", str(steps), "--warmup", str(warmup)]
    ours = [sys.executable, "-m", "profkit", "record", *how, "--", sys.executable, str(LOOP), *arguments]
    theirs = bare(tool, arguments, tmp_path)
    found = benchmark.pedantic(
        ratios,
        args=(
            lambda: step_ns(ours, tmp_path),
            lambda: step_ns(theirs, tmp_path),
            pytestconfig.getoption("--rounds"),
        ),
        rounds=1,
    )
    benchmark.extra_info |= {"ratio": round(median(found), 3), "ratios": [round(one, 3) for one in found]}
