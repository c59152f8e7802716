"""A LibTorch program names its own steps, phases and layers by the lines of profkit.h, and every tool has them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import profkit
from profkit.errors import InputError
from profkit.native import has_own_region
from tests.cpp.user_programs import CALLGRIND, Ended, ended, settings, start

Programs = dict[str, Path]
LAYERS = {"conv1", "conv2", "linear1", "linear2"}


def run(folder: Path, tool: str, *command: str | Path, **course: int | bool) -> Ended:
    return ended(start(command, settings(folder, tool, **course)), folder)


def places(artefact: Path) -> set[tuple[object, object]]:
    """Each (layer, phase) that a recording has."""
    rows = profkit.load(artefact).to_pandas()
    return set(zip(rows["layer"], rows["phase"], strict=True))


def test_only_programs_with_the_lines_have_the_mark(user_programs: Programs, tmp_path: Path) -> None:
    assert has_own_region(user_programs["train_with_layers"])
    assert has_own_region(user_programs["own_region"])
    assert not has_own_region(user_programs["train"])
    (tmp_path / "empty").touch()
    assert not has_own_region(tmp_path / "empty")
    with pytest.raises(InputError, match="cannot read"):
        has_own_region(tmp_path / "absent")


def test_the_lines_change_nothing_that_the_program_does(user_programs: Programs, tmp_path: Path) -> None:
    plain, marked = (
        ended(start((user_programs[name], "--steps", "3"), {}), tmp_path) for name in ("train", "train_with_layers")
    )
    assert (marked.status, marked.stdout, marked.stderr) == (plain.status, plain.stdout, plain.stderr)
    assert not marked.report


def test_torch_has_the_layers_forward_and_backward(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "torch", user_programs["train_with_layers"], "--steps", "5", warmup=1, steps=2)
    assert (done.status, done.report["region"], done.report["steps"]) == (0, "steps", 2)
    assert (done.report["complete"], len(done.report["warmup_ns"]), len(done.report["after_ns"])) == (True, 1, 2)
    found = places(done.artefact)
    assert {(layer, phase) for layer in LAYERS for phase in ("forward", "backward")} <= found
    assert any(phase == "optimizer" for _, phase in found)
    assert profkit.load(done.artefact).run.steps == 2


def test_the_region_lasts_until_the_program_ends(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "torch", user_programs["train_with_layers"], "--steps", "4", warmup=1)
    assert (done.report["steps"], done.report["complete"]) == (3, True)
    assert profkit.load(done.artefact).run.steps == 3


def test_the_program_ends_with_the_region_where_that_is_wished(user_programs: Programs, tmp_path: Path) -> None:
    command = (user_programs["train_with_layers"], "--steps", "100000000")
    done = run(tmp_path, "torch", *command, warmup=1, steps=2, stop=True)
    assert done.status == 0
    assert done.stdout.splitlines()[-1].startswith("step 2 ")


def test_wallclock_has_the_layers(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "wallclock", user_programs["train_with_layers"], "--steps", "3", warmup=1, steps=2)
    assert {(layer, "forward") for layer in LAYERS} <= places(done.artefact)


def test_a_program_that_ends_early_says_how_far_it_came(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "torch", user_programs["train_with_layers"], "--steps", "3", warmup=1, steps=9)
    assert (done.status, done.report["complete"]) == (0, False)
    assert done.report["reason"] == "the program ended after 2 of 9 steps"
    done = run(tmp_path, "callgrind", user_programs["train_with_layers"], "--steps", "0", warmup=1)
    assert done.status == 0


def test_a_region_without_steps_is_recorded(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "torch", user_programs["own_region"], "record", warmup=3, steps=4)
    assert (done.report["region"], done.report["steps"], done.report["complete"]) == ("main", 0, True)
    rows = profkit.load(done.artefact).to_pandas()
    once = rows[rows["operator"] == "aten::ones"]
    assert (list(once["count"]), list(once["layer"])) == ([1], ["all"])


@pytest.mark.parametrize("tool", ["torch", "wallclock"])
@pytest.mark.parametrize("way", ["enclose", "thread"])
def test_the_region_may_begin_and_end_inside_a_scope(
    user_programs: Programs, tmp_path: Path, tool: str, way: str
) -> None:
    done = run(tmp_path, tool, user_programs["own_region"], way, warmup=1, steps=2)
    assert done.status == 0, done.stderr
    assert (done.report["steps"], done.report["complete"]) == (2, True)
    assert {layer for layer, _ in places(done.artefact)} >= {"inner"}


def test_the_program_may_end_inside_a_step(user_programs: Programs, tmp_path: Path) -> None:
    done = run(tmp_path, "wallclock", user_programs["own_region"], "leave", warmup=1)
    assert done.status == 3
    assert (done.report["steps"], done.report["complete"]) == (2, True)
    names = json.loads(done.artefact.read_text())["name"]
    assert names.count("ProfilerStep#1") == 1
    assert "ProfilerStep#2" not in names


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_callgrind_counts_the_layers_forward_and_backward(user_programs: Programs, tmp_path: Path) -> None:
    parts = tmp_path / "parts.out"
    command = (user_programs["train_with_layers"], "--batch-size", "2")
    done = run(
        tmp_path, "callgrind", *CALLGRIND, f"--callgrind-out-file={parts}", *command, warmup=1, steps=1, stop=True
    )
    assert done.status == 0, done.stderr
    labels = set(re.findall(r"(?m)^desc: Trigger: Client Request: (.*)$", parts.read_text(errors="replace")))
    assert {f"step/0 {phase} layer/{layer}" for layer in LAYERS for phase in ("forward", "backward")} <= labels
    assert "step/0 optimizer" in labels
    assert {(layer, phase) for layer in LAYERS for phase in ("forward", "backward")} <= places(parts)
