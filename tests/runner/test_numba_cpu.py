"""Numba's kernels on the host compute what PyTorch computes: outputs, losses, weights and the optimizer's state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.registry import find
from profkit.runner import numba_cpu, numba_support
from profkit.runner.engine import Choices, Engine, UnsupportedError
from profkit.runner.layers import build_layer
from profkit.runner.numba_cpu import convolution, elementwise, linear, losses, normalization, optimizers, pooling
from profkit.runner.numba_engine import ENGINE
from profkit.runner.scope import NO_SCOPES, Scopes
from profkit.runner.torch_engine import TorchEngine
from profkit.spec import Layer, Network, Workload

TOLERANCE = 1e-5
SGD = {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-2}
ADAM = {"lr": 1e-3, "beta1": 0.5, "beta2": 0.999, "weight_decay": 1e-2}


def bundle_of(network: Network, batch_size: int, masks: Mapping[str, torch.Tensor] | None = None) -> dict[str, Any]:
    """What an engine reads of a bundle, with torch's own initial weights."""
    torch.manual_seed(0)
    weights = {
        f"{layer.path}.{name}": tensor.detach().clone()
        for layer in network.layers
        if layer.kind != "add"
        for name, tensor in build_layer(layer.kind, layer.settings).state_dict().items()
    }
    return {
        "layers": [
            {"path": layer.path, "kind": layer.kind, "settings": dict(layer.settings), "inputs": list(layer.inputs)}
            for layer in network.layers
        ],
        "loss": network.loss,
        "target": network.target,
        "optimizer": network.optimizer,
        "hyperparameters": dict(network.hyperparameters),
        "weights": weights,
        "masks": dict(masks or {}),
        "seed": 0,
        "batch_size": batch_size,
        "train": {"images": torch.zeros(1, *network.input_shape, dtype=torch.uint8)},
    }


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference, relative to the larger of 1 and the value."""
    return float(((one.double() - other.double()).abs() / other.double().abs().clamp(min=1)).max())


def train_both(
    network: Network,
    sizes: Sequence[int],
    choices: Choices | None = None,
    masks: Mapping[str, torch.Tensor] | None = None,
) -> tuple[Engine, Engine]:
    """Train a step for each batch size with Numba and with PyTorch, and compare all that there is to compare."""
    choices = choices or Choices()
    bundle = bundle_of(network, max(sizes), masks)
    engines: tuple[Engine, Engine] = (
        ENGINE.make(bundle, choices),
        TorchEngine(bundle, Choices(masks=choices.masks)),
    )
    generator = torch.Generator().manual_seed(1)
    for size in sizes:
        inputs = torch.randn(size, *network.input_shape, generator=generator)
        labels = torch.randint(0, network.sizes()[-1].outputs[0], (size,), generator=generator)
        evaluated = [engine.to_host(engine.infer_step(engine.to_device(inputs), NO_SCOPES)) for engine in engines]
        assert distance(*evaluated) < TOLERANCE
        ours, theirs = (train_step(engine, network, inputs, labels) for engine in engines)
        assert ours[0] == pytest.approx(theirs[0], abs=TOLERANCE)
        assert distance(ours[1], theirs[1]) < TOLERANCE
    for ours, theirs in (
        (engines[0].weights(), engines[1].weights()),
        (engines[0].optimizer_state(), engines[1].optimizer_state()),
    ):
        assert ours.keys() == theirs.keys()
        assert all(ours[name].shape == theirs[name].shape for name in ours)
        assert {name: found for name in ours if (found := distance(ours[name], theirs[name])) > TOLERANCE} == {}
    return engines


def train_step(
    engine: Engine, network: Network, inputs: torch.Tensor, labels: torch.Tensor
) -> tuple[float, torch.Tensor]:
    on_device = engine.to_device(inputs)
    targets = on_device if network.target == "inputs" else engine.to_device(labels)
    outcome = engine.train_step(on_device, targets, NO_SCOPES)
    return float(outcome.loss), engine.to_host(outcome.outputs)


def classifier(shape: tuple[int, ...], *layers: Layer, optimizer: str = "sgd", **recipe: float) -> Network:
    """These layers behind a convolution that passes its gradient on, and before a linear layer of three classes."""
    first = Layer("first", "conv2d", conv_settings(shape[0], shape[0], 1))
    network = Network(shape, (first, *layers, Layer("flatten", "flatten")), "cross_entropy", optimizer, {})
    features = network.sizes()[-1].outputs[0]
    last = Layer("last", "linear", {"in_features": features, "out_features": 3, "bias": 1})
    hyperparameters = {**(SGD if optimizer == "sgd" else ADAM), **recipe}
    return Network(shape, (*network.layers, last), "cross_entropy", optimizer, hyperparameters)


def conv_settings(
    inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, bias: int = 1
) -> dict[str, int]:
    return {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": size,
        "stride": stride,
        "padding": padding,
        "bias": bias,
    }


def window(size: int, stride: int, padding: int) -> dict[str, int]:
    return {"kernel_size": size, "stride": stride, "padding": padding}


def mnist_cnn(**options: int) -> Network:
    return find("profkit.workloads", Workload, "mnist_cnn").network(options)


KINDS = {
    "relu": Layer("layer", "relu"),
    "tanh": Layer("layer", "tanh"),
    "max_pool2d": Layer("layer", "max_pool2d", window(2, 2, 0)),
    "max_pool2d that overlaps": Layer("layer", "max_pool2d", window(3, 2, 1)),
    "avg_pool2d": Layer("layer", "avg_pool2d", window(2, 2, 0)),
    "avg_pool2d that overlaps": Layer("layer", "avg_pool2d", window(3, 2, 1)),
    "adaptive_avg_pool2d": Layer("layer", "adaptive_avg_pool2d", {"output_size": 1}),
    "adaptive_avg_pool2d that overlaps": Layer("layer", "adaptive_avg_pool2d", {"output_size": 3}),
    "batch_norm2d": Layer("layer", "batch_norm2d", {"num_features": 2, "eps": 1e-5, "momentum": 0.1}),
    "zero_pad2d": Layer("layer", "zero_pad2d", {"left": 1, "right": 2, "top": 0, "bottom": 3}),
    "conv2d without bias": Layer("layer", "conv2d", conv_settings(2, 3, 3, bias=0)),
    "conv_transpose2d": Layer("layer", "conv_transpose2d", conv_settings(2, 3, 4, 2, 1)),
}
"""One layer of each kind, for images of 2 x 7 x 8."""


def shared_outputs() -> Network:
    """A residual block, whose input has two readers, one of them twice."""
    return classifier(
        (2, 5, 6),
        Layer("relu", "relu"),
        Layer("conv", "conv2d", conv_settings(2, 2, 3, padding=1)),
        Layer("twice", "add", {}, ("relu", "relu")),
        Layer("sum", "add", {}, ("conv", "twice")),
    )


def autoencoder(loss: str) -> Network:
    layers = (
        Layer("down", "conv2d", conv_settings(2, 3, 4, 2, 1)),
        Layer("up", "conv_transpose2d", conv_settings(3, 2, 4, 2, 1, bias=0)),
        Layer("tanh", "tanh"),
    )
    return Network((2, 8, 8), layers, loss, "adam", ADAM, target="inputs")


def test_every_layer_of_mnist_cnn_trains_as_in_pytorch() -> None:
    network = mnist_cnn()
    ours, _ = train_both(network, 20 * [64])
    before, after = bundle_of(network, 64)["weights"], ours.weights()
    assert [name for name in before if not (before[name] != after[name]).float().mean() > 0.5] == []


@pytest.mark.parametrize("layer", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_each_kind_trains_as_in_pytorch(layer: Layer, optimizer: str) -> None:
    train_both(classifier((2, 7, 8), layer, optimizer=optimizer), [4, 4, 3, 1])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    channels=st.tuples(st.integers(1, 9), st.integers(1, 18)),
    sides=st.tuples(st.integers(5, 12), st.integers(5, 20)),
    size=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    transpose=st.booleans(),
)
def test_convolutions_of_any_shape_train_as_in_pytorch(
    channels: tuple[int, int], sides: tuple[int, int], size: int, stride: int, padding: int, transpose: bool
) -> None:
    kind = "conv_transpose2d" if transpose else "conv2d"
    layer = Layer("layer", kind, conv_settings(*channels, size, stride, min(padding, size // 2)))
    train_both(classifier((channels[0], *sides), layer, lr=0.01), [3, 2])


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_an_autoencoder_trains_as_in_pytorch(loss: str) -> None:
    train_both(autoencoder(loss), [3, 3, 2])


def test_gradients_of_an_output_with_several_readers_add_up() -> None:
    train_both(shared_outputs(), [4, 4, 2])


def test_sgd_without_momentum_keeps_no_state() -> None:
    ours, _ = train_both(classifier((2, 5, 5), Layer("relu", "relu"), momentum=0.0), [2, 2])
    assert ours.optimizer_state() == {}


def test_dropout_from_masks_trains_as_in_pytorch() -> None:
    masks = {"drop": (torch.rand(3, 4, 2, 5, 5) < 0.5).to(torch.uint8)}
    train_both(classifier((2, 5, 5), Layer("drop", "dropout", {"p": 0.5})), [4, 4, 4, 3], Choices(masks=True), masks)


def test_dropout_without_masks_repeats_itself_after_the_start_of_an_epoch() -> None:
    network = classifier((2, 9, 9), Layer("drop", "dropout", {"p": 0.5}))
    bundle, outputs = bundle_of(network, 4), []
    engine = ENGINE.make(bundle, Choices())
    for epoch in (3, 3, 4):
        engine.restore(bundle["weights"], {})
        engine.start_epoch(epoch)
        outputs.append(train_step(engine, network, torch.ones(4, 2, 9, 9), torch.zeros(4, dtype=torch.int64))[1])
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_what_was_saved_goes_on_as_if_it_had_never_stopped() -> None:
    network = autoencoder("l2")
    inputs, labels = torch.randn(3, 2, 8, 8), torch.zeros(3, dtype=torch.int64)
    bundle = bundle_of(network, 3)
    one, other = (ENGINE.make(bundle, Choices()) for _ in range(2))
    for _ in range(2):
        train_step(one, network, inputs, labels)
    other.restore(one.weights(), one.optimizer_state())
    assert train_step(one, network, inputs, labels)[0] == train_step(other, network, inputs, labels)[0]
    assert all(torch.equal(tensor, other.weights()[name]) for name, tensor in one.weights().items())


def test_weights_of_another_network_are_refused() -> None:
    engine = ENGINE.make(bundle_of(autoencoder("l2"), 2), Choices())
    weights = engine.weights()
    with pytest.raises(ValueError, match=r"weights: down.bias is missing, the network has \(3,\)"):
        engine.restore({name: tensor for name, tensor in weights.items() if name != "down.bias"}, {})
    with pytest.raises(ValueError, match=r"optimizer state: down.bias/exp_avg is missing"):
        engine.restore(weights, {"down.weight/exp_avg": weights["down.weight"]})


def test_outputs_on_the_host_outlast_the_next_step() -> None:
    engine = ENGINE.make(bundle_of(shared_outputs(), 2), Choices())
    first = engine.to_host(engine.infer_step(engine.to_device(torch.ones(2, 2, 5, 6)), NO_SCOPES))
    kept = first.clone()
    engine.infer_step(engine.to_device(torch.zeros(2, 2, 5, 6)), NO_SCOPES)
    assert torch.equal(first, kept)


def test_a_loss_that_is_no_number_stays_none() -> None:
    network = mnist_cnn(filters1=1, filters2=1, hidden=2)
    engine = ENGINE.make(bundle_of(network, 2), Choices())
    loss, _ = train_step(engine, network, torch.full((2, 1, 28, 28), torch.nan), torch.zeros(2, dtype=torch.int64))
    assert math.isnan(loss)


class Listener(Scopes):
    """Scopes that are written down as paths."""

    layers = True

    def __init__(self) -> None:
        self.open: list[str] = []
        self.paths: list[str] = []

    def __call__(self, name: str, /) -> AbstractContextManager[object]:
        return self._scope(name)

    @contextmanager
    def _scope(self, name: str) -> Iterator[None]:
        self.open.append(name)
        self.paths.append(" > ".join(self.open))
        yield
        self.open.pop()


def test_operators_are_named_as_pytorchs_in_scopes_of_layers_and_phases() -> None:
    engine = ENGINE.make(bundle_of(mnist_cnn(filters1=1, filters2=1, hidden=2), 2), Choices())
    listener = Listener()
    engine.train_step(
        engine.to_device(torch.zeros(2, 1, 28, 28)), engine.to_device(torch.zeros(2, dtype=torch.int64)), listener
    )
    operators = [path.removeprefix("phase/") for path in listener.paths if "aten::" in path]
    assert operators == [
        "forward > layer/conv1 > aten::convolution",
        "forward > layer/relu1 > aten::relu",
        "forward > layer/pool1 > aten::max_pool2d_with_indices",
        "forward > layer/conv2 > aten::convolution",
        "forward > layer/relu2 > aten::relu",
        "forward > layer/pool2 > aten::max_pool2d_with_indices",
        "forward > layer/linear1 > aten::addmm",
        "forward > layer/relu3 > aten::relu",
        "forward > layer/linear2 > aten::addmm",
        "forward > layer/loss > aten::_log_softmax",
        "forward > layer/loss > aten::nll_loss_forward",
        "backward > layer/loss > aten::nll_loss_backward",
        "backward > layer/loss > aten::_log_softmax_backward_data",
        *2 * ["backward > layer/linear2 > aten::mm"],
        "backward > layer/linear2 > aten::sum",
        "backward > layer/relu3 > aten::threshold_backward",
        *2 * ["backward > layer/linear1 > aten::mm"],
        "backward > layer/linear1 > aten::sum",
        "backward > layer/pool2 > aten::max_pool2d_with_indices_backward",
        "backward > layer/relu2 > aten::threshold_backward",
        "backward > layer/conv2 > aten::convolution_backward",
        "backward > layer/pool1 > aten::max_pool2d_with_indices_backward",
        "backward > layer/relu1 > aten::threshold_backward",
        "backward > layer/conv1 > aten::convolution_backward",
        "optimizer > aten::_fused_sgd_",
    ]


def compiled() -> dict[str, int]:
    """How many versions of each kernel there are."""
    modules = (convolution, elementwise, linear, losses, normalization, optimizers, pooling)
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "signatures")
    }


@pytest.mark.parametrize(
    "network", [mnist_cnn(), shared_outputs(), autoencoder("l1")], ids=["mnist_cnn", "shared", "auto"]
)
def test_nothing_is_compiled_in_a_step(network: Network) -> None:
    engine = ENGINE.make(bundle_of(network, 3), Choices())
    assert engine.describe().compile_ns
    before = compiled()
    for size in (3, 1, 2):
        train_step(engine, network, torch.randn(size, *network.input_shape), torch.zeros(size, dtype=torch.int64))
        engine.infer_step(engine.to_device(torch.randn(size, *network.input_shape)), NO_SCOPES)
    assert compiled() == before


def test_an_engine_starts_from_the_bundles_weights() -> None:
    bundle = bundle_of(classifier((2, 7, 8), KINDS["batch_norm2d"]), 2)
    engine = ENGINE.make(bundle, Choices())
    assert all(torch.equal(tensor, bundle["weights"][name]) for name, tensor in engine.weights().items())
    assert engine.optimizer_state() == {}


def test_the_engine_says_what_computes() -> None:
    said = ENGINE.make(bundle_of(mnist_cnn(), 2), Choices()).describe()
    assert {"numba", "llvmlite", "numpy"} <= said.versions.keys()
    assert {"cpu_capability", "threading_layer", "flush_denormals"} <= said.settings.keys()


@pytest.mark.parametrize(
    ("change", "choices", "message"),
    [
        ({"layers": [{"path": "a", "kind": "lstm", "settings": {}, "inputs": []}]}, Choices(), "numba has no lstm"),
        ({"loss": "hinge"}, Choices(), "numba has no hinge"),
        ({"optimizer": "lion"}, Choices(), "numba has no lion"),
        ({}, Choices(device="mps"), "numba does not run on mps"),
        ({}, Choices(cudnn_benchmark=True), "numba has no cudnn_benchmark"),
    ],
)
def test_what_numba_lacks_is_named(change: dict[str, Any], choices: Choices, message: str) -> None:
    with pytest.raises(UnsupportedError, match=f"^{message}$"):
        ENGINE.make(bundle_of(mnist_cnn(), 2) | change, choices)


def test_the_lists_of_what_there_is_are_right() -> None:
    assert numba_cpu.KERNELS.keys() == numba_support.KINDS["cpu"]
    assert numba_cpu.LOSSES.keys() == numba_support.LOSSES
    assert numba_cpu.OPTIMIZERS.keys() == numba_support.OPTIMIZERS
