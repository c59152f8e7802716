from __future__ import annotations

import pytest
import torch

from profkit.errors import UsageError
from profkit.runner.layers import LAYER_BUILDERS, LOSS_BUILDERS, OPTIMIZER_BUILDERS, build_layer
from profkit.spec import LAYER_KINDS, LOSSES, OPTIMIZERS, Workload, parse_options


def test_mnist_cnn_has_the_published_multiply_adds(mnist_cnn: Workload) -> None:
    assert mnist_cnn.network({}).macs == 240_544


def test_the_python_builder_knows_exactly_the_kinds_of_the_spec() -> None:
    assert set(LAYER_BUILDERS) == set(LAYER_KINDS)
    assert set(LOSS_BUILDERS) == set(LOSSES)
    assert set(OPTIMIZER_BUILDERS) == set(OPTIMIZERS)


@pytest.mark.parametrize("options", [{}, {"filters1": 3, "filters2": 5, "hidden": 7}, {"kernel_size": 5}])
def test_shapes_and_parameters_equal_those_of_the_modules(mnist_cnn: Workload, options: dict[str, int]) -> None:
    network = mnist_cnn.network(options)
    output, parameters = torch.zeros(2, *network.input_shape), 0
    for layer, shape in zip(network.layers, network.shapes(), strict=True):
        module = build_layer(layer.kind, layer.settings)
        output = module(output)
        parameters += sum(parameter.numel() for parameter in module.parameters())
        assert tuple(output.shape) == (2, *shape), layer.path
    assert parameters == network.parameters


def test_a_kernel_larger_than_the_image_names_the_layer(mnist_cnn: Workload) -> None:
    with pytest.raises(UsageError, match="layer conv2 gets an input of 8x7x7, smaller than its kernel"):
        mnist_cnn.network({"kernel_size": 15})


def test_an_unknown_option_is_answered_with_the_nearest_one(mnist_cnn: Workload) -> None:
    with pytest.raises(UsageError, match="unknown option of mnist_cnn 'filter1'") as caught:
        mnist_cnn.network({"filter1": 4})
    assert "filters1" in caught.value.hint


@pytest.mark.parametrize("text", ["filters1", "filters1=", "filters1=x", "filters1=1.5"])
def test_an_option_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not name=value"):
        parse_options([text])
