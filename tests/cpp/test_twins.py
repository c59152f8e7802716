"""The C++ program and the Python runner are twins: the same flags, the same work, the same scopes, the same report."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.bundle import write_bundle
from profkit.spec import LAYER_KINDS, LOSSES, OPTIMIZERS
from profkit.workloads.mnist_cnn import MNIST_CNN

torch = pytest.importorskip("torch")

from profkit.runner.layers import LAYER_BUILDERS, LOSS_BUILDERS, OPTIMIZER_BUILDERS  # noqa: E402  # they import torch
from profkit.runner.region import REGIONS  # noqa: E402

LANGUAGES = ("python", "c++")
CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--combine-dumps=yes")
TOOLS = ("wallclock", "torch")
WARMUP, STEPS = 1, 2

Runs = dict[str, tuple[Path, Path]]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = MNIST_CNN.network({"filters1": 2, "filters2": 3, "hidden": 8})
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((2, 4, 1, 28, 28), dtype=np.float32)
    targets = generator.integers(0, 10, (2, 4))
    return write_bundle(tmp_path_factory.mktemp("bundle") / "bundle.pt", network, inputs, targets, seed=0).path


@pytest.fixture(scope="session")
def programs(libtorch_build: Path) -> dict[str, tuple[str, ...]]:
    return {
        "python": (sys.executable, "-m", "profkit.runner"),
        "c++": (str(libtorch_build / "profkit_run"),),
    }


def _output(command: tuple[str, ...]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _train(program: tuple[str, ...], bundle: Path, folder: Path, tool: str, *more: str) -> None:
    """Run in `folder`, which then holds report.json, results.pt and artefact.json."""
    steps = ("--warmup", str(WARMUP), "--steps", str(STEPS), "--tool", tool, "--artefact", "artefact.json", *more)
    files = ("--bundle", str(bundle), "--report", "report.json", "--results", "results.pt", "--progress", "progress")
    subprocess.run((*program, *files, *steps), check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="session")
def runs(bundle: Path, programs: dict[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """By tool: the folders of the Python and of the C++ run under it."""
    folders = {tool: (tmp_path_factory.mktemp("python"), tmp_path_factory.mktemp("cpp")) for tool in TOOLS}
    for tool, pair in folders.items():
        for language, folder in zip(LANGUAGES, pair, strict=True):
            _train(programs[language], bundle, folder, tool)
    return folders


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _keys(value: object) -> object:
    return {key: _keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def _scopes(tool: str, path: Path) -> list[tuple[str, int]]:
    """Names of the scopes in order, with their depths where the artefact says so."""
    body = _json(path)
    if tool == "wallclock":
        return list(zip(body["name"], body["depth"], strict=True))
    rows = [event for event in body["traceEvents"] if event.get("cat") == "user_annotation"]
    ours = [row for row in rows if not row["name"].startswith("Optimizer.")]  # torch's own, in Python only
    return [(row["name"], 0) for row in sorted(ours, key=lambda row: (row["ts"], -row["dur"]))]


def test_both_builders_know_the_same_layers_losses_and_optimizers(programs: dict[str, tuple[str, ...]]) -> None:
    lines = _output((*programs["c++"], "--kinds")).splitlines()
    for what, named, built in (
        ("layer", LAYER_KINDS, LAYER_BUILDERS),
        ("loss", LOSSES, LOSS_BUILDERS),
        ("optimizer", OPTIMIZERS, OPTIMIZER_BUILDERS),
    ):
        in_cpp = {line.split()[1] for line in lines if line.split()[0] == what}
        assert in_cpp == set(built) == set(named)


def test_both_programs_take_the_same_flags(programs: dict[str, tuple[str, ...]]) -> None:
    python, cpp = (
        set(re.findall(r"(?m)^ +(?:-h, )?(--[a-z]+)", _output((*programs[language], "--help"))))
        for language in LANGUAGES
    )
    # Python reaches Callgrind through an extension, and its kinds are open to import.
    assert python - {"--extension"} == cpp - {"--kinds"}


def test_both_programs_know_the_same_tools(programs: dict[str, tuple[str, ...]]) -> None:
    tools = _output((*programs["c++"], "--help")).splitlines()[-1].removeprefix("tools: ").split(", ")
    assert tools == sorted(REGIONS)


@pytest.mark.parametrize("tool", TOOLS)
def test_reports_have_the_same_keys(runs: Runs, tool: str) -> None:
    python, cpp = (_json(folder / "report.json") for folder in runs[tool])
    assert python["versions"].pop("python")
    assert cpp["versions"].pop("compiler")
    assert cpp["build"].pop("type")
    assert "flags" in cpp["build"]
    del cpp["build"]["flags"]
    assert _keys(python) == _keys(cpp)
    for report, language in ((python, "python"), (cpp, "c++")):
        assert report["settings"].pop("language") == language
        assert len(report["step_ns"]) == STEPS
        assert min(report["step_ns"]) > 0
        assert len(report["losses"]) == WARMUP + STEPS
        assert report["versions"].pop("torch").split("+")[0] == torch.__version__.split("+")[0]
    same = ("threads", "affinity", "build", "settings", "versions")
    assert {key: python[key] for key in same} == {key: cpp[key] for key in same}


@pytest.mark.parametrize("tool", TOOLS)
def test_both_programs_compute_the_same(runs: Runs, tool: str) -> None:
    python, cpp = (torch.load(folder / "results.pt", weights_only=True) for folder in runs[tool])
    assert list(python["weights"]) == list(cpp["weights"])
    assert cpp["losses"].dtype == torch.float64
    torch.testing.assert_close(cpp, python, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("tool", TOOLS)
def test_both_programs_report_progress_in_the_same_lines(runs: Runs, tool: str) -> None:
    python, cpp = ((folder / "progress").read_text() for folder in runs[tool])
    assert python == cpp


@pytest.mark.parametrize("tool", TOOLS)
def test_both_artefacts_have_the_same_scopes_in_the_same_order(runs: Runs, tool: str) -> None:
    python, cpp = (_scopes(tool, folder / "artefact.json") for folder in runs[tool])
    assert python == cpp
    assert [name for name, _ in cpp if name.startswith("ProfilerStep#")] == [f"ProfilerStep#{k}" for k in range(STEPS)]


def test_wallclock_scopes_lie_within_the_scopes_around_them(runs: Runs) -> None:
    for folder in runs["wallclock"]:
        body = _json(folder / "artefact.json")
        assert body["format"] == "profkit-wallclock"
        around: list[tuple[int, int]] = []
        for depth, start, duration in zip(body["depth"], body["start_ns"], body["duration_ns"], strict=True):
            del around[depth:]
            if around:
                assert around[-1][0] <= start
                assert start + duration <= around[-1][1]
            around.append((start, start + duration))


@pytest.mark.parametrize(
    ("arguments", "message", "exit_code"),
    [
        (("--nonsense",), "unknown flag '--nonsense'; --help lists them", 2),
        (("--steps",), "--steps needs a value", 2),
        (("--steps", "many"), "--steps takes a whole number from 1, not 'many'", 2),
        (("--tool", "stopwatch"), "unknown tool 'stopwatch'; known: callgrind, none, torch, wallclock", 2),
        (("--steps", "1"), "--bundle is missing", 2),
        (("stray",), "unexpected word 'stray'; --help lists the flags", 2),
        (
            ("--bundle", "absent.pt", "--report", "report.json", "--steps", "1"),
            "cannot read absent.pt: No such file or directory",
            1,
        ),
    ],
)
def test_the_program_says_in_one_line_what_it_cannot_do(
    programs: dict[str, tuple[str, ...]], tmp_path: Path, arguments: tuple[str, ...], message: str, exit_code: int
) -> None:
    done = subprocess.run((*programs["c++"], *arguments), capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == f"profkit_run: {message}\n"
    assert done.returncode == exit_code


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "bundle of schema 99, this runner reads 1"),
        ({"loss": "hinge"}, "unknown loss 'hinge' in the bundle"),
        ({"hyperparameters": {"lr": 0.1, "warp": 1.0}}, "optimizer sgd has an unknown setting 'warp' in the bundle"),
        ({"weights": {}}, "the bundle has no weight 'conv1.weight'"),
        ({"layers": 3}, "not a bundle, or a damaged one"),
    ],
)
def test_the_program_refuses_a_bundle_that_it_does_not_know(
    programs: dict[str, tuple[str, ...]], bundle: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    torch.save(torch.load(bundle, weights_only=True) | change, tmp_path / "bundle.pt")
    arguments = ("--bundle", "bundle.pt", "--report", "report.json", "--steps", "1")
    done = subprocess.run((*programs["c++"], *arguments), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"{message}\n")
    assert not (tmp_path / "report.json").exists()


def _instructions(path: Path) -> list[tuple[str, int]]:
    """Label and instructions of every part of a Callgrind file, in order."""
    text = path.read_text(errors="replace")
    labels = re.findall(r"(?m)^desc: Trigger: (?:Client Request: )?(.*)$", text)
    return list(zip(labels, map(int, re.findall(r"(?m)^totals: (\d+)$", text)), strict=True))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_callgrind_parts_have_the_same_labels_in_both_languages(
    programs: dict[str, tuple[str, ...]], bundle: Path, libtorch_build: Path, tmp_path: Path
) -> None:
    parts = {}
    for language, more in (("python", ("--extension", str(libtorch_build / "profkit_callgrind.abi3.so"))), ("c++", ())):
        folder = tmp_path / language
        folder.mkdir()
        tool = (*CALLGRIND, f"--callgrind-out-file={folder / 'parts.out'}")
        _train((*tool, *programs[language]), bundle, folder, "callgrind", *more)
        parts[language] = _instructions(folder / "parts.out")
    python, cpp = parts.values()
    assert [label for label, _ in python] == [label for label, _ in cpp]
    for step in range(STEPS):
        for layer in ("conv1", "conv2", "linear1", "linear2", "loss"):
            for phase in ("forward", "backward"):
                costs = [
                    sum(cost for label, cost in part if label == f"step/{step} {phase} layer/{layer}")
                    for part in (python, cpp)
                ]
                assert min(costs) > 1000, (step, layer, phase)
    # What is counted after the region is next to nothing: no static destructors, no writing of files.
    for part in (python, cpp):
        assert part[-1][0] == "Program termination"
        assert part[-1][1] < 1000
