"""Both programs, in processes of their own, on small bundles of every workload, against a plain loop in PyTorch."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from profkit.options import Value
from profkit.registry import find
from profkit.runner.batches import Batches
from profkit.runner.layers import LOSS_BUILDERS, OPTIMIZER_BUILDERS
from profkit.runner.network import build_network
from tests.small_bundles import SMALL, make_bundle, read_bundle

LANGUAGES = ("python", "c++")
BOTH = pytest.mark.parametrize("language", LANGUAGES)
PHASES = {"data", "host_to_device", "forward", "backward", "optimizer"}


Programs = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    """From a language to the program; the one in C++ is built when it is first asked for."""

    def program(language: str) -> list[str]:
        if language == "python":
            return [sys.executable, "-m", "profkit.runner"]
        return [str(request.getfixturevalue("libtorch_build") / "profkit_run")]

    return program


def run(program: list[str], bundle: Path, folder: Path, *flags: object) -> dict[str, Any]:
    """Run in `folder`; returns the report, with the results under `results`."""
    done = start(program, bundle, folder, *flags)
    assert done.returncode == 0, done.stderr
    results = torch.load(folder / "results.pt", weights_only=True)
    return {**json.loads((folder / "report.json").read_text()), "results": results}


def start(
    program: list[str], bundle: Path, folder: Path, *flags: object, memory: int | None = None
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    files = ("--bundle", bundle, "--report", folder / "report.json", "--results", folder / "results.pt")
    return subprocess.run(
        [*program, *map(str, files), *map(str, flags)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None,
    )


def plain_training(path: Path, steps: int) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses and weights of a plain training loop; dropout by the bundle's masks."""
    torch.set_num_threads(1)
    bundle = read_bundle(path)
    network = build_network(bundle["layers"], bundle["masks"])
    network.load_weights(bundle["weights"])
    loss_of = LOSS_BUILDERS[bundle["loss"]]()
    optimizer = OPTIMIZER_BUILDERS[bundle["optimizer"]](network.parameters(), bundle["hyperparameters"])
    batches = Batches(bundle, "train", in_order=False)
    losses = []
    for step in range(steps):
        inputs, labels = batches.make(step)
        optimizer.zero_grad()
        loss = loss_of(network(inputs), inputs if bundle["target"] == "inputs" else labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, network.weights()


def assert_weights_close(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], *, rtol: float, atol: float
) -> None:
    """Every weight is as expected, each in its place."""
    assert list(found) == list(expected)
    for key, weight in expected.items():
        # A bias ahead of a batch norm has no gradient but rounding, for the norm takes any constant out again; and
        # Adam, whose steps do not shrink with the gradient, makes much of it. torch::optim::Adam rounds unlike
        # Python's, so these biases, and the means that follow them, differ by far more than all the others.
        constant = re.fullmatch(r"conv(\d)\.bias|norm(\d)\.running_mean", key)
        loose = constant and f"norm{constant[1] or constant[2]}.weight" in expected
        torch.testing.assert_close(found[key], weight, rtol=0 if loose else rtol, atol=1e-4 if loose else atol)


