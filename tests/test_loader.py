"""From a profile back to its recordings: the artefact is found where the profile says, and only if it is the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from profkit.aggregate import aggregate
from profkit.artefact import sha256
from profkit.errors import InputError
from profkit.loader import artefacts, load, located, recordings
from profkit.profile import read_profile
from profkit.trace_facts import with_trace

TRACES = Path(__file__).parents[1] / "traces" / "mnist_cnn"
TORCH = TRACES / "pytorch" / "torch"


@pytest.mark.parametrize("trace", ["pytorch/torch", "libtorch/torch", "pytorch/callgrind", "libtorch/callgrind"])
def test_the_recordings_of_a_profile_aggregate_to_the_profile(trace: str) -> None:
    path = TRACES / trace / "profile.json"
    read, profile = recordings(path), read_profile(path)
    again = with_trace(aggregate(read), read)
    assert again.cost().sum() == profile.cost().sum()
    assert replace(again.run, directory=None) == replace(profile.run, directory=None)


def test_a_run_directory_a_profile_and_an_artefact_have_the_same_recordings() -> None:
    of_run, of_profile, of_artefact = (recordings(TORCH / name)[0] for name in ("", "profile.json", "trace.json.gz"))
    assert of_run.records.to_pydict() == of_profile.records.to_pydict() == of_artefact.records.to_pydict()
    assert of_run.run == of_artefact.run == of_profile.run


def test_a_profile_that_is_written_elsewhere_says_where_its_artefact_lies(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    artefact = Path(shutil.copy(TORCH / "trace.json.gz", tmp_path / "run" / "my.json.gz"))
    output = tmp_path / "profiles" / "p.json"
    output.parent.mkdir()
    profile = located(load(artefact), artefact, output)
    assert profile.run.directory == "../run"
    assert (profile.run.artefacts, profile.run.artefact_sha256) == (("my.json.gz",), (sha256(artefact),))
    profile.write(output)
    assert [path.resolve() for path in artefacts(output)] == [artefact]
    further = tmp_path / "p.parquet"
    located(read_profile(output), output, further).write(further)
    assert [path.resolve() for path in artefacts(further)] == [artefact]
    # Moved together they find each other still.
    (tmp_path / "moved").mkdir()
    for name in ("run", "profiles"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert recordings(tmp_path / "moved" / "profiles" / "p.json")[0].records.num_rows > 500


def test_a_profile_beside_its_artefact_names_no_directory(tmp_path: Path) -> None:
    artefact = Path(shutil.copy(TORCH / "trace.json.gz", tmp_path))
    assert located(load(artefact), artefact, tmp_path / "p.json").run.directory is None


def test_an_artefact_that_is_gone_or_another_one_is_an_input_error(tmp_path: Path) -> None:
    shutil.copytree(TORCH, tmp_path / "run")
    trace = tmp_path / "run" / "trace.json.gz"
    trace.write_bytes(trace.read_bytes() + b"\0")
    with pytest.raises(InputError, match="has changed since"):
        recordings(tmp_path / "run" / "profile.json")
    trace.unlink()
    with pytest.raises(InputError, match=r"is gone: .*trace\.json\.gz"):
        recordings(tmp_path / "run" / "profile.json")


def test_a_profile_that_names_no_artefact_is_an_input_error(tmp_path: Path) -> None:
    profile = read_profile(TORCH / "profile.json")
    replace(profile, run=replace(profile.run, artefacts=(), artefact_sha256=())).write(tmp_path / "p.json")
    with pytest.raises(InputError, match="does not say which artefact"):
        recordings(tmp_path / "p.json")


def test_a_directory_without_a_run_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        recordings(tmp_path)
