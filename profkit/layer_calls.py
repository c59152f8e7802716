"""The operators of each kind of layer and of each loss with their inputs: what torch runs on a CPU below autograd.

Inputs are complete and in the order of the schema, as a trace shows them. Views are left out: they cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from profkit.costs import Inputs, Number, Tensor, Value
from profkit.layer_kinds import Settings

FLOAT = 6
"""What torch calls float32 where a type is an input."""
MEAN = 1
"""What torch calls the mean over a batch where a reduction is an input."""
NO_CLASS = -100
"""The label that a loss leaves out."""
ONE = Tensor((), "int64")
"""A number where the schema has a tensor."""
SCALAR = Tensor(())

Calls = tuple[tuple[str, Inputs], ...]


@dataclass(frozen=True)
class LayerPass:
    """One layer, or a loss, at one batch size.

    Attributes:
        settings: of the layer.
        input: its (first) input, of a loss the output of the network.
        output: what it makes; of a loss the mean.
        parameters: trainable tensors by their names in the layer.
        training: whether it runs in training.
        needs_gradient: whether anything before it trains, so that the gradient of its input is wanted.
    """

    settings: Settings
    input: Tensor
    output: Tensor
    parameters: Mapping[str, Tensor]
    training: bool = True
    needs_gradient: bool = True

    def whole(self, name: str, default: int = 0) -> int:
        """A setting that is a whole number."""
        return int(self.settings.get(name, default))

    def square(self, name: str, default: int = 0) -> tuple[int, int]:
        """A setting for height and width."""
        return (self.whole(name, default), self.whole(name, default))


@dataclass(frozen=True)
class LayerCalls:
    """What a kind of layer, or a loss, runs.

    Attributes:
        forward: operators and their inputs, in their order.
        backward: the same of the derivative.
    """

    forward: Callable[[LayerPass], Calls]
    backward: Callable[[LayerPass], Calls]


def one(operator: str, *values: Value) -> tuple[str, Inputs]:
    """One call.

    Args:
        operator: without its namespace.
        values: its inputs.
    """
    return f"aten::{operator}", Inputs(values)


def _nothing(_layer: LayerPass) -> Calls:
    return ()


def _convolution(layer: LayerPass, *, transposed: bool) -> tuple[Value, ...]:
    """What follows the tensors among the inputs of a convolution and of its derivative."""
    return (layer.square("stride", 1), layer.square("padding"), (1, 1), transposed, (0, 0), 1)


def _convolution_forward(layer: LayerPass, *, transposed: bool = False) -> Calls:
    tensors = layer.input, layer.parameters["weight"], layer.parameters.get("bias")
    return (one("convolution", *tensors, *_convolution(layer, transposed=transposed)),)


def _convolution_backward(layer: LayerPass, *, transposed: bool = False) -> Calls:
    bias = layer.parameters.get("bias")
    return (
        one(
            "convolution_backward",
            layer.output,
            layer.input,
            layer.parameters["weight"],
            bias.shape if bias else (0,),
            *_convolution(layer, transposed=transposed),
            (layer.needs_gradient, True, bias is not None),
        ),
    )


def _linear_forward(layer: LayerPass) -> Calls:
    weight, bias = layer.parameters["weight"], layer.parameters.get("bias")
    factors = layer.input, _turned(weight)
    return (one("addmm", bias, *factors, 1, 1) if bias else one("mm", *factors),)


def _linear_backward(layer: LayerPass) -> Calls:
    of_input = (one("mm", layer.output, layer.parameters["weight"]),) if layer.needs_gradient else ()
    of_bias = (one("sum", layer.output, (0,), True, None),) if "bias" in layer.parameters else ()
    return (*of_input, one("mm", _turned(layer.output), layer.input), *of_bias)


def _turned(matrix: Tensor) -> Tensor:
    return Tensor(matrix.shape[::-1], matrix.dtype)


def _batch_norm_forward(layer: LayerPass) -> Calls:
    return (one("add_", ONE, ONE, 1), *_normalization(layer)) if layer.training else _normalization(layer)


def _normalization(layer: LayerPass) -> Calls:
    weight, bias = layer.parameters["weight"], layer.parameters["bias"]
    momentum, epsilon = float(layer.settings["momentum"]), float(layer.settings["eps"])
    return (one("native_batch_norm", layer.input, weight, bias, weight, weight, layer.training, momentum, epsilon),)


def _batch_norm_backward(layer: LayerPass) -> Calls:
    weights = 5 * (layer.parameters["weight"],)  # weight, running mean and variance, those of the batch
    mask = (layer.needs_gradient, True, True)
    epsilon = float(layer.settings["eps"])
    return (one("native_batch_norm_backward", layer.output, layer.input, *weights, True, epsilon, mask),)


def _window(layer: LayerPass) -> tuple[tuple[Number, ...], ...]:
    kernel = layer.whole("kernel_size")
    return layer.square("kernel_size"), layer.square("stride", kernel), layer.square("padding")


def _max_pool_forward(layer: LayerPass) -> Calls:
    return (one("max_pool2d_with_indices", layer.input, *_window(layer), (1, 1), False),)


def _max_pool_backward(layer: LayerPass) -> Calls:
    indices = Tensor(layer.output.shape, "int64")
    window = _window(layer)
    return (one("max_pool2d_with_indices_backward", layer.output, layer.input, *window, (1, 1), False, indices),)


def _adaptive_forward(layer: LayerPass) -> Calls:
    if layer.whole("output_size") == 1:  # torch takes the mean of each channel
        return (one("mean", layer.input, (-1, -2), True, None),)
    return _adaptive_pool(layer)


def _adaptive_pool(layer: LayerPass) -> Calls:
    return (one("_adaptive_avg_pool2d", layer.input, layer.square("output_size")),)


def _adaptive_backward(layer: LayerPass) -> Calls:
    if layer.whole("output_size") == 1:
        return (one("div", layer.input, layer.input.elements // layer.output.elements),)
    return _adaptive_pool_backward(layer)


def _adaptive_pool_backward(layer: LayerPass) -> Calls:
    return (one("_adaptive_avg_pool2d_backward", layer.output, layer.input),)


def _dropout_forward(layer: LayerPass) -> Calls:
    if not layer.training:
        return ()
    kept = 1 - float(layer.settings["p"])
    noise = layer.input
    return (one("bernoulli_", noise, kept, None), one("div_", noise, kept), one("mul", layer.input, noise))


def _padding(layer: LayerPass, sign: int) -> tuple[Number, ...]:
    return tuple(sign * layer.whole(side) for side in ("left", "right", "top", "bottom"))


def _on_batch(operator: str, *others: Value) -> Callable[[LayerPass], Calls]:
    """An operator over the input alone."""
    return lambda layer: (one(operator, layer.input, *others),)


def _on_gradient(operator: str, *others: Value) -> Callable[[LayerPass], Calls]:
    """An operator over the gradient and the output, which are alike."""
    return lambda layer: (one(operator, layer.output, layer.output, *others),)


LAYER_CALLS: Mapping[str, LayerCalls] = {
    "adaptive_avg_pool2d": LayerCalls(_adaptive_forward, _adaptive_backward),
    "add": LayerCalls(lambda layer: (one("add", layer.input, layer.input, 1),), _nothing),
    "avg_pool2d": LayerCalls(
        lambda layer: (one("avg_pool2d", layer.input, *_window(layer), False, True, None),),
        lambda layer: (one("avg_pool2d_backward", layer.output, layer.input, *_window(layer), False, True, None),),
    ),
    "batch_norm2d": LayerCalls(_batch_norm_forward, _batch_norm_backward),
    "conv2d": LayerCalls(_convolution_forward, _convolution_backward),
    "conv_transpose2d": LayerCalls(
        lambda layer: _convolution_forward(layer, transposed=True),
        lambda layer: _convolution_backward(layer, transposed=True),
    ),
    "dropout": LayerCalls(_dropout_forward, lambda layer: (one("mul", layer.output, layer.input),)),
    "flatten": LayerCalls(_nothing, _nothing),
    "linear": LayerCalls(_linear_forward, _linear_backward),
    "max_pool2d": LayerCalls(_max_pool_forward, _max_pool_backward),
    "relu": LayerCalls(_on_batch("relu"), _on_gradient("threshold_backward", 0)),
    "tanh": LayerCalls(_on_batch("tanh"), _on_gradient("tanh_backward")),
    "zero_pad2d": LayerCalls(
        lambda layer: (one("constant_pad_nd", layer.input, _padding(layer, 1), 0.0),),
        lambda layer: (one("constant_pad_nd", layer.output, _padding(layer, -1), 0),),
    ),
}
"""By kind of layer, every one of `LAYER_KINDS`."""


def _labels(layer: LayerPass) -> Tensor:
    return Tensor(layer.input.shape[:1], "int64")


def _cross_entropy_forward(layer: LayerPass) -> Calls:
    return (
        one("_log_softmax", layer.input, 1, False),
        one("nll_loss_forward", layer.input, _labels(layer), None, MEAN, NO_CLASS),
    )


def _cross_entropy_backward(layer: LayerPass) -> Calls:
    return (
        one("nll_loss_backward", SCALAR, layer.input, _labels(layer), None, MEAN, NO_CLASS, SCALAR),
        one("_log_softmax_backward_data", layer.input, layer.input, 1, FLOAT),
    )


LOSS_CALLS: Mapping[str, LayerCalls] = {
    "cross_entropy": LayerCalls(_cross_entropy_forward, _cross_entropy_backward),
    "l1": LayerCalls(
        lambda layer: (
            one("sub", layer.input, layer.input, 1),
            one("abs", layer.input),
            one("mean", layer.input, None),
        ),
        lambda layer: (
            one("div", layer.input, layer.input.elements),
            one("sgn", layer.input),
            one("mul", layer.input, layer.input),
        ),
    ),
    "l2": LayerCalls(
        lambda layer: (one("mse_loss", layer.input, layer.input, MEAN),),
        lambda layer: (one("mse_loss_backward", SCALAR, layer.input, layer.input, MEAN),),
    ),
}
"""By loss; all take the mean over the batch."""


def _drop(layer: LayerPass) -> Calls:
    return (one("native_dropout", layer.input, float(layer.settings["p"]), True),) if layer.training else ()


def _drop_backward(layer: LayerPass) -> Calls:
    mask = Tensor(layer.output.shape, "bool")
    return (one("native_dropout_backward", layer.output, mask, 1 / (1 - float(layer.settings["p"]))),)


def _copies(layer: LayerPass) -> Calls:
    """One for each of the two inputs."""
    return 2 * (one("copy_", layer.output, layer.output, False),)


NUMBA_CALLS: Mapping[str, LayerCalls] = {
    "adaptive_avg_pool2d": LayerCalls(_adaptive_pool, _adaptive_pool_backward),
    "add": LayerCalls(LAYER_CALLS["add"].forward, _copies),
    "batch_norm2d": LayerCalls(_normalization, _batch_norm_backward),
    "dropout": LayerCalls(_drop, _drop_backward),
    "l1": LayerCalls(
        lambda layer: (one("l1_loss", layer.input, layer.input, MEAN),),
        lambda layer: (one("sgn", layer.input),),
    ),
}
"""Layers and losses that profkit's hand-written kernels do by other operators: in one where torch takes several."""
