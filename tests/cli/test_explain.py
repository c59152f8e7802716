"""`profkit explain` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Profkit, complaint
from tests.small_explanations import CPP, PYTHON, Line, profile

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
KERNEL = Line("conv1", "forward", "aten::conv2d", "kernel", (60_000, 62_000, 61_000), count=3)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "python.json"
    frame = Line("conv1", "forward", None, "interpreter", (30_000, 30_500, 31_000), "scope", count=3)
    profile(PYTHON, [KERNEL, frame]).write(path)
    return path


@pytest.fixture
def cpp(tmp_path: Path) -> Path:
    path = tmp_path / "cpp.json"
    profile(CPP, [KERNEL]).write(path)
    return path


def test_the_gap_comes_first_and_then_its_causes(profkit: Profkit, python: Path, cpp: Path) -> None:
    done = profkit("explain", python, cpp)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "A pytorch 91.5 us, B libtorch 61.0 us a step: B - A = -30.5 us" in said
    assert "interpreter -30.5 us" in said
    assert "was not timed without it" in said
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_has_every_cause_with_its_evidence(profkit: Profkit, python: Path, cpp: Path) -> None:
    body = json.loads(profkit("explain", python, cpp, "--json").stdout)
    (found,) = body["explanations"]
    assert sum(cause["delta"] for cause in found["causes"]) == pytest.approx(found["gap"])
    interpreter = next(cause for cause in found["causes"] if cause["name"] == "interpreter")
    assert interpreter["share"] == 1
    assert interpreter["places"][0]["layer"] == "conv1"
    assert all(cause["evidence"] for cause in found["causes"])
    assert found["python_tax"] is None


def test_callgrind_on_both_sides_has_the_python_tax(profkit: Profkit) -> None:
    sides = [TRACES / implementation / "callgrind" / "profile.json" for implementation in ("pytorch", "libtorch")]
    shown = profkit("explain", *sides).stdout
    assert "Python tax (interpreter, binding) by layer, instructions a step" in shown
    assert "exact." in shown
    (found,) = json.loads(profkit("explain", *sides, "--json").stdout)["explanations"]
    tax = sum(cause["delta"] for cause in found["causes"] if cause["name"] in ("interpreter", "binding"))
    assert sum(place["delta"] for place in found["python_tax"]["layer"]) == tax < 0


def test_fewer_places_are_named_on_demand(profkit: Profkit, python: Path, cpp: Path) -> None:
    place = "conv1 forward: 30.5 us -> 0 ns"
    assert place in profkit("explain", python, cpp).stdout
    assert place not in profkit("explain", python, cpp, "--top", "0").stdout


def test_what_cannot_be_run_again_cannot_be_tried(profkit: Profkit, python: Path, cpp: Path) -> None:
    done = profkit("explain", python, cpp, "--try", "--json")
    complaint(done, 3)


def test_bad_input_is_said_in_a_line(profkit: Profkit, python: Path, cpp: Path, tmp_path: Path) -> None:
    complaint(profkit("explain", python, "missing.json"), 3)
    assert "--try" in complaint(profkit("explain", python, cpp, "--change", "threads"), 2)
    newer = tmp_path / "newer.json"
    newer.write_bytes(cpp.read_bytes().replace(b'"version":1', b'"version":99'))
    assert "profile version 99" in complaint(profkit("explain", python, newer), 3)