@BOTH
@pytest.mark.parametrize("name", SMALL)
def test_training_does_what_a_plain_loop_does(programs: Programs, tmp_path: Path, language: str, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", name)
    report = run(programs(language), bundle, tmp_path, "--steps", 3, "--masks")
    losses, weights = plain_training(bundle, 3)
    assert report["losses"] == pytest.approx(losses, rel=1e-6)
    assert report["results"]["losses"].tolist() == report["losses"]
    assert_weights_close(report["results"]["weights"], weights, rtol=1e-5, atol=1e-6)
    expected = read_bundle(bundle)["expected_output"]
    torch.testing.assert_close(report["results"]["output"].double(), expected, rtol=1e-5, atol=1e-5)


RECIPES: list[tuple[str, dict[str, Value]]] = [
    ("mnist_cnn", {"optimizer": "adam", "lr": 0.01, "beta1": 0.8, "weight_decay": 0.1}),
    ("convnet", {"optimizer": "sgd", "lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "kernel_size": 5}),
    ("conv_autoencoder", {"loss": "l2"}),
]


@BOTH
@pytest.mark.parametrize(("name", "options"), RECIPES)
def test_every_recipe_trains_alike(
    programs: Programs, tmp_path: Path, language: str, name: str, options: dict[str, Value]
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", name, options=options)
    report = run(programs(language), bundle, tmp_path, "--steps", 3)
    losses, weights = plain_training(bundle, 3)
    assert report["losses"] == pytest.approx(losses, rel=1e-6)
    assert_weights_close(report["results"]["weights"], weights, rtol=1e-5, atol=1e-6)


@BOTH
def test_every_epoch_is_counted_whole(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", epochs=2)
    report = run(programs(language), bundle, tmp_path, "--epochs", 2, "--warmup", 2)
    losses, weights = plain_training(bundle, 6)
    assert report["losses"] == pytest.approx(losses, rel=1e-6)  # the warm-up left no trace
    assert report["samples"] == 2 * [4, 4, 2]
    assert set(report["phase_ns"]) == PHASES
    assert all(len(times) == 6 for times in report["phase_ns"].values())
    for index, epoch in enumerate(report["epochs"]):
        steps = slice(3 * index, 3 * index + 3)
        assert (epoch["epoch"], epoch["samples"]) == (index, 10)
        assert epoch["epoch_ns"] == sum(report["step_ns"][steps])
        for phase, times in report["phase_ns"].items():
            assert epoch[f"{phase}_ns"] == sum(times[steps])
        weighted = sum(n * loss for n, loss in zip((4, 4, 2), losses[steps], strict=True)) / 10
        assert epoch["train_loss"] == pytest.approx(weighted, rel=1e-6)
        assert round(10 * epoch["train_accuracy"], 6) in range(11)
        assert epoch["test_l1"] is epoch["test_l2"] is None
    loss, accuracy = plain_test(bundle, weights)
    assert report["epochs"][-1]["test_loss"] == pytest.approx(loss, rel=1e-5)
    assert report["epochs"][-1]["test_accuracy"] == pytest.approx(accuracy)


def plain_test(path: Path, weights: dict[str, torch.Tensor]) -> tuple[float, float]:
    """Loss and accuracy of all test images at once."""
    bundle = read_bundle(path)
    network = build_network(bundle["layers"])
    network.load_weights(weights)
    network.eval()
    batches = Batches(bundle, "test", in_order=True)
    every = [batches.make(index) for index in range(len(batches))]
    inputs, labels = torch.cat([batch[0] for batch in every]), torch.cat([batch[1] for batch in every])
    with torch.no_grad():
        outputs = network(inputs)
    accuracy = (outputs.argmax(1) == labels).double().mean().item()
    return functional.cross_entropy(outputs, labels).item(), accuracy


@BOTH
def test_phases_add_up_to_nearly_the_step(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", train=256, batch_size=64)
    report = run(programs(language), bundle, tmp_path, "--warmup", 2, "--steps", 10)
    total = sum(sum(times) for times in report["phase_ns"].values())
    assert 0.9 * sum(report["step_ns"]) < total <= sum(report["step_ns"])
    assert sum(report["phase_ns"]["host_to_device"]) == 0
    assert min(report["phase_ns"]["backward"]) > 0


@BOTH
def test_an_autoencoder_is_tested_by_its_differences_and_shows_reconstructions(
    programs: Programs, tmp_path: Path, language: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", "conv_autoencoder", epochs=1)
    report = run(programs(language), bundle, tmp_path, "--epochs", 1)
    epoch = report["epochs"][0]
    assert epoch["train_accuracy"] is epoch["test_accuracy"] is None
    reconstruction = report["results"]["reconstruction"]
    inputs = torch.cat([Batches(read_bundle(bundle), "test", in_order=True).make(index)[0] for index in range(2)])
    first = inputs[: len(reconstruction)]
    assert reconstruction.shape == first.shape
    assert epoch["test_l1"] == pytest.approx(functional.l1_loss(reconstruction, first).item(), rel=0.2)
    assert epoch["test_l2"] > 0


@BOTH
def test_inference_goes_through_the_test_images_without_training(
    programs: Programs, tmp_path: Path, language: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", epochs=1)
    report = run(programs(language), bundle, tmp_path, "--mode", "infer", "--epochs", 2)
    assert report["samples"] == 2 * [4, 2]
    assert report["losses"] == []
    assert report["epochs"][0]["train_loss"] is None
    weights = read_bundle(bundle)["weights"]
    assert all(torch.equal(report["results"]["weights"][key], weight) for key, weight in weights.items())
    assert report["epochs"][0]["test_loss"] == pytest.approx(plain_test(bundle, weights)[0], rel=1e-5)
    assert sum(report["phase_ns"]["backward"]) == 0


@BOTH
def test_batches_made_ahead_change_nothing_but_the_time(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", "resnet18", epochs=2)
    without = run(programs(language), bundle, tmp_path / "0", "--epochs", 2)
    ahead = run(programs(language), bundle, tmp_path / "2", "--epochs", 2, "--workers", 2)
    assert ahead["losses"] == without["losses"]
    assert ahead["settings"]["workers"] == "2"


@pytest.mark.parametrize(
    ("first", "second"), [("python", "python"), ("c++", "c++"), ("python", "c++"), ("c++", "python")]
)
@pytest.mark.parametrize("name", ["mnist_cnn", "convnet"])
def test_training_goes_on_from_a_checkpoint_of_either_language(
    programs: Programs, tmp_path: Path, name: str, first: str, second: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", name, epochs=3)
    whole = run(programs(second), bundle, tmp_path / "whole", "--epochs", 3)
    checkpoint = tmp_path / "checkpoint.pt"
    run(programs(first), bundle, tmp_path / "first", "--epochs", 1, "--checkpoint", checkpoint)
    rest = run(
        programs(second), bundle, tmp_path / "rest", "--epochs", 3, "--resume", checkpoint, "--checkpoint", checkpoint
    )
    assert [epoch["epoch"] for epoch in rest["epochs"]] == [0, 1, 2]
    assert rest["losses"] == pytest.approx(whole["losses"][-len(rest["losses"]) :], rel=1e-6)
    assert_weights_close(rest["results"]["weights"], whole["results"]["weights"], rtol=1e-6, atol=1e-7)
    assert torch.load(checkpoint, weights_only=True)["epoch"] == 3


@BOTH
def test_a_checkpoint_that_does_not_fit_is_refused(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", epochs=2)
    other = make_bundle(tmp_path / "other.pt", options={"hidden": 9}, epochs=2)
    checkpoint = tmp_path / "checkpoint.pt"
    run(programs(language), other, tmp_path / "a", "--epochs", 1, "--checkpoint", checkpoint)
    done = start(programs(language), bundle, tmp_path / "b", "--epochs", 2, "--resume", checkpoint)
    assert done.returncode == 1
    assert "linear1.weight" in failure(tmp_path / "b")["failure"]
    done = start(programs(language), other, tmp_path / "c", "--epochs", 1, "--resume", checkpoint)
    assert "has 1 epochs done, and 1 are asked for" in failure(tmp_path / "c")["failure"]


def failure(folder: Path) -> dict[str, str]:
    return json.loads((folder / "report.json").read_text())


@BOTH
def test_a_loss_that_is_no_number_stops_the_run(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", options={"lr": 1e30})
    done = start(programs(language), bundle, tmp_path, "--steps", 9)
    said = failure(tmp_path)
    assert done.returncode == 10
    assert said["kind"] == "nan"
    assert said["failure"].startswith("loss is ")
    assert "at step" in said["failure"]
    assert said["failure"].endswith("(epoch 0)")
    assert done.stderr.count("\n") == 1


@BOTH
def test_weights_that_the_last_step_broke_leave_no_test_loss(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", options={"lr": 1e30}, train=4, epochs=1)
    report = run(programs(language), bundle, tmp_path, "--epochs", 1)
    assert report["epochs"][0]["train_loss"] > 0
    assert report["epochs"][0]["test_loss"] is None


@BOTH
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    done = start(programs(language), bundle, tmp_path, "--steps", 1, "--device", "cuda")
    assert done.returncode == 12
    assert failure(tmp_path)["kind"] == "unsupported"


@BOTH
def test_running_out_of_memory_is_told_from_other_failures(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt", "convnet", train=4096, batch_size=4096)
    done = start(programs(language), bundle, tmp_path, "--steps", 1, memory=1 << 30)
    assert done.returncode == 11, done.stderr
    assert failure(tmp_path)["kind"] == "memory"


@BOTH
@pytest.mark.parametrize("name", ["mnist_cnn", "convnet"])
def test_a_program_reads_the_files_itself(programs: Programs, tmp_path: Path, language: str, name: str) -> None:
    from profkit.datasets import Dataset
    from profkit.prepare import Task, prepare
    from profkit.spec import Workload

    workload = find("profkit.workloads", Workload, name)
    bundle = prepare(Task(workload, 8, SMALL[name], subset=100))
    report = run(programs(language), bundle.path, tmp_path, "--steps", 1, "--data", bundle.data)
    assert report["load_ns"] > 0
    assert run(programs(language), bundle.path, tmp_path, "--steps", 1)["load_ns"] is None
    other = tmp_path / "other"
    other.mkdir()
    shape = workload.network({}).input_shape
    find("profkit.datasets", Dataset, workload.dataset).write_synthetic(other, 200, 9, shape)
    done = start(programs(language), bundle.path, tmp_path, "--steps", 1, "--data", other)
    assert done.returncode == 1
    assert "are not those of the bundle" in done.stderr


@BOTH
def test_memory_and_settings_are_told(programs: Programs, tmp_path: Path, language: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    flags = ("--deterministic", "--cudnn-benchmark", "--flush-denormals")
    report = run(programs(language), bundle, tmp_path, "--steps", 1, *flags)
    memory = report["memory"]
    assert 50e6 < memory["rss_bytes"] <= memory["peak_rss_bytes"]
    assert memory["device_allocated_bytes"] is None
    for name in ("deterministic", "cudnn_benchmark", "flush_denormals"):
        assert report["settings"][name] == "true"
