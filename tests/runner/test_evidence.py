"""What the programs leave as evidence and say of their surroundings: the same of all three on one bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from profkit.bundle import Bundle
from profkit.observe_run import Observed, observe
from profkit.runner.batches import Batches
from tests.small_bundles import make_bundle, read_bundle

PROGRAMS = ("torch", "numba", "c++")
EVERY = pytest.mark.parametrize("program", PROGRAMS)
COMPARED = ("mnist_cnn", "convnet", "conv_autoencoder")
"""Dropout, batch norm, and inputs as their own target."""

Command = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def command(request: pytest.FixtureRequest) -> Command:
    """From a name to the program; the one in C++ is built when it is first asked for."""

    def of(program: str) -> list[str]:
        if program == "c++":
            return [str(request.getfixturevalue("libtorch_build") / "profkit_run")]
        return [sys.executable, "-m", "profkit.runner", "--engine", program]

    return of


def run(program: list[str], bundle: Path, folder: Path, *flags: object, **variables: str) -> dict[str, Any]:
    """Run for evidence, in `folder`; returns the report."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ("--bundle", bundle, "--report", folder / "report.json", "--evidence", folder)
    words = [*program, *map(str, files), *map(str, flags or ("--warmup", 1, "--steps", 2))]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def observed(bundle: Path, folder: Path, mode: str = "train") -> Observed:
    return observe(folder, Bundle(bundle, "", folder, 0), mode, synthetic=True)


@EVERY
def test_a_run_tells_its_conditions_its_clock_and_its_surroundings(
    command: Command, tmp_path: Path, program: str
) -> None:
    report = run(command(program), make_bundle(tmp_path / "bundle.pt"), tmp_path)
    assert report["places"] == {"weights": "cpu", "inputs": "cpu", "state": "cpu"}
    assert (report["settings"]["grad"], report["settings"]["training"]) == ("true", "true")
    assert len(report["warmup_ns"]) == 1
    assert report["warmup_ns"][0] > 0
    assert 0 < report["clock"]["resolution_ns"] < 1e6
    assert report["clock"]["name"] == ("steady_clock" if program == "c++" else "perf_counter")
    assert report["clock"]["monotonic"] is report["synchronised"] is report["options_checked"] is True
    assert report["directory"] is True
    assert report["other_tools"] == []


@EVERY
def test_inference_says_that_it_ran_without_gradients_and_leaves_no_step(
    command: Command, tmp_path: Path, program: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    report = run(command(program), bundle, tmp_path / "out", "--mode", "infer", "--steps", 2)
    assert (report["settings"]["grad"], report["settings"]["training"]) == ("false", "false")
    assert report["places"] == {"weights": "cpu", "inputs": "cpu", "state": ""}
    assert not (tmp_path / "out" / "stepped.pt").exists()
    found = observed(bundle, tmp_path / "out", "infer")
    assert found.training is None
    assert found.subnormals.state is None
    expected, _ = Batches(read_bundle(bundle), "test", in_order=True).make(0)
    assert found.inputs.mean == pytest.approx(expected.double().mean().item())


@EVERY
def test_training_in_epochs_is_told_before_the_test_of_each_switches_it_off(
    command: Command, tmp_path: Path, program: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", epochs=1)
    report = run(command(program), bundle, tmp_path, "--epochs", 1, "--warmup", 2)
    assert (report["settings"]["grad"], report["settings"]["training"]) == ("true", "true")
    assert len(report["warmup_ns"]) == 2


@EVERY
def test_every_process_has_a_mark_of_its_own(command: Command, tmp_path: Path, program: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    marks = {run(command(program), bundle, tmp_path / name)["process"] for name in "ab"}
    assert len(marks) == 2


@EVERY
def test_a_display_other_libraries_and_chosen_instructions_are_seen(
    command: Command, tmp_path: Path, program: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    libraries = [str(tmp_path / name) for name in ("libmy_profiler.so", "libstdc++mine.so", "libjemalloc.so.2")]
    for library in libraries:
        subprocess.run(["cc", "-shared", "-o", library, "-x", "c", "/dev/null"], check=True)
    variables = {"DISPLAY": ":0", "LD_PRELOAD": " ".join(libraries), "ATEN_CPU_CAPABILITY": "avx2"}
    report = run(command(program), bundle, tmp_path / "out", **variables)
    assert report["headless"] is False
    assert report["other_tools"] == ["LD_PRELOAD: libmy_profiler.so"]
    assert report["settings"]["ATEN_CPU_CAPABILITY"] == "avx2"


def test_a_profiler_within_python_is_seen(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    start = "import cProfile; from profkit.runner.run import main; cProfile.Profile().runcall(main)"
    report = run([sys.executable, "-c", start], bundle, tmp_path / "out")
    assert report["other_tools"] == ["sys.setprofile: cProfile"]


@pytest.mark.parametrize("name", COMPARED)
def test_all_programs_see_the_same_inputs_and_change_every_weight_alike(
    command: Command, tmp_path: Path, name: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", name)
    found = {}
    for program in PROGRAMS:
        run(command(program), bundle, tmp_path / program)
        found[program] = observed(bundle, tmp_path / program)
    reference = found["torch"]
    assert reference.training
    for other in found.values():
        assert other.inputs == reference.inputs
        assert other.training
        assert other.training.frozen == ()
        assert list(other.training.changes) == list(reference.training.changes)
        for weight, change in reference.training.changes.items():
            assert other.training.changes[weight] == pytest.approx(change, rel=1e-3), weight


def test_convolutions_that_never_train_are_found_frozen(tmp_path: Path) -> None:
    from tests.frozen_numba import frozen_numba

    bundle = make_bundle(tmp_path / "bundle.pt")
    run(frozen_numba().command(print), bundle, tmp_path)
    training = observed(bundle, tmp_path).training
    assert training
    assert training.frozen == ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")


@EVERY
def test_the_steps_are_those_of_a_run_that_leaves_no_evidence(command: Command, tmp_path: Path, program: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    losses = run(command(program), bundle, tmp_path)["losses"]
    body = read_bundle(bundle)
    report = tmp_path / "plain.json"
    words = [*command(program), "--bundle", str(bundle), "--report", str(report), "--warmup", "1", "--steps", "2"]
    subprocess.run(words, check=True, capture_output=True)
    assert json.loads(report.read_text())["losses"] == losses
    left = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert list(left) == list(body["weights"])
    assert not torch.equal(left["linear2.weight"], body["weights"]["linear2.weight"])


@pytest.mark.parametrize("program", ["torch", "c++"])
def test_no_question_how_the_steps_ran_gets_into_the_artefact(command: Command, tmp_path: Path, program: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", epochs=1)
    artefact = tmp_path / "scopes.json"
    words = ("--mode", "infer", "--epochs", 1, "--warmup", 1, "--tool", "wallclock", "--artefact", artefact)
    run(command(program), bundle, tmp_path / "out", *words)
    names = json.loads(artefact.read_text())["name"]
    steps = sum(name.startswith("ProfilerStep") for name in names)
    assert steps == names.count("phase/forward") > 0
