"""The orchestration, with a small real program in the place of an implementation: it obeys the runner's flags."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from profkit.benchmark import bench, require, seconds_left
from profkit.errors import DisagreementError, InputError, ProgramError, UsageError
from profkit.implementations import Implementation
from profkit.registry import find
from profkit.spec import Workload
from profkit.sweep import Sweep, cells
from tests.small_results import cell

MNIST = find("profkit.workloads", Workload, "mnist_cnn")
CONVNET = find("profkit.workloads", Workload, "convnet")

PROGRAM = """
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
for name in ("bundle", "report", "progress", "mode", "device", "data"):
    parser.add_argument(f"--{name}")
for name in ("warmup", "steps", "epochs", "threads", "workers"):
    parser.add_argument(f"--{name}", type=int)
flags = parser.parse_args()
here = pathlib.Path(__file__).parent
with (here / "log").open("a") as log:
    log.write(f"{os.getpid()} {flags.threads} {flags.mode} {flags.steps} {flags.data}\\n")
pathlib.Path(flags.progress).write_text("step 1/2\\n")
while (here / f"stall-{flags.threads}").exists():
    time.sleep(0.02)
report = pathlib.Path(flags.report)
if (here / f"broken-{flags.threads}").exists():
    report.write_text(json.dumps({"failure": "loss is nan at step 12 (epoch 0)", "kind": "nan"}))
    sys.exit(10)
steps = [flags.threads * 1_000_000] * flags.steps
phases = ("data", "host_to_device", "forward", "backward", "optimizer")
report.write_text(json.dumps({
    "mode": flags.mode, "step_ns": steps, "samples": [4] * len(steps), "phase_ns": {name: [] for name in phases},
    "losses": [], "epochs": [], "load_ns": None, "compile_ns": None, "memory": {"rss_bytes": 1},
    "versions": {"own": "1"},
}))
"""

INTERRUPTED = """
import pathlib, sys
sys.path.insert(0, sys.argv[3])
from tests.test_benchmark import sweep_of
from profkit.benchmark import bench
from profkit.errors import InterruptedRunError
try:
    bench(sweep_of(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]), lambda text: None)
except InterruptedRunError as error:
    print(error.message, "|", error.hint, "|", error.exit_code)
"""


def program(directory: Path, name: str = "own", refusal: Callable[..., str | None] = lambda *_: None) -> Implementation:
    return Implementation(
        name, "a test's", "python", ("cpu",), lambda _: [sys.executable, str(directory / "program.py")], refusal
    )


def sweep_of(directory: Path) -> Sweep:
    """One program with 1 and 2 threads, two repeats each."""
    return Sweep(
        (MNIST,), (program(directory),), threads=(1, 2), batch_sizes=(4,), subset=8, steps=2, repeats=2, agree=False
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the program; the cache is one of the session's own."""
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def log(place: Path) -> list[list[str]]:
    """Process, threads, mode, steps and data of every start of the program."""
    file = place / "log"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def rows_of(table: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(table.read_text().splitlines()))


def quiet(_: str) -> None:
    """Say nothing."""


def test_every_cell_runs_in_fresh_processes_there_and_back_and_everything_is_saved(place: Path) -> None:
    out = place / "out"
    said: list[str] = []
    results = bench(sweep_of(place), out, said.append)
    assert [started[1] for started in log(place)] == ["1", "2", "2", "1"]
    assert len({started[0] for started in log(place)}) == 4
    assert [(run.cell.threads, run.repeat, run.values["step_p50_ms"]) for run in results.runs] == [
        (1, 0, 1), (1, 1, 1), (2, 0, 2), (2, 1, 2)
    ]  # fmt: skip
    assert len(list((out / "runs").iterdir())) == 4
    kept = json.loads(next((out / "runs").iterdir()).read_bytes())
    assert {"cell", "repeat", "report", "machine", "versions", "commit", "recorded_at"} <= kept.keys()
    assert kept["versions"] == {"own": "1"}
    assert json.loads((out / "sweep.json").read_bytes())["configuration"]["threads"] == [1, 2]
    assert [row["threads"] for row in rows_of(out / "results.csv")] == ["1", "2"]
    assert len(rows_of(out / "runs.csv")) == 4
    assert json.loads((out / "results.json").read_bytes())["cells"][1]["values"]["step_p50_ms"]["median"] == 2
    assert any(text.startswith("run 4/4, ") and "left, mnist_cnn own cpu, batch 4" in text for text in said)
    require(results)


