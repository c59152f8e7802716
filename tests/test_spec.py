from __future__ import annotations

import numpy as np
import pytest
import torch

from profkit.errors import UsageError
from profkit.layer_kinds import LAYER_KINDS
from profkit.options import Value, parse_options
from profkit.registry import discover, find
from profkit.runner.layers import LAYER_BUILDERS, LOSS_BUILDERS, OPTIMIZER_BUILDERS
from profkit.runner.network import build_network
from profkit.spec import LOSSES, OPTIMIZERS, Network, Workload

Chosen = dict[str, Value]

PUBLISHED_MACS: list[tuple[str, Chosen, float]] = [
    ("mnist_cnn", {}, 240_544),
    ("convnet", {"padding": "seed", "layers": 3}, 4.394e6),
    ("convnet", {"padding": "seed", "layers": 4}, 8.007e6),
    ("convnet", {"padding": "seed", "layers": 5}, 15.38e6),
    ("convnet", {"padding": "seed", "layers": 6}, 34.26e6),
    ("resnet18", {}, 555.4e6),
    ("resnet34", {}, 1159.4e6),
    ("resnet18", {"stem": "imagenet", "extra_block": 1}, 55.9e6),
    ("resnet34", {"stem": "imagenet", "extra_block": 1}, 93.6e6),
    ("conv_autoencoder", {}, 249.6e6),
    ("alexnet", {}, 714.19e6),
]
PUBLISHED_PARAMETERS: list[tuple[str, Chosen, float]] = [
    ("convnet", {"layers": 3}, 24_458),
    ("convnet", {"layers": 4}, 99_210),
    ("convnet", {"layers": 5}, 396_170),
    ("convnet", {"layers": 6}, 1_579_914),
    ("conv_autoencoder", {}, 22.29e6),
    ("alexnet", {}, 61_100_840),
]
VARIANTS: list[tuple[str, Chosen]] = [
    *((name, {}) for name in discover("profkit.workloads", Workload)),
    ("mnist_cnn", {"filters1": 3, "filters2": 5, "hidden": 7}),
    ("mnist_cnn", {"kernel_size": 5}),
    *(
        ("convnet", {"kernel_size": size, "padding": padding})
        for size in (5, 8, 10, 15)
        for padding in ("same", "seed")
    ),
    ("convnet", {"layers": 6}),
    ("resnet18", {"stem": "imagenet", "extra_block": 1}),
    ("conv_autoencoder", {"nf": 4, "nz": 5, "size": 16}),
]


def network(name: str, options: Chosen) -> Network:
    return find("profkit.workloads", Workload, name).network(options)


@pytest.mark.parametrize(("name", "options", "macs"), PUBLISHED_MACS)
def test_multiply_adds_are_the_published_ones(name: str, options: Chosen, macs: float) -> None:
    digits = np.format_float_scientific(macs, trim="-").split("e")[0]
    assert network(name, options).macs == pytest.approx(macs, rel=0.6 * 10 ** -len(digits.replace(".", "")) * 10)


@pytest.mark.parametrize(("name", "options", "parameters"), PUBLISHED_PARAMETERS)
def test_parameters_are_the_published_ones(name: str, options: Chosen, parameters: float) -> None:
    assert network(name, options).parameters == pytest.approx(parameters, rel=0 if parameters % 10 else 3e-4)


def test_the_python_builder_knows_exactly_the_kinds_of_the_spec() -> None:
    assert set(LAYER_BUILDERS) == set(LAYER_KINDS)
    assert set(LOSS_BUILDERS) == set(LOSSES)
    assert set(OPTIMIZER_BUILDERS) == set(OPTIMIZERS)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_shapes_parameters_and_buffers_equal_those_of_the_modules(name: str, options: Chosen) -> None:
    spec = network(name, options)
    layers = [vars(layer) for layer in spec.layers]
    module = build_network(layers).eval()
    shapes: dict[int, tuple[int, ...]] = {}
    for index, stage in enumerate(module.layers):
        stage.register_forward_hook(
            lambda _module, _inputs, output, index=index: shapes.update({index: output.shape[1:]})
        )
    with torch.no_grad():
        module(torch.zeros(1, *spec.input_shape))
    assert [tuple(shapes[index]) for index in range(len(layers))] == [size.outputs for size in spec.sizes()]
    assert spec.parameters == sum(parameter.numel() for parameter in module.parameters())
    for layer, stage in zip(spec.layers, module.layers, strict=True):
        kind = LAYER_KINDS[layer.kind]
        promised = {**kind.parameter_shapes(layer.settings), **kind.buffer_shapes(layer.settings)}
        assert promised == {key: tuple(tensor.shape) for key, tensor in stage.state_dict().items()}, layer.path


def test_even_kernels_keep_the_size_of_the_image_by_padding_one_side_more() -> None:
    shapes = {size.layer.path: size.outputs for size in network("convnet", {"kernel_size": 8}).sizes()}
    assert shapes["pad1"] == (3, 39, 39)
    assert shapes["conv1"] == (16, 32, 32)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnist_cnn", {"kernel_size": 15}, "layer conv2 gets an input of 8x7x7, smaller than its kernel"),
        ("convnet", {"layers": 6, "kernel_size": 15, "padding": "seed"}, None),
        ("resnet18", {"stem": "imagenet"}, None),
    ],
)
def test_a_kernel_larger_than_the_image_names_the_layer(name: str, options: Chosen, message: str | None) -> None:
    if message is None:
        assert network(name, options).macs
        return
    with pytest.raises(UsageError, match=message):
        network(name, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter1": 4}, "unknown option of mnist_cnn 'filter1'"),
        ({"filters1": "x"}, "option filters1 is 'x'"),
        ({"filters1": "1.5"}, "option filters1 is '1.5'"),
        ({"filters1": 0}, "option filters1 is 0"),
        ({"optimizer": "sdg"}, "option optimizer is sdg"),
        ({"lr": "nan"}, "option lr is nan"),
        ({"lr": -1}, "option lr is -1"),
        ({"beta1": 0.5}, "unknown hyperparameter of sgd 'beta1'"),
        ({"loss": "l1"}, "loss l1 does not go with targets that are labels"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: Chosen, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        network("mnist_cnn", options)
    assert message in caught.value.message
    assert caught.value.hint


def test_a_misspelt_option_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        network("mnist_cnn", {"filter1": 4})
    assert "filters1" in caught.value.hint


def test_another_optimizer_keeps_the_rate_and_takes_its_own_defaults() -> None:
    recipe = network("convnet", {"optimizer": "sgd", "momentum": "0.5"})
    assert recipe.optimizer == "sgd"
    assert recipe.hyperparameters == {"lr": 1e-3, "momentum": 0.5, "weight_decay": 1e-3}
    assert network("mnist_cnn", {"lr": "0.5"}).hyperparameters == {"lr": 0.5, "momentum": 0.9, "weight_decay": 0}


def test_options_stand_alone_or_several_with_commas() -> None:
    assert parse_options(["stem=imagenet,extra_block=1"]) == {"stem": "imagenet", "extra_block": "1"}
    assert parse_options(["stem=imagenet", "toggle=a,b"]) == {"stem": "imagenet", "toggle": "a,b"}


@pytest.mark.parametrize("text", ["filters1", "filters1=", "=3", "lr=1,momentum="])
def test_an_option_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not name=value"):
        parse_options([text])
