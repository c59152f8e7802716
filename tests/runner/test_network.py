from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from profkit.errors import InputError, UsageError
from profkit.runner.network import build_network
from profkit.workloads.resnet import RESNET18
from tests.small_bundles import make_bundle, read_bundle


def layer(path: str, kind: str, *inputs: str, **settings: float) -> dict[str, object]:
    return {"path": path, "kind": kind, "settings": settings, "inputs": list(inputs)}


def block(stage: nn.ModuleDict, value: torch.Tensor, stride: int) -> torch.Tensor:
    """A basic block as textbooks write it."""
    outputs = functional.relu(stage["bn1"](stage["conv1"](value)))
    outputs = stage["bn2"](stage["conv2"](outputs))
    around = stage["shortcut1"](stage["shortcut0"](value)) if "shortcut0" in stage else value
    return functional.relu(outputs + around)


def test_a_residual_network_computes_what_the_textbook_computes() -> None:
    torch.manual_seed(0)
    layers = [vars(each) for each in RESNET18.network({}).layers]
    network = build_network(layers)
    modules = dict(zip((each["path"] for each in layers), network.layers, strict=True))
    value = inputs = torch.randn(2, 3, 32, 32)
    value = functional.relu(modules["bn1"](modules["conv1"](value)))
    for stage in range(1, 5):
        for number in range(2):
            prefix = f"layer{stage}.{number}."
            parts = {
                path.removeprefix(prefix).replace(".", ""): module
                for path, module in modules.items()
                if path.startswith(prefix)
            }
            value = block(nn.ModuleDict(parts), value, 1)
    expected = modules["linear"](functional.avg_pool2d(value, 4).flatten(1))
    for module in modules.values():  # the statistics of batch norm have moved
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    assert torch.equal(network(inputs), expected)


def test_the_input_itself_may_be_taken_again() -> None:
    network = build_network([layer("relu", "relu"), layer("sum", "add", "relu", "input")])
    value = torch.tensor([[-1.0, 2.0]])
    assert network(value).tolist() == [[-1.0, 4.0]]


def test_an_output_is_released_after_its_last_use() -> None:
    network = build_network(
        [layer("one", "tanh"), layer("two", "tanh"), layer("sum", "add", "two", "one"), layer("last", "tanh")]
    )
    alive: list[bool] = []
    outputs: list[weakref.ref[torch.Tensor]] = []
    network.layers[0].register_forward_hook(lambda _module, _inputs, output: outputs.append(weakref.ref(output)))
    network.layers[3].register_forward_hook(lambda *_: alive.append(outputs[0]() is not None))
    with torch.no_grad():
        network(torch.ones(1, 4))
    assert alive == [False]


def test_weights_carry_the_paths_of_their_layers() -> None:
    network = build_network([vars(each) for each in RESNET18.network({}).layers])
    names = list(network.weights())
    assert names[0] == "conv1.weight"
    assert "layer2.0.shortcut.1.running_mean" in names
    assert len(names) == len(network.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv9.weight": torch.zeros(1)}, "no layer has a weight 'conv9.weight'"),
        ({"conv1.weight": torch.zeros(1)}, r"weight 'conv1.weight' has shape \(1,\) in place of \(2, 1, 3, 3\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, torch.Tensor], message: str) -> None:
    weights = read_bundle(make_bundle(tmp_path / "bundle.pt"))["weights"]
    torch.save({**weights, **change}, tmp_path / "weights.pt")
    with pytest.raises(UsageError, match=message):
        make_bundle(tmp_path / "other.pt", weights=tmp_path / "weights.pt")


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_text("no weights")
    with pytest.raises(InputError, match="is no state_dict"):
        make_bundle(tmp_path / "bundle.pt", weights=tmp_path / "weights.pt")


def test_weights_of_a_file_are_the_ones_that_a_run_begins_with(tmp_path: Path) -> None:
    first = read_bundle(make_bundle(tmp_path / "one.pt", seed=1))["weights"]
    torch.save(first, tmp_path / "weights.pt")
    second = read_bundle(make_bundle(tmp_path / "two.pt", seed=2, weights=tmp_path / "weights.pt"))["weights"]
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_autoencoder_begins_with_small_normal_weights(tmp_path: Path) -> None:
    weights = read_bundle(make_bundle(tmp_path / "bundle.pt", "conv_autoencoder", options={"nf": 16}))["weights"]
    assert float(weights["encoder.conv3.weight"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(weights["encoder.bn3.weight"].mean()) == pytest.approx(1, abs=0.02)
    assert not weights["encoder.bn3.bias"].any()