def test_a_second_invocation_measures_nothing_again(place: Path) -> None:
    first = bench(sweep_of(place), place / "out", quiet)
    assert bench(sweep_of(place), place / "out", quiet) == first
    assert len(log(place)) == 4


def test_a_failed_run_is_recorded_the_others_go_on_and_it_is_tried_again(place: Path) -> None:
    (place / "broken-1").touch()
    results = bench(sweep_of(place), place / "out", quiet)
    assert [run.cell.threads for run in results.runs] == [2, 2]
    assert [(lost.kind, lost.cell.threads, lost.repeat) for lost in results.omissions] == [
        ("failed", 1, 0), ("failed", 1, 1)
    ]  # fmt: skip
    assert json.loads((place / "out/results.json").read_bytes())["omissions"][0]["reason"].endswith(
        "loss is nan at step 12 (epoch 0)"
    )
    with pytest.raises(ProgramError, match=r"2 of 4 runs failed: .*loss is nan at step 12"):
        require(results)
    (place / "broken-1").unlink()
    require(bench(sweep_of(place), place / "out", quiet))
    assert [started[1] for started in log(place)] == ["1", "2", "2", "1", "1", "1"]


def test_ctrl_c_leaves_no_half_file_and_the_same_command_continues(place: Path) -> None:
    (place / "stall-2").touch()
    out = place / "out"
    command = [sys.executable, "-c", INTERRUPTED, str(place), str(out), str(Path(__file__).parents[1])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while len(log(place)) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert "interrupted with 1 of 4 runs finished" in said
    assert "the same command continues" in said
    assert said.strip().endswith("| 130")
    assert not psutil.pid_exists(int(log(place)[1][0]))
    assert [json.loads(path.read_bytes())["cell"]["threads"] for path in (out / "runs").iterdir()] == [1]
    (place / "stall-2").unlink()
    results = bench(sweep_of(place), out, quiet)
    assert len(results.runs) == 4
    assert [started[1] for started in log(place)] == ["1", "2", "2", "2", "1"]


def test_being_killed_outright_loses_only_the_run_that_ran(place: Path) -> None:
    (place / "stall-2").touch()
    command = [sys.executable, "-c", INTERRUPTED, str(place), str(place / "out"), str(Path(__file__).parents[1])]
    process = subprocess.Popen(command)
    while len(log(place)) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    (place / "stall-2").unlink()
    assert len(bench(sweep_of(place), place / "out", quiet).runs) == 4
    assert len(log(place)) == 5


def test_a_directory_of_another_sweep_is_refused_with_what_differs(place: Path) -> None:
    bench(sweep_of(place), place / "out", quiet)
    other = replace(sweep_of(place), threads=(1, 2, 4), subset=None, options={"filters1": (8,)})
    with pytest.raises(UsageError, match="threads was 1,2, now 1,2,4") as caught:
        bench(other, place / "out", quiet)
    assert "subset was 8, now not given" in caught.value.message
    assert "options was not given, now filters1=8" in caught.value.message
    assert "--output" in caught.value.hint
    assert len(log(place)) == 4


def test_a_directory_of_another_machine_is_refused(place: Path) -> None:
    bench(sweep_of(place), place / "out", quiet)
    file = place / "out/sweep.json"
    about = json.loads(file.read_bytes())
    file.write_text(json.dumps({**about, "machine": {**about["machine"], "processor": "an abacus"}}))
    with pytest.raises(UsageError, match="processor was an abacus, now"):
        bench(sweep_of(place), place / "out", quiet)


def test_runs_beside_other_work_are_refused(place: Path) -> None:
    bench(sweep_of(place), place / "out", quiet)
    next((place / "out/runs").glob("*-1.json")).unlink()
    for path in (place / "out/runs").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "bundle_sha256": "0" * 64}))
    with pytest.raises(InputError, match="changed since the first runs"):
        bench(sweep_of(place), place / "out", quiet)


def test_a_directory_of_something_else_and_a_broken_run_are_refused(place: Path) -> None:
    (place / "full").mkdir()
    (place / "full/file").touch()
    with pytest.raises(UsageError, match="holds no sweep"):
        bench(sweep_of(place), place / "full", quiet)
    bench(sweep_of(place), place / "out", quiet)
    next((place / "out/runs").iterdir()).write_text('{"cell":')
    with pytest.raises(InputError, match="is broken") as caught:
        bench(sweep_of(place), place / "out", quiet)
    assert "deleted" in caught.value.hint


