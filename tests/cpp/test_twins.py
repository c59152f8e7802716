"""The C++ program and the Python runner are twins: the same flags, the same work, the same scopes, the same report."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from profkit.layer_kinds import LAYER_KINDS
from profkit.recorders import Recorder
from profkit.registry import discover
from profkit.runner import BUNDLE_SCHEMA
from profkit.runner.layers import LAYER_BUILDERS, LOSS_BUILDERS, OPTIMIZER_BUILDERS
from profkit.runner.region import REGIONS
from profkit.spec import LOSSES, OPTIMIZERS
from tests.small_bundles import make_bundle, read_bundle

LANGUAGES = ("python", "c++")
BOTH = pytest.mark.parametrize("language", LANGUAGES)
CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--combine-dumps=yes")
WARMUP, STEPS = 1, 2


class Case(NamedTuple):
    """A run that both programs make."""

    name: str
    mode: str
    tool: str


CASES = (
    Case("mnist_cnn", "train", "wallclock"),
    Case("mnist_cnn", "train", "torch"),
    Case("mnist_cnn", "infer", "wallclock"),
    Case("resnet18", "train", "wallclock"),
    Case("resnet18", "train", "torch"),
    Case("resnet18", "infer", "torch"),
)
"""A chain of layers and a network with branches."""
EVERY = pytest.mark.parametrize("case", CASES, ids=" ".join)

Programs = dict[str, tuple[str, ...]]
Runs = dict[Case, tuple[Path, Path]]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: make_bundle(folder / f"{name}.pt", name) for name in dict.fromkeys(case.name for case in CASES)}


@pytest.fixture(scope="session")
def bundle(bundles: dict[str, Path]) -> Path:
    return bundles["mnist_cnn"]


@pytest.fixture(scope="session")
def programs(libtorch_build: Path) -> Programs:
    return {
        "python": (sys.executable, "-m", "profkit.runner"),
        "c++": (str(libtorch_build / "profkit_run"),),
    }


def _output(command: tuple[str, ...]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _run(program: tuple[str, ...], bundle: Path, folder: Path, tool: str, *more: str) -> None:
    """Run in `folder`, which then holds report.json, results.pt and artefact.json."""
    steps = ("--warmup", str(WARMUP), "--steps", str(STEPS), "--tool", tool, "--artefact", "artefact.json", *more)
    (folder / "bundle.pt").symlink_to(bundle)
    files = ("--bundle", "bundle.pt", "--report", "report.json", "--results", "results.pt", "--progress", "progress")
    subprocess.run((*program, *files, *steps), check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="session")
def runs(bundles: dict[str, Path], programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The folders of the Python and of the C++ run of each case."""
    folders = {case: (tmp_path_factory.mktemp("python"), tmp_path_factory.mktemp("cpp")) for case in CASES}
    for case, pair in folders.items():
        for language, folder in zip(LANGUAGES, pair, strict=True):
            _run(programs[language], bundles[case.name], folder, case.tool, "--mode", case.mode)
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


def test_both_builders_know_the_same_layers_losses_and_optimizers(programs: Programs) -> None:
    lines = _output((*programs["c++"], "--kinds")).splitlines()
    for what, named, built in (
        ("layer", LAYER_KINDS, LAYER_BUILDERS),
        ("loss", LOSSES, LOSS_BUILDERS),
        ("optimizer", OPTIMIZERS, OPTIMIZER_BUILDERS),
    ):
        in_cpp = {line.split()[1] for line in lines if line.split()[0] == what}
        assert in_cpp == set(built) == set(named)


def test_both_programs_take_the_same_flags(programs: Programs) -> None:
    python, cpp = (
        set(re.findall(r"(?m)^ +(?:-h, )?(--[a-z-]+)", _output((*programs[language], "--help"))))
        for language in LANGUAGES
    )
    # Python reaches Callgrind through an extension, asks for py-spy to be attached, computes by engines that C++ does
    # not have, and is the one to say what float64 would give; its kinds are open to import.
    only_python, only_cpp = {"--extension", "--control", "--engine", "--double"}, {"--kinds"}
    assert only_python <= python
    assert only_cpp <= cpp
    assert python - only_python == cpp - only_cpp


def test_both_programs_know_the_same_tools(programs: Programs) -> None:
    tools = _output((*programs["c++"], "--help")).splitlines()[-1].removeprefix("tools: ").split(", ")
    recorders = discover("profkit.recorders", Recorder).values()
    assert tools == sorted(set(REGIONS) - {recorder.name for recorder in recorders if "c++" in recorder.refuses})


