"""What is seen of the user's own LibTorch program, and what its file tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from profkit.run import Run
from profkit.runner.torch_facts import torch_settings
from tests.cpp.user_programs import build_programs
from tests.own_program.conftest import record


@pytest.fixture(scope="module", params=["train", "train_with_layers"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of a program that knows nothing of profkit, and of one that tells of its steps."""
    folder = tmp_path_factory.mktemp(request.param)
    program: Path = build_programs()[request.param]
    words = ("--twice", "--warmup", 2, "--steps", 3, "--", program, "--steps", 8)
    return record(folder, *words, environment={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}).profile.run


def test_its_file_tells_how_it_was_built(run: Run) -> None:
    binary = run.evidence.binary
    assert binary is not None
    assert (binary.optimised, binary.assertions, binary.debug_info) == (True, False, False)
    assert binary.compiler


def test_it_tells_what_is_around_it(run: Run) -> None:
    seen = run.evidence
    assert seen.clock is not None
    assert (seen.clock.name, seen.clock.monotonic) == ("steady_clock", True)
    assert seen.other_tools == ()
    assert len(seen.processes) == 1
    assert seen.headless is not None
    assert seen.directory is True
    assert seen.memory is not None
    assert 0 < (seen.memory.rss_bytes or 0) <= (seen.memory.peak_rss_bytes or 0)


def test_it_tells_the_flags_and_variables_that_a_python_program_tells(run: Run) -> None:
    assert set(torch_settings()) - {"device_name"} <= set(run.settings)
    assert run.settings["flush_denormals"] == "false"
    assert run.settings["ONEDNN_MAX_CPU_ISA"] == "AVX2"


def test_the_process_without_the_tool_gives_the_times(run: Run) -> None:
    assert (len(run.step_ns), len(run.evidence.warmup_ns), len(run.tool_step_ns)) == (3, 2, 3)
