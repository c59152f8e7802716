"""`profkit export`: every format from profile, artefact and run directory, and what it says where that cannot be."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from profkit.errors import InputError, UsageError, WriteError
from profkit.exporters import Exporter
from profkit.registry import discover
from tests.cli.conftest import Profkit, complaint

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
TORCH, CALLGRIND = TRACES / "pytorch" / "torch", TRACES / "libtorch" / "callgrind"


@pytest.mark.parametrize("name", discover("profkit.exporters", Exporter))
def test_every_format_is_written_under_its_usual_name(profkit: Profkit, tmp_path: Path, name: str) -> None:
    done = profkit("export", CALLGRIND / "profile.json", "--to", name)
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.iterdir()
    suffix = discover("profkit.exporters", Exporter)[name].suffix
    assert written.name == f"callgrind{suffix or '-tensorboard'}"
    assert written.name in done.stdout.replace("\n", "")
    draws_stacks = name not in ("csv", "parquet")
    assert ("note: the stacks are estimated from a call graph" in done.stderr) is draws_stacks


@pytest.mark.parametrize("source", [TORCH, TORCH / "profile.json", TORCH / "trace.json.gz"])
def test_a_directory_a_profile_and_an_artefact_give_the_same_stacks(
    profkit: Profkit, tmp_path: Path, source: Path
) -> None:
    done = profkit("export", source, "--to", "collapsed", "-o", "stacks.txt", "--json")
    told = json.loads(done.stdout)
    assert (told["output"], told["metric"], told["notes"]) == ("stacks.txt", "self_ns", [])
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == told["self_cost"] == 3_601_930
    assert any(";phase/backward;layer/conv2;" in line for line in lines)


def test_an_imported_profile_finds_its_artefact_again(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    shutil.copy(TORCH / "trace.json.gz", tmp_path / "there" / "trace.json.gz")
    assert profkit("import", "there/trace.json.gz", "-o", "here/p.json").returncode == 0
    run = json.loads((tmp_path / "here" / "p.json").read_bytes())["run"]
    assert run["directory"] == "../there"
    done = profkit("export", "here/p.json", "--to", "speedscope", "-o", "s.json")
    assert (done.returncode, "note:" in done.stderr) == (0, False)
    assert json.loads((tmp_path / "s.json").read_bytes())["profiles"][0]["type"] == "evented"
    assert profkit("import", "here/p.json", "-o", "q.parquet").returncode == 0
    assert "note:" not in profkit("export", "q.parquet", "--to", "speedscope", "-o", "t.json").stderr
    assert (tmp_path / "s.json").read_bytes() == (tmp_path / "t.json").read_bytes()


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_without_the_artefact_the_stacks_are_of_the_table_and_that_is_said(
    profkit: Profkit, tmp_path: Path, change: str
) -> None:
    shutil.copytree(TORCH, tmp_path / "run")
    trace = tmp_path / "run" / "trace.json.gz"
    if change == "gone":
        trace.unlink()
    else:
        trace.write_bytes(gzip.compress(b"other"))
    done = profkit("export", "run/profile.json", "--to", "collapsed", "-o", "stacks.txt")
    assert done.returncode == 0
    assert ("is gone" if change == "gone" else "has changed since") in done.stderr
    assert "note: the stacks are made of the operator table" in done.stderr
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 3_601_930
    assert any(line.startswith("phase/forward;layer/conv1;aten::conv2d ") for line in lines)


def test_a_name_that_ends_in_gz_is_compressed(profkit: Profkit, tmp_path: Path) -> None:
    assert profkit("export", TORCH, "--to", "perfetto", "-o", "trace.json.gz").returncode == 0
    assert json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))["traceEvents"]


def test_nothing_is_overwritten_unless_asked(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("mine")
    said = complaint(profkit("export", TORCH, "--to", "csv", "-o", "p.csv"), UsageError.exit_code)
    assert "p.csv exists already" in said
    assert (tmp_path / "p.csv").read_text() == "mine"
    assert profkit("export", TORCH, "--to", "csv", "-o", "p.csv", "--force").returncode == 0
    assert (tmp_path / "p.csv").read_text().startswith('"operator"')


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((TORCH, "--to", "speedscop"), UsageError.exit_code, "unknown format 'speedscop'"),
        ((TORCH, "--to", "csv", "-o", "."), UsageError.exit_code, "exists already"),
        ((TORCH, "--to", "csv", "-o", "missing/p.csv"), UsageError.exit_code, "there is no directory missing"),
        (("nothing.json", "--to", "csv"), InputError.exit_code, "cannot read nothing.json"),
        ((TRACES, "--to", "csv"), InputError.exit_code, "run.json"),
        ((TRACES, "--to", "pprof"), InputError.exit_code, "run.json"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    profkit: Profkit, tmp_path: Path, arguments: tuple[str | Path, ...], code: int, message: str
) -> None:
    assert message in complaint(profkit("export", *arguments), code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_a_directory_that_may_not_be_written_is_a_write_error(profkit: Profkit, name: str) -> None:
    complaint(profkit("export", TORCH, "--to", name, "-o", "/proc/out"), WriteError.exit_code)
