"""What the tensors of a run tell of it: digests, statistics, changes and subnormal numbers, of tensors written here."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from profkit.bundle import Bundle
from profkit.evidence import Evidence
from profkit.observe_run import count_subnormal, inputs_of, observe, subnormals_of, training_of, work_of
from profkit.registry import find
from profkit.run import Run, decode
from profkit.spec import Workload
from tests.small_bundles import make_bundle, read_bundle

CONVOLUTION = {"in_channels": 1, "out_channels": 2, "kernel_size": 3, "stride": 1, "padding": 0, "bias": 1}
NORM = {"num_features": 2}


def layer(path: str, kind: str, settings: dict[str, int], *inputs: str) -> dict[str, object]:
    return {"path": path, "kind": kind, "settings": settings, "inputs": list(inputs)}


def test_subnormal_numbers_are_those_between_zero_and_the_smallest_normal_one() -> None:
    smallest = torch.finfo(torch.float32).tiny
    values = torch.tensor([0.0, -0.0, 1e-40, -1e-40, smallest, -smallest, smallest / 2, 1.0, math.inf, math.nan])
    assert count_subnormal(values) == 3
    assert count_subnormal(torch.tensor([1e-40, 1e-310], dtype=torch.float64)) == 1


def test_shares_are_of_all_numbers_and_the_worst_tensor_is_named() -> None:
    weights = {"conv1.weight": torch.ones(90), "conv1.bias": torch.full((10,), 1e-40), "bn.count": torch.tensor(3)}
    state = {"conv1.weight/exp_avg": torch.zeros(90), "conv1.weight/step": torch.tensor(1e-40)}
    found = subnormals_of(weights, state, {"relu1": (1, 4)})
    assert (found.weights, found.state, found.activations) == (0.1, 0.0, 0.25)
    assert found.worst == "weights conv1.bias"


def test_an_optimizer_that_keeps_nothing_has_no_share_and_no_subnormal_numbers_have_no_worst() -> None:
    found = subnormals_of({"a": torch.ones(2)}, {}, {"relu1": (0, 4)})
    assert found.state is None
    assert (found.weights, found.activations, found.worst) == (0.0, 0.0, "")


def test_inputs_are_told_by_their_bytes_and_their_statistics() -> None:
    inputs = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    found = inputs_of(inputs, {"size": "2"})
    assert found is not None
    assert found.sha256 == hashlib.sha256(inputs.numpy().tobytes()).hexdigest()
    assert (found.shape, found.dtype) == ((2, 2), "float32")
    assert (found.mean, found.minimum, found.maximum) == (2.0, 0.0, 5.0)
    assert found.deviation == pytest.approx(math.sqrt(3.5))
    flipped = inputs_of(inputs.flip(0), {})
    assert flipped is not None
    assert flipped.sha256 != found.sha256


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out_so_that_the_run_can_be_read_back(value: float) -> None:
    assert inputs_of(torch.tensor([[0.0, value]]), {}) is None
    before = {"conv.weight": torch.ones(4), "conv.bias": torch.ones(2)}
    layers = [layer("conv", "conv2d", CONVOLUTION)]
    training = training_of(layers, before, {**before, "conv.weight": torch.full((4,), value)})
    assert training is not None
    assert (training.changes, training.frozen) == ({"conv.bias": 0.0}, ("conv.bias",))
    run = Run(tool="torch", evidence=Evidence(training=training))
    assert decode(msgspec.json.encode(run), Run, "run.json") == run
    assert training_of(layers, before, {name: torch.full_like(old, value) for name, old in before.items()}) is None


def test_a_change_is_relative_to_the_weight_and_what_does_not_change_is_frozen() -> None:
    before = {"conv.weight": torch.full((4,), 2.0), "conv.bias": torch.zeros(2)}
    after = {"conv.weight": torch.tensor([2.0, 2.0, 2.0, 3.0]), "conv.bias": torch.zeros(2)}
    found = training_of([layer("conv", "conv2d", CONVOLUTION)], before, after)
    assert found is not None
    assert found.changes == {"conv.weight": 0.25, "conv.bias": 0.0}
    assert found.frozen == ("conv.bias",)


@pytest.mark.parametrize(("reader", "without"), [((), True), (("conv",), True), (("input",), False)])
def test_a_bias_is_left_out_where_only_a_batch_norm_takes_what_it_adds_to(
    reader: tuple[str, ...], without: bool
) -> None:
    layers = [layer("conv", "conv2d", CONVOLUTION), layer("norm", "batch_norm2d", NORM, *reader)]
    names = ("conv.weight", "conv.bias", "norm.weight", "norm.bias")
    before = {name: torch.ones(2) for name in names}
    found = training_of(layers, before, {name: torch.full((2,), 2.0) for name in names})
    assert found is not None
    assert ("conv.bias" not in found.changes) == without
    assert {"conv.weight", "norm.bias"} <= set(found.changes)


def test_equal_networks_have_equal_digests_and_others_have_not() -> None:
    network = find("profkit.workloads", Workload, "mnist_cnn").network({})
    work = work_of(network)
    assert (work.parameters, work.layers, work.macs) == (network.parameters, len(network.layers), network.macs)
    assert work_of(replace(network, hyperparameters={"lr": 9.0})).network == work.network
    assert work_of(replace(network, layers=network.layers[:-1])).network != work.network


def test_subnormal_weights_are_seen_in_activations_too(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.pt")
    body = read_bundle(bundle)
    weights = {name: tensor * 0 for name, tensor in body["weights"].items()}
    weights["conv1.bias"] = torch.full_like(weights["conv1.bias"], 1e-40)
    torch.save({"inputs": torch.ones(4, 1, 28, 28)}, tmp_path / "inputs.pt")
    torch.save(weights, tmp_path / "weights.pt")
    torch.save({}, tmp_path / "state.pt")
    found = observe(tmp_path, Bundle(bundle, "", tmp_path, 0), "infer", synthetic=True)
    assert found.training is None
    assert found.subnormals.weights == pytest.approx(2 / sum(tensor.numel() for tensor in weights.values()))
    assert found.subnormals.activations
    assert found.subnormals.worst in ("weights conv1.bias", "activations conv1")
    assert found.inputs is not None
    assert found.inputs.preparation == {
        "order": "of the files",
        "scaling": "mean 0.1307, deviation 0.3081",
        "augmentation": "none",
        "size": "1x28x28",
        "data": "synthetic",
    }
