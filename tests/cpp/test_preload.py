"""A LibTorch program that knows nothing of profkit is recorded as it is, and does what it does without."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest

import profkit
from profkit.libtorch_of import libtorch_of
from profkit.native import build_preload
from tests.cpp.user_programs import CALLGRIND, Ended, ended, settings, start

Programs = dict[str, Path]


@pytest.fixture(scope="session")
def preload(user_programs: Programs) -> Path:
    return build_preload(libtorch_of(user_programs["train"]), print)


def run(preload: Path, folder: Path, tool: str, *command: str | Path, **course: int | bool) -> Ended:
    return ended(start(command, {**settings(folder, tool, **course), "LD_PRELOAD": str(preload)}), folder)


def steps_and_phases(artefact: Path) -> tuple[int | None, set[tuple[object, object]]]:
    """Steps of a recording, and each operator with its phase."""
    profile = profkit.load(artefact)
    rows = profile.to_pandas()
    return profile.run.steps, set(zip(rows["operator"], rows["phase"], strict=True))


def test_an_unmodified_program_is_recorded_in_steps_and_phases(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    done = run(preload, tmp_path, "torch", user_programs["train"], "--steps", "6", warmup=2, steps=3)
    assert (done.report["region"], done.report["steps"], done.report["warmup"]) == ("steps", 3, 2)
    assert (done.report["complete"], done.report["threads"]) == (True, 1)
    assert len(done.report["step_ns"]) == 3
    assert min(done.report["step_ns"]) > 0
    assert len(done.report["after_ns"]) == 1  # the program's last
    steps, found = steps_and_phases(done.artefact)
    assert steps == 3
    assert {
        ("aten::conv2d", "forward"),
        ("aten::cross_entropy_loss", "forward"),
        ("aten::convolution_backward", "backward"),
        ("aten::add_", "optimizer"),
    } <= found


def test_what_the_program_prints_and_returns_is_as_without(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    command = (user_programs["train"], "--steps", "4")
    alone = ended(start(command, {}), tmp_path)
    recorded = run(preload, tmp_path, "torch", *command)
    assert recorded.stdout == alone.stdout
    assert recorded.status == alone.status == 0
    assert "USDT" not in recorded.stderr
    wrong = (user_programs["train"], "--nothing")
    alone = ended(start(wrong, {}), tmp_path)
    recorded = run(preload, tmp_path, "none", *wrong)
    assert (recorded.status, recorded.stderr) == (alone.status, alone.stderr) == (2, alone.stderr)


def test_a_program_that_calls_exit_is_recorded_until_then(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    done = run(preload, tmp_path, "torch", user_programs["ways"], "exit", warmup=1, steps=2)
    assert done.status == 3
    assert (done.report["steps"], done.report["complete"]) == (2, True)
    done = run(preload, tmp_path, "torch", user_programs["ways"], "exit", warmup=1, steps=50)
    assert done.status == 3
    assert (done.report["steps"], done.report["complete"]) == (3, False)
    assert done.report["reason"] == "the program ended after 3 of 50 steps"
    assert "aten::addmm" in {operator for operator, _ in steps_and_phases(done.artefact)[1]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_recorded_before_a_signal_is_kept(
    user_programs: Programs, preload: Path, tmp_path: Path, number: signal.Signals
) -> None:
    variables = {**settings(tmp_path, "torch", warmup=1), "LD_PRELOAD": str(preload)}
    process = start((user_programs["train"], "--steps", "100000000"), variables)
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline().startswith("step ")
    process.send_signal(number)
    done = ended(process, tmp_path)
    assert done.status == -number
    assert done.report["reason"] == f"the program was ended by {number.name}"
    assert done.report["complete"] is False
    assert done.report["steps"] >= 2
    assert ("aten::conv2d", "forward") in steps_and_phases(done.artefact)[1]


@pytest.mark.parametrize(
    ("way", "region", "steps"),
    [
        ("two_optimizers", "steps", 5),
        ("without_optimizer", "steps", 4),  # nothing tells where the first began
        ("thread", "steps", 5),
        ("infer", "main", 0),
    ],
)
def test_steps_are_found_where_there_are_some(
    user_programs: Programs, preload: Path, tmp_path: Path, way: str, region: str, steps: int
) -> None:
    done = run(preload, tmp_path, "torch", user_programs["ways"], way)
    assert done.status == 5
    assert (done.report["region"], done.report["steps"], done.report["complete"]) == (region, steps, True)
    assert done.report["region_ns"] > sum(done.report["step_ns"])
    operators = {operator for operator, _ in steps_and_phases(done.artefact)[1]}
    assert operators & {"aten::addmm", "aten::mm"}


def test_a_program_without_steps_is_recorded_whole_in_spite_of_a_warm_up(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    done = run(preload, tmp_path, "torch", user_programs["ways"], "infer", warmup=2, steps=2)
    assert (done.report["region"], done.report["complete"]) == ("main", True)
    assert ("aten::addmm", "aten::addmm") not in steps_and_phases(done.artefact)[1]


def test_an_empty_recording_does_not_pass_for_one(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    done = run(preload, tmp_path, "torch", user_programs["ways"], "idle")
    assert (done.status, done.report["complete"]) == (5, False)
    assert done.report["reason"] == "PyTorch Profiler recorded no operator"
    assert not done.artefact.exists()


def test_a_program_that_ends_in_its_warm_up_says_so(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    done = run(preload, tmp_path, "torch", user_programs["train"], "--steps", "3", warmup=3, steps=1)
    assert done.status == 0
    assert done.report["reason"] == "the program ended after 3 steps, and 3 of them are warm-up"
    assert not done.artefact.exists()


def test_a_program_that_fails_fails_as_without(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    done = run(preload, tmp_path, "torch", user_programs["ways"], "throw", warmup=1, steps=2)
    assert done.status == -signal.SIGABRT
    assert "on purpose" in done.stderr
    assert (done.report["steps"], done.report["complete"]) == (2, True)


def test_programs_that_it_starts_are_themselves(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    variables = {**settings(tmp_path, "none"), "LD_PRELOAD": f"{preload}:libm.so.6", "PROFKIT_CACHE": "kept"}
    done = ended(start((user_programs["ways"], "child"), variables), tmp_path)
    assert done.status == 0
    kept = [line for line in done.stdout.splitlines() if re.match("PROFKIT_|LD_PRELOAD", line)]
    assert sorted(kept) == ["LD_PRELOAD=libm.so.6", "PROFKIT_CACHE=kept"]
    variables["LD_PRELOAD"] = str(preload)
    done = ended(start((user_programs["ways"], "child"), variables), tmp_path)
    assert "LD_PRELOAD" not in done.stdout


def test_the_program_ends_with_the_region_where_that_is_wished(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    command = (user_programs["train"], "--steps", "100000000")
    done = run(preload, tmp_path, "torch", *command, warmup=1, steps=2, stop=True)
    assert done.status == 0
    assert done.stdout.splitlines()[-1].startswith("step 1 ")  # the last step ends before it prints
    assert steps_and_phases(done.artefact)[0] == 2


def test_without_a_tool_steps_are_only_timed(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    done = run(preload, tmp_path, "none", user_programs["train"], "--steps", "5", warmup=2, steps=3)
    assert (len(done.report["warmup_ns"]), len(done.report["step_ns"])) == (2, 3)
    assert not done.artefact.exists()


def test_wallclock_times_steps_and_phases(user_programs: Programs, preload: Path, tmp_path: Path) -> None:
    done = run(preload, tmp_path, "wallclock", user_programs["train"], "--steps", "5", warmup=1)
    profile = profkit.load(done.artefact)
    assert profile.run.steps == done.report["steps"] == 4
    assert {"backward", "optimizer"} <= set(profile.to_pandas()["phase"])


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_callgrind_counts_steps_and_phases_of_the_program_alone(
    user_programs: Programs, preload: Path, tmp_path: Path
) -> None:
    """Valgrind and what starts it are loaded with the library too, and are not meant."""
    variables = {
        **settings(tmp_path, "callgrind", warmup=1, steps=1, stop=True),
        "LD_PRELOAD": str(preload),
        "PROFKIT_PROGRAM": str(user_programs["train"]),
    }
    parts = tmp_path / "parts.out"
    command = (*CALLGRIND, f"--callgrind-out-file={parts}", user_programs["train"], "--batch-size", "2")
    done = ended(start(command, variables), tmp_path)
    assert done.status == 0, done.stderr
    assert (done.report["steps"], done.report["complete"]) == (1, True)
    labels = set(re.findall(r"(?m)^desc: Trigger: Client Request: (.*)$", parts.read_text(errors="replace")))
    assert {"step/0 other", "step/0 backward", "step/0 optimizer"} <= labels
    assert profkit.load(parts).run.steps == 1