@EVERY
def test_reports_have_the_same_keys(runs: Runs, case: Case) -> None:
    python, cpp = (_json(folder / "report.json") for folder in runs[case])
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
        assert len(report["losses"]) == (WARMUP + STEPS if case.mode == "train" else 0)
        assert report["versions"].pop("torch").split("+")[0] == torch.__version__.split("+")[0]
    same = ("mode", "samples", "phase_ns", "epochs", "load_ns", "threads", "affinity", "build", "settings", "versions")
    same += ("places", "synchronised", "other_tools", "options_checked", "headless", "directory")
    assert {key: python[key] for key in same} == {key: cpp[key] for key in same}


@BOTH
def test_every_settings_value_is_text(runs: Runs, language: str) -> None:
    for pair in runs.values():
        settings = _json(pair[LANGUAGES.index(language)] / "report.json")["settings"]
        assert all(isinstance(value, str) for value in settings.values())
        assert {settings["deterministic"], settings["flush_denormals"]} == {"false"}


def test_reports_of_epochs_have_the_same_keys_without_a_tool(programs: Programs, bundle: Path, tmp_path: Path) -> None:
    reports = []
    for language in LANGUAGES:
        course = ("--epochs", "1", "--threads", "2", "--masks", "--deterministic")
        command = (*programs[language], "--bundle", str(bundle), "--report", f"{language}.json", *course)
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        reports.append(_json(tmp_path / f"{language}.json"))
    python, cpp = reports
    assert [_keys(epoch) for epoch in python["epochs"]] == [_keys(epoch) for epoch in cpp["epochs"]]
    assert list(python["phase_ns"]) == list(cpp["phase_ns"])
    lengths = [{phase: len(times) for phase, times in report["phase_ns"].items()} for report in reports]
    assert lengths[0] == lengths[1]
    assert python["epochs"][0]["train_accuracy"] == cpp["epochs"][0]["train_accuracy"]
    assert python["epochs"][0]["test_loss"] == pytest.approx(cpp["epochs"][0]["test_loss"], rel=1e-6)
    assert python["threads"] == cpp["threads"] == 2
    assert python["settings"]["deterministic"] == cpp["settings"]["deterministic"] == "true"


@EVERY
def test_both_programs_compute_the_same(runs: Runs, case: Case) -> None:
    python, cpp = (torch.load(folder / "results.pt", weights_only=True) for folder in runs[case])
    assert list(python["weights"]) == list(cpp["weights"])
    assert cpp["losses"].dtype == torch.float64
    torch.testing.assert_close(cpp, python, rtol=1e-6, atol=1e-7)


@EVERY
def test_both_programs_report_progress_in_the_same_lines(runs: Runs, case: Case) -> None:
    python, cpp = ((folder / "progress").read_text() for folder in runs[case])
    assert python == cpp


@EVERY
def test_both_artefacts_have_the_same_scopes_in_the_same_order(runs: Runs, case: Case) -> None:
    python, cpp = (_scopes(case.tool, folder / "artefact.json") for folder in runs[case])
    assert python == cpp
    names = [name for name, _ in cpp]
    assert [name for name in names if name.startswith("ProfilerStep#")] == [f"ProfilerStep#{k}" for k in range(STEPS)]
    assert ("phase/backward" in names) == ("layer/loss" in names) == (case.mode == "train")
    paths = [layer["path"] for layer in read_bundle(runs[case][0] / "bundle.pt")["layers"]]
    expected = STEPS * [*paths, *(["loss"] if case.mode == "train" else [])]
    assert [name for name in names if name.startswith("layer/")] == [f"layer/{path}" for path in expected]


