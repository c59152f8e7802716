"""`profkit bench` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Profkit

SMALL = ("bench", "--impl", "pytorch", "--batch-size", "8,16", "--subset", "32", "--repeats", "1", "--no-agree")


def test_it_measures_prints_saves_draws_and_continues(profkit: Profkit, tmp_path: Path) -> None:
    done = profkit(*SMALL, "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mnist_cnn, train, pytorch, cpu, 1 thread, seed 0, 2 epochs, subset 32\n")
    assert "run 2/2" in done.stderr
    directory = tmp_path / "profkit-bench/mnist_cnn-train"
    assert {path.name for path in directory.iterdir()} == {
        "sweep.json", "runs", "results.json", "results.csv", "runs.csv", "epochs.csv", "charts"
    }  # fmt: skip
    assert (directory / "charts/time-by-batch_size.png").exists()
    assert len(list(csv.DictReader((directory / "epochs.csv").read_text().splitlines()))) == 4
    again = profkit(*SMALL, "--epochs", "2", "--no-charts", "--json")
    assert again.returncode == 0
    assert "run 1" not in again.stderr
    body = json.loads(again.stdout)
    assert [each["batch_size"] for each in body["cells"]] == [8, 16]
    table = list(csv.DictReader(io.StringIO(profkit(*SMALL, "--epochs", "2", "--no-charts", "--csv").stdout)))
    assert float(table[0]["epoch_s"]) == body["cells"][0]["values"]["epoch_s"]["median"]
    other = profkit(*SMALL, "--epochs", "3")
    assert other.returncode == 2
    assert "epochs was 2, now 3" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "8,x"], "--batch-size has 'x'"),
        (["--kernel-size", "3,,5"], "has an empty place"),
        (["--impl", "pytroch"], "unknown implementation 'pytroch'"),
        (["--workload", "mnist"], "unknown workload 'mnist'"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--mode", "trian"], "--mode is 'trian'"),
        (["--mode", "latency", "--batch-size", "8"], "batches of 1"),
        (["--option", "kernle_size=3"], "unknown option of mnist_cnn"),
        (["--option", "padding"], "is not name=value"),
        (["--layers", "3,4"], "unknown option of mnist_cnn 'layers'"),
        (["--repeats", "0"], "--repeats is 0"),
        (["--epochs", "0"], "--epochs is 0"),
        (["--epochs", "1", "--steps", "2"], "both --steps and --epochs"),
        (["--json", "--csv"], "exclude each other"),
        (["--subset", "0"], "--subset is 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(
    profkit: Profkit, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = profkit("bench", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""
