"""A network as data runs the operators that torch runs: call by call on tensors without values, and in traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from profkit.costs import Inputs, Tensor
from profkit.loader import load_run
from profkit.network_calls import NetworkCall, calls_of
from profkit.network_costs import NetworkCost, costs_of, network_costs
from profkit.registry import find
from profkit.runner.layers import LOSS_BUILDERS, OPTIMIZER_BUILDERS
from profkit.runner.meta_calls import CallRecorder
from profkit.runner.network import build_network
from profkit.spec import Network, Workload

TRACES = Path(__file__).parents[2] / "traces"

NETWORKS: Mapping[str, tuple[str, Mapping[str, int | float | str]]] = {
    "mnist_cnn": ("mnist_cnn", {}),
    "mnist_cnn plain SGD": ("mnist_cnn", {"momentum": 0, "weight_decay": 0.1, "filters1": 3, "kernel_size": 4}),
    "mnist_cnn Adam": ("mnist_cnn", {"optimizer": "adam"}),
    "convnet": ("convnet", {}),
    "convnet of an even kernel": ("convnet", {"kernel_size": 8, "layers": 6}),
    "convnet padded as published": ("convnet", {"kernel_size": 10, "padding": "seed", "layers": 4}),
    "resnet18": ("resnet18", {}),
    "resnet18 of ImageNet": ("resnet18", {"stem": "imagenet", "extra_block": 1}),
    "resnet34": ("resnet34", {}),
    "conv_autoencoder": ("conv_autoencoder", {"nf": 8, "nz": 16}),
    "conv_autoencoder with L2": ("conv_autoencoder", {"loss": "l2", "optimizer": "sgd", "size": 16, "nf": 4}),
    "alexnet": ("alexnet", {"classes": 7}),
}
FREE = frozenset(
    f"aten::{name}" for name in ("t", "view", "expand", "detach", "empty", "empty_like", "_local_scalar_dense")
)
"""Views, memory without contents, and the reading of one number: not in the network as data."""


READS = ("aten::_local_scalar_dense",)
"""What takes a number out of a tensor: Adam asks for its count of the steps."""


def network_of(name: str) -> Network:
    workload, options = NETWORKS[name]
    return find("profkit.workloads", Workload, workload).network(options)


def recorded(network: Network, batch_size: int, *, training: bool) -> tuple[NetworkCall, ...]:
    """The calls of the network as profkit's runner builds it, in its second step."""
    layers = [vars(layer) for layer in network.layers]
    recorder = CallRecorder()
    with torch.device("meta"):
        module = build_network(layers).train(training)
        inputs = torch.empty(batch_size, *network.input_shape)
        labels = torch.empty(batch_size, dtype=torch.int64)
    if not training:
        watch(recorder, module, network)
        with torch.no_grad(), recorder:
            recorder.phase = "forward"
            module(inputs)
        return tuple(recorder.calls)
    loss = LOSS_BUILDERS[network.loss]()
    optimizer = OPTIMIZER_BUILDERS[network.optimizer](module.named_weights().values(), network.hyperparameters)
    targets = labels if network.target == "labels" else inputs
    loss(module(inputs), targets).backward()
    optimizer.step()
    optimizer.zero_grad()
    watch(recorder, module, network)
    recorder.watch(loss, "loss")
    with recorder:
        recorder.phase = "forward"
        value = loss(module(inputs), targets)
        recorder.phase = "backward"
        value.backward()
        recorder.phase = "optimizer"
        optimizer.step()
    return tuple(recorder.calls)


def watch(recorder: CallRecorder, module: torch.nn.Module, network: Network) -> None:
    for layer, part in zip(network.layers, module.get_submodule("layers").children(), strict=True):
        recorder.watch(part, layer.path)


def plain(calls: tuple[NetworkCall, ...]) -> Iterator[NetworkCall]:
    """Without what is free, and with the sum of two gradients as the engine takes it where nobody looks: in place."""
    for call in calls:
        if call.operator in FREE:
            continue
        in_place = call.phase == "backward" and call.operator == "aten::add"
        yield replace(call, operator="aten::add_" if in_place else call.operator, inputs=without_rates(call))


def without_rates(call: NetworkCall) -> Inputs:
    """The inputs without the last number of an update, which depends on the number of the step."""
    values = call.inputs.values
    of_update = call.phase == "optimizer" and not isinstance(values[-1], Tensor)
    return Inputs(values[:-1] if of_update else values)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_as_data_makes_the_calls_that_torch_makes(name: str, training: bool) -> None:
    network = network_of(name)
    ours, theirs = calls_of(network, 3, training=training), recorded(network, 3, training=training)
    assert Counter(map(repr, plain(ours))) == Counter(map(repr, plain(theirs)))


Totals = dict[tuple[str | None, str], list[int]]


