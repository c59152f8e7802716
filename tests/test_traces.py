"""The recordings in `traces/`: real ones, read again in every column, with what the README says of them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest

from profkit.artefact import sha256
from profkit.comparison import diff
from profkit.loader import load, load_run
from profkit.profile import json_schema, read_profile
from profkit.summary import summarise

TRACES = Path(__file__).parents[1] / "traces"
RUNS = sorted(path.parent for path in TRACES.rglob("run.json"))


def name_of(run: Path) -> str:
    return str(run.relative_to(TRACES))


def test_there_is_one_of_each_implementation_under_each_tool() -> None:
    tools = {"libtorch": ("callgrind", "torch"), "pytorch": ("callgrind", "py-spy", "scalene", "torch")}
    assert [name_of(run) for run in RUNS] == [f"mnist_cnn/{who}/{tool}" for who in tools for tool in tools[who]]


@pytest.mark.parametrize("directory", RUNS, ids=name_of)
def test_the_artefact_gives_the_profile_in_every_column(directory: Path) -> None:
    kept, again = read_profile(directory / "profile.json"), load_run(directory)
    assert again.run == kept.run
    assert again.notes == kept.notes
    columns, others = kept.operators.to_pydict(), again.operators.to_pydict()
    assert list(columns) == list(others)
    for name, values in columns.items():
        assert values == others[name], name


@pytest.mark.parametrize("directory", RUNS, ids=name_of)
def test_the_artefact_is_the_one_that_was_recorded(directory: Path) -> None:
    run = load_run(directory).run
    assert [sha256(directory / name) for name in run.artefacts] == list(run.artefact_sha256)


@pytest.mark.parametrize("directory", RUNS, ids=name_of)
def test_the_profile_is_valid_by_the_published_schema(directory: Path) -> None:
    jsonschema.validate(msgspec.json.decode((directory / "profile.json").read_bytes()), json_schema())


@pytest.mark.parametrize("directory", RUNS, ids=name_of)
def test_every_row_with_a_cost_has_a_category(directory: Path) -> None:
    table = load(directory / "profile.json").operators
    assert table["category"].null_count == 0


def test_the_steps_of_a_callgrind_profile_sum_to_the_whole() -> None:
    """Every instruction between start and stop lies in a step; what lies outside is a few thousand around them."""
    profile = load(TRACES / "mnist_cnn/libtorch/callgrind/profile.json")
    summary = summarise(profile, ("phase",))
    assert summary.per_step is not None
    assert int(summary.per_step.sum()) == pytest.approx(int(summary.self_cost.sum()), rel=1e-3)


def test_python_pays_for_python_and_the_kernels_are_the_same() -> None:
    python, cpp = (load(TRACES / "mnist_cnn" / who / "callgrind/profile.json") for who in ("pytorch", "libtorch"))
    rows = {row.key[0]: row for row in diff(python, cpp, ("category",)).rows}
    assert rows["kernel"].candidate == pytest.approx(rows["kernel"].baseline, rel=1e-3)
    assert rows["interpreter"].verdict == rows["binding"].verdict == "only in baseline"


@pytest.mark.parametrize("directory", RUNS, ids=name_of)
def test_no_row_says_where_packages_are_installed(directory: Path) -> None:
    files = {file for file in load(directory / "profile.json").operators["file"].to_pylist() if file}
    assert not [file for file in files if "site-packages" in file or "/lib/python3" in file]


@pytest.mark.parametrize("tool", ["py-spy", "scalene"])
def test_samplers_see_the_layers_that_take_the_time(tool: str) -> None:
    """The three layers with the most work of the forward pass are the three that are sampled most."""
    summary = summarise(load(TRACES / "mnist_cnn/pytorch" / tool / "profile.json"), ["layer", "phase"])
    forward = [layer for layer, phase in summary.keys if layer and phase == "forward"]
    assert set(forward[:3]) == {"conv1", "conv2", "pool1"}
