"""`profkit roofline` as a user runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from profkit.peaks import peaks_file
from tests.cli.conftest import Profkit, complaint
from tests.small_roofline import GIGA, HERE, MEGA, PEAKS, RUN, profile, row

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
WORK = row(flop=GIGA, traffic_bytes=MEGA, self_ns=40 * MEGA)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file with the peaks of a machine."""
    path = tmp_path / "machine.json"
    path.write_bytes(msgspec.json.encode(replace(PEAKS, source="a data sheet", machine=None)))
    return path


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "python.json"
    profile(WORK, row("aten::view", layer="flatten")).write(path)
    return path


@pytest.fixture
def cpp(tmp_path: Path) -> Path:
    path = tmp_path / "cpp.json"
    profile({**WORK, "self_ns": 30 * MEGA}, run=replace(RUN, implementation="libtorch")).write(path)
    return path


def test_one_profile_has_a_table_and_its_source_of_peaks(profkit: Profkit, python: Path, machine: Path) -> None:
    done = profkit("roofline", python, "--machine", machine)
    assert done.returncode == 0, done.stderr
    assert "Small CPU (a data sheet)" in done.stdout
    assert "fc forward" in done.stdout
    assert done.stderr == ""


def test_two_profiles_have_a_verdict(profkit: Profkit, python: Path, cpp: Path, machine: Path) -> None:
    done = profkit("roofline", python, cpp, "--machine", machine, "--by", "layer")
    assert done.returncode == 0, done.stderr
    assert "B (libtorch) is nearer" in " ".join(done.stdout.split())


def test_a_diff_says_on_demand_which_is_nearer_to_its_roof(
    profkit: Profkit, python: Path, cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path / "cache"))
    assert "nobody has measured" in complaint(profkit("diff", python, cpp, "--roofs"), 2)
    kept = peaks_file(HERE)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(msgspec.json.encode(PEAKS))
    answer = json.loads(profkit("diff", python, cpp, "--roofs", "--json").stdout)["answer"]
    assert "B (libtorch) is nearer to its roof" in answer[-1]
    assert "roof" not in profkit("diff", python, cpp).stdout


def test_json_and_csv_of_one_and_of_two(profkit: Profkit, python: Path, cpp: Path, machine: Path) -> None:
    one = json.loads(profkit("roofline", python, "--machine", machine, "--json").stdout)
    assert one["sides"][0]["operators"][0]["operator"] == "aten::addmm"
    two = json.loads(profkit("roofline", python, cpp, "--machine", machine, "--json").stdout)
    assert {"answer", "rows", "baseline", "candidate"} == set(two)
    assert profkit("roofline", python, "--machine", machine, "--csv").stdout.startswith("device,layer,phase,time_ns")
    assert profkit("roofline", python, cpp, "--machine", machine, "--csv").stdout.startswith(
        "device,layer,phase,a_time"
    )
    complaint(profkit("roofline", python, "--json", "--csv"), 2)


def test_a_chart_is_written_and_not_overwritten(profkit: Profkit, python: Path, machine: Path) -> None:
    target = python.with_name("chart.svg")
    done = profkit("roofline", python, "--machine", machine, "--chart", target)
    assert done.returncode == 0, done.stderr
    before = target.read_bytes()
    said = complaint(profkit("roofline", python, "--machine", machine, "--chart", target), 2)
    assert "exists already" in said
    assert target.read_bytes() == before
    assert profkit("roofline", python, "--machine", machine, "--chart", target, "--force").returncode == 0


def test_without_peaks_it_says_how_to_get_them(profkit: Profkit, python: Path, tmp_path: Path) -> None:
    said = complaint(profkit("roofline", python, environment={"PROFKIT_CACHE": str(tmp_path / "empty")}), 2)
    assert "nobody has measured" in said
    assert "profkit machine" in said


def test_bad_input_is_said_in_a_line(profkit: Profkit, python: Path, machine: Path) -> None:
    assert "3 profiles" in complaint(profkit("roofline", python, python, python), 2)
    assert "chart.pdf" in complaint(profkit("roofline", python, "--chart", "chart.pdf"), 2)
    assert "no directory" in complaint(profkit("roofline", python, "--chart", "missing/chart.png"), 2)
    assert "unknown dimension 'layr'" in complaint(profkit("roofline", python, "--by", "layr"), 2)
    complaint(profkit("roofline", python, "--machine", "missing.json"), 3)
    machine.write_text(json.dumps({**json.loads(machine.read_text()), "bandwidth": []}))
    assert "bandwidth" in complaint(profkit("roofline", python, "--machine", machine), 3)
    machine.write_text("{")
    complaint(profkit("roofline", python, "--machine", machine), 3)


def test_instructions_are_no_time(profkit: Profkit, machine: Path) -> None:
    said = complaint(profkit("roofline", TRACES / "pytorch" / "callgrind" / "profile.json", "--machine", machine), 2)
    assert "the profile counts instructions" in said
    assert "--tool torch" in said


@pytest.mark.parametrize("tool", ["py-spy", "scalene"])
def test_samplers_have_the_work_of_the_network(profkit: Profkit, machine: Path, tool: str) -> None:
    done = profkit("roofline", TRACES / "pytorch" / tool / "profile.json", "--machine", machine, "--json")
    assert done.returncode == 0, done.stderr
    [side] = json.loads(done.stdout)["sides"]
    assert side["total"]["macs"] == pytest.approx(side["total"]["flop"] / 2, rel=0.05)
    assert side["operators"] == []
    assert side["coverage"] > 0.95
    refused = profkit("roofline", TRACES / "pytorch" / tool / "profile.json", "--machine", machine, "--by", "operator")
    assert "there are none by operator" in complaint(refused, 2)