def totals(calls: Iterable[NetworkCall]) -> Totals:
    """FLOP and bytes of each layer and phase that has any."""
    found: Totals = {}
    costs = costs_of(calls)
    assert not costs.uncosted
    for cost in costs.costs:
        assert cost.traffic_bytes is not None, cost
        add(found, (cost.layer, cost.phase), cost.flop, cost.traffic_bytes)
    return {place: sums for place, sums in found.items() if any(sums)}


def add(found: Totals, place: tuple[str | None, str], flop: int, traffic_bytes: int) -> None:
    sums = found.setdefault(place, [0, 0])
    sums[0] += flop
    sums[1] += traffic_bytes


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_totals_of_every_layer_and_phase_are_those_of_the_calls_of_torch(name: str, training: bool) -> None:
    """Views and the like among torch's calls add nothing, and every operator has a formula."""
    network = network_of(name)
    ours = totals(calls_of(network, 3, training=training))
    theirs = totals(call for call in recorded(network, 3, training=training) if call.operator not in READS)
    assert ours == theirs


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_of_the_forward_pass_are_those_that_follow_from_the_kinds_of_layers(name: str) -> None:
    network = network_of(name)
    costs = costs_of(calls_of(network, 5)).costs
    for size in network.sizes():
        forward = [cost for cost in costs if (cost.layer, cost.phase) == (size.layer.path, "forward")]
        assert sum(cost.macs for cost in forward) == 5 * size.macs
        if size.macs:
            assert [cost.flop for cost in forward] == [2 * 5 * size.macs]


ALEXNET_ALONE = {
    "features.0": "140.55 MFLOP 1.470 MB 95.63 FLOP/byte",
    "features.3": "447.90 MFLOP 1.976 MB 226.66 FLOP/byte",
    "features.6": "224.28 MFLOP 3.045 MB 73.65 FLOP/byte",
    "features.8": "299.04 MFLOP 3.973 MB 75.28 FLOP/byte",
    "features.10": "199.36 MFLOP 2.706 MB 73.66 FLOP/byte",
    "classifier.1": "75.50 MFLOP 151.065 MB 0.50 FLOP/byte",
    "classifier.4": "33.55 MFLOP 67.158 MB 0.50 FLOP/byte",
    "classifier.6": "8.19 MFLOP 16.408 MB 0.50 FLOP/byte",
}
ALEXNET_OF_32 = ("101.9", "570.6", "474.8", "550.5", "474.8", "15.8", "15.7", "15.4")


def alexnet(batch_size: int) -> dict[str | None, NetworkCost]:
    """The convolutions and linear layers of the forward pass."""
    costs = costs_of(calls_of(find("profkit.workloads", Workload, "alexnet").network({}), batch_size)).costs
    return {cost.layer: cost for cost in costs if cost.phase == "forward" and cost.macs}


def intensity(cost: NetworkCost) -> float:
    assert cost.traffic_bytes
    return cost.flop / cost.traffic_bytes


def test_alexnet_for_one_image_has_the_right_numbers_to_the_last_digit() -> None:
    assert {
        layer: f"{cost.flop / 1e6:.2f} MFLOP {(cost.traffic_bytes or 0) / 1e6:.3f} MB {intensity(cost):.2f} FLOP/byte"
        for layer, cost in alexnet(1).items()
    } == ALEXNET_ALONE


def test_alexnet_for_32_images_has_the_right_intensities() -> None:
    """They follow from what is printed: of classifier.4 1073.74 / 68.174 is below 15.75, and its intensity is not."""
    found = alexnet(32)
    assert list(found) == list(ALEXNET_ALONE)
    printed = [(round(cost.flop / 1e6, 2), round((cost.traffic_bytes or 0) / 1e6, 3)) for cost in found.values()]
    assert tuple(f"{flop / traffic:.1f}" for flop, traffic in printed) == ALEXNET_OF_32
    assert f"{intensity(found['classifier.4']):.5f}" == "15.75006"


@pytest.mark.parametrize("implementation", ["pytorch", "libtorch"])
def test_the_totals_of_a_recorded_network_are_those_of_the_network_as_data(implementation: str) -> None:
    """Of both languages, exactly: a step of the trace costs what the network as data says, layer by layer.

    FLOP are so for every network. Bytes are where a trace does not show the parts of an operator: padding is filled
    and then copied into, a mean is a sum and a division, and both move more than the one operator must.
    """
    profile = load_run(TRACES / "mnist_cnn" / implementation / "torch")
    steps, network = profile.run.steps, network_costs(profile.run)
    assert steps
    assert network is not None
    expected: Totals = {}
    for cost in network:
        assert cost.traffic_bytes is not None
        add(expected, (cost.layer, cost.phase), steps * cost.flop, steps * cost.traffic_bytes)
    found: Totals = {}
    for row in profile.operators.select(["layer", "phase", "flop", "traffic_bytes"]).to_pylist():
        if row["phase"] != "data":
            add(found, (row["layer"], row["phase"]), row["flop"] or 0, row["traffic_bytes"] or 0)
    assert {place: sums for place, sums in found.items() if any(sums)} == expected
