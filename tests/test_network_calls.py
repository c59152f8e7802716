"""The network as data as calls of operators: of every kind of layer, under the names of both engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from profkit.errors import UsageError
from profkit.layer_calls import LAYER_CALLS, LOSS_CALLS, NUMBA_CALLS
from profkit.layer_kinds import LAYER_KINDS
from profkit.network_calls import calls_of
from profkit.network_costs import NetworkCost, network_costs
from profkit.registry import discover
from profkit.run import Run
from profkit.runner.numba_operators import NAMES
from profkit.runner.numba_optimizers import adam, sgd
from profkit.spec import LOSSES, OPTIMIZERS, Layer, Network, Workload
from profkit.workloads.alexnet import ALEXNET
from profkit.workloads.resnet import RESNET18

WORKLOADS = discover("profkit.workloads", Workload)


def names_of(network: Network, *, numba: bool, training: bool = True) -> dict[tuple[str | None, str], list[str]]:
    """The operators of each layer and phase, each once, in the order in which they first run."""
    names: dict[tuple[str | None, str], dict[str, None]] = {}
    for call in calls_of(network, 2, training=training, numba=numba):
        names.setdefault((call.layer, call.phase), {})[call.operator] = None
    return {place: list(operators) for place, operators in names.items()}


def network_of(*layers: Layer, loss: str = "l2", optimizer: str = "sgd") -> Network:
    return Network((4, 6, 6), layers, loss, optimizer, OPTIMIZERS[optimizer], target="inputs")


def test_every_kind_of_layer_and_every_loss_has_its_calls() -> None:
    assert set(LAYER_CALLS) == set(LAYER_KINDS)
    assert set(LOSS_CALLS) == set(LOSSES)
    assert set(NUMBA_CALLS) <= {*LAYER_KINDS, *LOSSES}


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_calls_of_the_hand_written_kernels_have_the_names_of_their_scopes(name: str) -> None:
    network = WORKLOADS[name].network({})
    kinds: Mapping[str | None, str] = {**{layer.path: layer.kind for layer in network.layers}, "loss": network.loss}
    found = names_of(network, numba=True)
    fused = sgd(print, print) if network.optimizer == "sgd" else adam(print)
    assert found.pop((None, "optimizer")) == [fused.name]
    assert {phase for _, phase in found} == {"forward", "backward"}
    for (layer, phase), operators in found.items():
        expected = getattr(NAMES[kinds[layer]], phase)
        added = ["aten::add_"] if phase == "backward" and "aten::add_" in operators else []
        assert operators == [*dict.fromkeys(expected), *added], (layer, phase)


@pytest.mark.parametrize("kind", sorted({*LAYER_KINDS, *LOSSES} - set(NUMBA_CALLS) - {"flatten"}))
def test_torch_runs_the_operators_that_the_kernels_are_named_after(kind: str) -> None:
    settings = {
        "in_channels": 4, "out_channels": 4, "kernel_size": 2, "stride": 2, "padding": 0, "bias": 1,
        "in_features": 4, "out_features": 5, "left": 1, "right": 1, "top": 1, "bottom": 1,
    }  # fmt: skip
    first = Layer("first", "conv2d", settings)
    flat = Layer("flat", "flatten")
    middle = Layer("middle", kind, settings | ({"in_features": 36} if kind == "linear" else {}))
    if kind in LOSSES:
        network, place = network_of(first, flat, loss=kind), "loss"
    else:
        network, place = network_of(first, *([flat] if kind == "linear" else []), middle), "middle"
    found = names_of(network, numba=False)
    assert found[place, "forward"] == list(NAMES[kind].forward)
    assert found[place, "backward"] == list(dict.fromkeys(NAMES[kind].backward))


def test_a_layer_before_every_weight_has_no_derivative_and_the_first_one_none_of_its_input() -> None:
    conv = {"in_channels": 4, "out_channels": 3, "kernel_size": 3, "bias": 0}
    network = network_of(Layer("relu", "relu"), Layer("one", "conv2d", conv), Layer("two", "tanh"))
    calls = {(call.layer, call.phase): call for call in calls_of(network, 2)}
    assert ("relu", "backward") not in calls
    assert calls["one", "backward"].inputs.values[-1] == (False, True, False)
    assert calls["two", "backward"].operator == "aten::tanh_backward"


def test_gradients_of_an_output_with_several_readers_are_added_where_the_later_one_is_made() -> None:
    calls = calls_of(RESNET18.network({}), 2)
    sums = [call for call in calls if call.phase == "backward" and call.operator == "aten::add_"]
    assert [call.layer for call in sums] == [
        f"layer{stage}.{block}.conv1" for stage in (4, 3, 2, 1) for block in (1, 0)
    ]
    assert sums[1].inputs.tensor(0).shape == (2, 256, 8, 8)


def test_an_output_that_nobody_reads_has_no_derivative() -> None:
    conv = {"in_channels": 4, "out_channels": 4, "kernel_size": 1, "bias": 1}
    network = network_of(
        Layer("main", "conv2d", conv), Layer("lost", "conv2d", conv), Layer("end", "relu", {}, ("main",))
    )
    assert {call.layer for call in calls_of(network, 1) if call.phase == "backward"} == {None, "loss", "end", "main"}


def test_inference_runs_forward_in_evaluation_mode_only() -> None:
    network = ALEXNET.network({})
    assert {call.phase for call in calls_of(network, 1, training=False)} == {"forward"}
    found = names_of(network, numba=False, training=False)
    assert ("classifier.0", "forward") not in found  # dropout
    assert (None, "backward") not in found


def cost(costs: list[NetworkCost], layer: str | None, phase: str) -> list[tuple[str, int, int]]:
    return [(one.operator, one.calls, one.flop) for one in costs if (one.layer, one.phase) == (layer, phase)]


def run_of(**changes: Any) -> Run:
    run = Run("callgrind", "mnist_cnn", {"filters1": 2}, "pytorch", batch_size=8, settings={"training": "true"})
    return replace(run, **changes)


def test_a_run_says_what_its_network_costs_a_step() -> None:
    costs = network_costs(run_of())
    assert costs is not None
    assert cost(costs, "conv1", "forward") == [("aten::convolution", 1, 2 * 8 * 2 * 26 * 26 * 9)]
    assert cost(costs, "linear2", "backward")[0] == ("aten::mm", 2, 2 * 2 * 8 * 128 * 10)
    assert {one.dtype for one in costs if one.operator == "aten::convolution"} == {"float32"}
    assert all(one.traffic_bytes is not None and one.traffic_bytes > 0 for one in costs)


def test_a_run_of_inference_and_one_of_the_kernels_are_told_apart() -> None:
    inference = network_costs(run_of(settings={"training": "false"}))
    assert inference is not None
    assert {one.phase for one in inference} == {"forward"}
    kernels = network_costs(run_of(implementation="numba"))
    assert kernels is not None
    assert [one.operator for one in kernels if one.phase == "optimizer"] == ["aten::_fused_sgd_"]


@pytest.mark.parametrize("change", [{"workload": None}, {"workload": "theirs"}, {"batch_size": None}], ids=str)
def test_of_a_program_of_which_no_network_is_known_nothing_is_said(change: dict[str, str | None]) -> None:
    assert network_costs(run_of(**change)) is None


def test_an_option_that_the_network_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="filters9"):
        network_costs(run_of(options={"filters9": 2}))