def test_wallclock_scopes_lie_within_the_scopes_around_them(runs: Runs) -> None:
    for folder in (folder for case, pair in runs.items() if case.tool == "wallclock" for folder in pair):
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
        (("--bundle", "b", "--report", "r"), "one of --steps and --epochs is needed", 2),
        (("--bundle", "b", "--report", "r", "--steps", "1", "--tool", "torch"), "--artefact is missing", 2),
    ],
)
def test_the_program_says_in_one_line_what_it_cannot_do(
    programs: Programs, tmp_path: Path, arguments: tuple[str, ...], message: str, exit_code: int
) -> None:
    done = subprocess.run((*programs["c++"], *arguments), capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == f"profkit_run: {message}\n"
    assert done.returncode == exit_code


def _fail(
    program: tuple[str, ...], folder: Path, *more: str, bundle: str = "bundle.pt"
) -> subprocess.CompletedProcess[str]:
    arguments = ("--bundle", bundle, "--report", "report.json", "--steps", "1", *more)
    return subprocess.run((*program, *arguments), capture_output=True, text=True, cwd=folder)


def _check_failure(done: subprocess.CompletedProcess[str], folder: Path, kind: str) -> str:
    """The message, after checking that it stands on one line of standard error and in the report."""
    assert done.returncode == {"unsupported": 12, "other": 1}[kind]
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    said = _json(folder / "report.json")
    assert set(said) == {"failure", "kind"}
    assert said["kind"] == kind
    assert done.stderr.partition(": ")[2] == f"{said['failure']}\n"
    return str(said["failure"])


UNKNOWN_LAYER = [{"path": "conv1", "kind": "fold", "settings": {}, "inputs": []}]


@BOTH
@pytest.mark.parametrize(
    ("change", "message", "kind"),
    [
        ({"schema": 99}, f"cannot read bundle.pt: bundle of schema 99, this runner reads {BUNDLE_SCHEMA}", "other"),
        ({"loss": "hinge"}, "unknown loss 'hinge' in the bundle", "unsupported"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion' in the bundle", "unsupported"),
        ({"layers": UNKNOWN_LAYER}, "unknown layer kind 'fold' in the bundle", "unsupported"),
        ({"weights": {}}, "no weight 'conv1.weight'", "other"),
        ({"hyperparameters": {"lr": 0.1, "warp": 1.0}}, "", "other"),
        ({"layers": 3}, "", "other"),
    ],
    ids=["schema", "loss", "optimizer", "layer kind", "weights", "hyperparameter", "damaged"],
)
def test_a_bundle_that_a_program_does_not_know_is_refused_on_one_line_and_in_the_report(
    programs: Programs, bundle: Path, tmp_path: Path, language: str, change: dict[str, Any], message: str, kind: str
) -> None:
    torch.save(read_bundle(bundle) | change, tmp_path / "bundle.pt")
    assert _check_failure(_fail(programs[language], tmp_path), tmp_path, kind).endswith(message)


@BOTH
@pytest.mark.parametrize(
    ("flags", "message", "kind"),
    [
        (("--progress", "nowhere/progress"), "nowhere", "other"),
        (("--tool", "wallclock", "--artefact", "nowhere/artefact"), "nowhere", "other"),
        (("--results", "nowhere/results.pt"), "nowhere", "other"),
        (("--evidence", "nowhere"), "nowhere", "other"),
        (("--checkpoint", "nowhere/checkpoint.pt"), "cannot write nowhere/checkpoint.pt", "other"),
        (("--resume", "absent.pt"), "cannot read absent.pt: No such file or directory", "other"),
        (("--data", "nowhere"), "No such file or directory", "other"),
        (("--device", "tpu"), "no device 'tpu'", "unsupported"),
    ],
    ids=["progress", "artefact", "results", "evidence", "checkpoint", "resume", "data", "device"],
)
def test_whatever_fails_after_the_flags_were_read_is_told_on_one_line_and_in_the_report(
    programs: Programs, bundle: Path, tmp_path: Path, language: str, flags: tuple[str, ...], message: str, kind: str
) -> None:
    done = _fail(programs[language], tmp_path, *flags, bundle=str(bundle))
    assert message in _check_failure(done, tmp_path, kind)


@BOTH
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read bundle.pt: No such file or directory"),
        (b"PK\x03\x04", "cannot read bundle.pt: not a bundle, or a damaged one"),
        (b"", "cannot read bundle.pt: not a bundle, or a damaged one"),
    ],
    ids=["absent", "damaged", "empty"],
)
def test_a_file_that_is_no_bundle_is_named(
    programs: Programs, tmp_path: Path, language: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "bundle.pt").write_bytes(content)
    assert _check_failure(_fail(programs[language], tmp_path), tmp_path, "other") == message


def _instructions(path: Path) -> list[tuple[str, int]]:
    """Label and instructions of every part of a Callgrind file, in order."""
    text = path.read_text(errors="replace")
    labels = re.findall(r"(?m)^desc: Trigger: (?:Client Request: )?(.*)$", text)
    return list(zip(labels, map(int, re.findall(r"(?m)^totals: (\d+)$", text)), strict=True))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_callgrind_parts_have_the_same_labels_in_both_languages(
    programs: Programs, bundle: Path, libtorch_build: Path, tmp_path: Path
) -> None:
    parts = {}
    for language, more in (("python", ("--extension", str(libtorch_build / "profkit_callgrind.abi3.so"))), ("c++", ())):
        folder = tmp_path / language
        folder.mkdir()
        tool = (*CALLGRIND, f"--callgrind-out-file={folder / 'parts.out'}")
        _run((*tool, *programs[language]), bundle, folder, "callgrind", *more)
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