def test_what_cannot_run_is_skipped_with_its_reason(place: Path) -> None:
    sweep = sweep_of(place)
    refusing = program(place, "other", lambda network, device: f"no {device} here")
    results = bench(replace(sweep, implementations=(*sweep.implementations, refusing)), place / "out", quiet)
    assert len(results.runs) == 4
    assert {(lost.kind, lost.cell.implementation, lost.reason) for lost in results.omissions} == {
        ("skipped", "other", "no cpu here")
    }
    require(results)
    with pytest.raises(UsageError, match="nothing of this can run here: no cpu here"):
        bench(replace(sweep, implementations=(refusing,)), place / "none", quiet)
    assert not (place / "none").exists()


def test_an_option_that_fits_some_cells_skips_the_others_and_one_that_fits_none_is_refused(place: Path) -> None:
    sweep = replace(sweep_of(place), threads=(1,), options={"kernel_size": (3, 40)})
    results = bench(sweep, place / "out", quiet)
    assert {dict(run.cell.options)["kernel_size"] for run in results.runs} == {3}
    assert "smaller than its kernel" in results.omissions[0].reason
    sized = replace(sweep, options={}, batch_sizes=(4, 16))
    results = bench(sized, place / "sized", quiet)
    assert [run.cell.batch_size for run in results.runs] == [4, 4]
    assert "a batch of 16 needs more than the 8 samples" in results.omissions[0].reason
    with pytest.raises(UsageError, match="a batch of 16 needs more"):
        bench(replace(sized, batch_sizes=(16,)), place / "none", quiet)
    shutil.rmtree(place / "none")
    with pytest.raises(UsageError, match="unknown option of mnist_cnn 'kernle_size'"):
        bench(replace(sweep, options={"kernle_size": (3,)}), place / "none", quiet)
    with pytest.raises(UsageError, match=r"option hidden is '2\.5'"):
        bench(replace(sweep, options={"hidden": (2.5,)}), place / "none", quiet)


def test_the_native_loader_and_latency_reach_the_program(place: Path) -> None:
    sweep = replace(sweep_of(place), threads=(1,), batch_sizes=(), mode="latency", loader="native", repeats=1)
    bench(sweep, place / "out", quiet)
    assert log(place)[0][2:4] == ["infer", "2"]
    assert Path(log(place)[0][4]).is_dir()


WRONG = """
import pathlib, runpy, sys
import torch
try:
    runpy.run_module("profkit.runner", run_name="__main__")
finally:
    if "--results" in sys.argv:
        results = pathlib.Path(sys.argv[sys.argv.index("--results") + 1])
        body = torch.load(results, weights_only=True)
        torch.save({**body, "losses": body["losses"] + 1}, results)
"""


def test_an_implementation_that_disagrees_is_not_measured_and_the_others_are(place: Path) -> None:
    (place / "wrong.py").write_text(WRONG)
    wrong = replace(program(place, "wrong"), command=lambda _: [sys.executable, str(place / "wrong.py")])
    pytorch = find("profkit.implementations", Implementation, "pytorch")
    sweep = replace(sweep_of(place), implementations=(pytorch, wrong), threads=(1,), repeats=1, agree=True)
    results = bench(sweep, place / "out", quiet)
    assert [run.cell.implementation for run in results.runs] == ["pytorch"]
    assert [(lost.kind, lost.cell.implementation) for lost in results.omissions] == [("disagrees", "wrong")]
    with pytest.raises(DisagreementError, match="wrong does not compute what pytorch computes"):
        require(results)


def test_the_time_left_comes_from_each_cell_s_own_runs_and_else_from_all() -> None:
    fast, slow, unknown = cell(batch_size=8), cell(batch_size=32), cell(batch_size=64)
    durations = {fast.key: [1.0, 3.0], slow.key: [10.0]}
    assert seconds_left([fast, slow, slow, unknown], durations) == 2 + 10 + 10 + 6
    assert seconds_left([fast], {}) is None


def test_one_workload_and_one_implementation_make_one_cell() -> None:
    assert len(cells(Sweep((CONVNET,), (find("profkit.implementations", Implementation, "pytorch"),)))) == 1
