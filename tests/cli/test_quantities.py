"""FLOP, bytes and rates beside the self cost, on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Profkit, complaint

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
PYTHON, CPP = TRACES / "pytorch" / "torch" / "trace.json.gz", TRACES / "libtorch" / "torch" / "trace.json.gz"

MACS = {"conv1": 8 * 26 * 26 * 9, "conv2": 16 * 11 * 11 * 8 * 9, "linear1": 400 * 128, "linear2": 128 * 10}
"""Multiply-adds of one sample, forward, by hand."""
SAMPLES, STEPS = 8, 2


@pytest.mark.parametrize("trace", [PYTHON, CPP], ids=["python", "c++"])
def test_the_multiply_adds_of_each_layer_are_those_of_the_network(profkit: Profkit, trace: Path) -> None:
    done = profkit("show", trace, "--by", "layer,phase", "--macs", "--json")
    rows = json.loads(done.stdout)["rows"]
    found = {row["layer"]: row["macs"] for row in rows if row["phase"] == "forward" and row["layer"] in MACS}
    assert found == {layer: macs * SAMPLES * STEPS for layer, macs in MACS.items()}


def test_backward_takes_twice_the_multiply_adds_but_for_the_first_layer(profkit: Profkit) -> None:
    done = profkit("show", PYTHON, "--by", "layer,phase", "--columns", "macs", "--csv")
    rows = csv.DictReader(io.StringIO(done.stdout))
    found = {row["layer"]: int(row["macs"]) for row in rows if row["phase"] == "backward" and row["layer"] in MACS}
    inputs = {"conv1": 1, "conv2": 2, "linear1": 2, "linear2": 2}
    assert found == {layer: macs * inputs[layer] * SAMPLES * STEPS for layer, macs in MACS.items()}


def test_rates_are_the_work_over_the_self_time(profkit: Profkit) -> None:
    done = profkit("show", PYTHON, "--columns", "flop,traffic_bytes,intensity,flop_per_s,bytes_per_s", "--json")
    row = next(row for row in json.loads(done.stdout)["rows"] if row["operator"] == "aten::addmm")
    assert row["intensity"] == pytest.approx(row["flop"] / row["traffic_bytes"])
    assert row["flop_per_s"] == pytest.approx(row["flop"] / row["self_ns"] * 1e9)
    assert row["bytes_per_s"] == pytest.approx(row["traffic_bytes"] / row["self_ns"] * 1e9)


def test_both_languages_do_the_same_work_by_layer_in_a_diff(profkit: Profkit) -> None:
    done = profkit("diff", PYTHON, CPP, "--by", "layer,phase", "--columns", "macs", "--json")
    rows = [row for row in json.loads(done.stdout)["rows"] if row["layer"] in MACS]
    assert len(rows) == 2 * len(MACS)
    assert all(row["baseline_macs"] == row["candidate_macs"] for row in rows)
    forward = {row["layer"]: row["baseline_macs"] for row in rows if row["phase"] == "forward"}
    assert forward == {layer: macs * SAMPLES for layer, macs in MACS.items()}  # a step


def test_the_table_has_the_columns_and_how_much_of_the_time_they_cover(profkit: Profkit) -> None:
    done = profkit("show", PYTHON, "--columns", "flop,intensity")
    assert "FLOP/B" in done.stdout
    assert "FLOP are known of the self cost in operators: 100.0 %" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_what_has_no_formula_is_listed_with_its_time(profkit: Profkit, samples: Path) -> None:
    trace = samples / "kineto" / "hta" / "trace_diff_control.json.gz"
    rows = json.loads(profkit("show", trace, "--uncosted", "--json").stdout)
    communication = next(row for row in rows if row["operator"].endswith("param_comms") and row["device"] == "device")
    assert communication["why"] == "no formula"
    assert 0 < communication["share"] < 1
    assert "aten::mm" not in {row["operator"] for row in rows}


def test_a_profile_that_knows_no_flop_says_so(profkit: Profkit, samples: Path) -> None:
    trace = samples / "kineto" / "hta" / "alexnet_cuda.json.gz"
    assert "has no FLOP" in complaint(profkit("show", trace, "--columns", "flop"), 2)


@pytest.mark.parametrize("recording", ["pytorch/callgrind", "libtorch/callgrind", "pytorch/py-spy", "pytorch/scalene"])
def test_a_tool_without_shapes_has_the_work_of_the_network_by_layer(profkit: Profkit, recording: str) -> None:
    profile = TRACES / recording / "profile.json"
    document = json.loads(profkit("show", profile, "--by", "layer,phase", "--columns", "macs", "--json").stdout)
    found = {row["layer"]: row["macs"] for row in document["rows"] if row["phase"] == "forward"}
    steps = document["run"]["steps"]
    expected = {layer: macs * SAMPLES * steps for layer, macs in MACS.items()}
    seen = [layer for layer in MACS if layer in found]  # a sampler may miss the smallest
    assert {"conv1", "conv2"} <= set(seen)
    assert [found[layer] for layer in seen] == [expected[layer] for layer in seen]


def test_a_tool_without_shapes_has_no_work_by_operator(profkit: Profkit) -> None:
    profile = TRACES / "pytorch" / "callgrind" / "profile.json"
    assert "none by operator" in complaint(profkit("show", profile, "--columns", "flop"), 2)


def test_instructions_are_no_time(profkit: Profkit) -> None:
    profile = TRACES / "pytorch" / "callgrind" / "profile.json"
    assert "has no time" in complaint(profkit("show", profile, "--by", "layer,phase", "--columns", "flop_per_s"), 2)


def test_a_column_that_does_not_exist_is_refused_with_the_nearest(profkit: Profkit) -> None:
    assert "did you mean flop" in complaint(profkit("show", PYTHON, "--columns", "flops"), 2)


def test_columns_of_several_profiles_are_refused(profkit: Profkit) -> None:
    assert "of one profile" in complaint(profkit("show", PYTHON, CPP, "--columns", "flop"), 2)
