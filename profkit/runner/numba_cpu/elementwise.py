"""Layers that compute each element by itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@parallel
def _assign(target: Array, source: Array) -> None:
    for index in prange(len(target)):
        target[index] = source[index]


@parallel
def _accumulate(target: Array, source: Array) -> None:
    for index in prange(len(target)):
        target[index] += source[index]


@parallel
def _relu(values: Array, output: Array) -> None:
    for index in prange(len(values)):
        value = values[index]
        output[index] = np.float32(0) if value < 0 else value  # NaN stays NaN


@parallel
def _relu_backward(gradient: Array, output: Array, result: Array) -> None:
    for index in prange(len(gradient)):
        result[index] = np.float32(0) if output[index] <= 0 else gradient[index]


@parallel
def _tanh(values: Array, output: Array) -> None:
    for index in prange(len(values)):
        output[index] = math.tanh(values[index])


@parallel
def _tanh_backward(gradient: Array, output: Array, result: Array) -> None:
    for index in prange(len(gradient)):
        result[index] = gradient[index] * (np.float32(1) - output[index] * output[index])


@parallel
def _add(one: Array, other: Array, output: Array) -> None:
    for index in prange(len(output)):
        output[index] = one[index] + other[index]


@parallel
def _mask(values: Array, mask: Array, scale: np.float32, output: Array) -> None:
    for index in prange(len(values)):
        output[index] = values[index] * (np.float32(mask[index]) * scale)


@parallel
def _pad(images: Array, output: Array, left: int, top: int) -> None:
    _, channels, height, width = images.shape
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        output[sample, channel] = np.float32(0)
        for row in range(height):
            for column in range(width):
                output[sample, channel, row + top, column + left] = images[sample, channel, row, column]


@parallel
def _crop(images: Array, output: Array, left: int, top: int) -> None:
    channels = output.shape[1]
    for turn in prange(output.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        for row in range(output.shape[2]):
            for column in range(output.shape[3]):
                output[sample, channel, row, column] = images[sample, channel, row + top, column + left]


def assign(target: Array, source: Array) -> None:
    """Target = source, of any one shape."""
    _assign(target.reshape(-1), source.reshape(-1))


def accumulate(target: Array, source: Array) -> None:
    """Target += source, of any one shape."""
    _accumulate(target.reshape(-1), source.reshape(-1))


def _forward_by(kernel: Callable[[Array, Array], None]) -> Callable[[Call], None]:
    return lambda call: kernel(call.inputs[0].reshape(-1), call.output.reshape(-1))


def _backward_by(kernel: Callable[[Array, Array, Array], None]) -> Callable[[Call], None]:
    """Backward from the output: both kinds here need nothing else."""

    def backward(call: Call) -> None:
        assert call.gradient is not None
        if (result := call.input_gradients[0]) is not None:
            kernel(call.gradient.reshape(-1), call.output.reshape(-1), result.reshape(-1))

    return backward


def _add_forward(call: Call) -> None:
    one, other = call.inputs
    _add(one.reshape(-1), other.reshape(-1), call.output.reshape(-1))


def _add_backward(call: Call) -> None:
    for result in call.input_gradients:
        if result is not None:
            assign(result, call.gradient)


def _pad_forward(call: Call) -> None:
    _pad(call.inputs[0], call.output, call.whole("left"), call.whole("top"))


def _pad_backward(call: Call) -> None:
    if call.input_gradients[0] is not None:
        _crop(call.gradient, call.input_gradients[0], call.whole("left"), call.whole("top"))


def _drawn(call: Call) -> Array:
    """Mask of this step: from the bundle, or drawn."""
    if call.masks is not None:
        return call.masks[call.moment.step % len(call.masks), : len(call.output)]
    drawn = call.moment.generator.random(call.output.shape, dtype=np.float32) >= call.settings["p"]
    return drawn.astype(np.uint8)


def _scale(call: Call) -> np.float32:
    share = call.settings["p"]
    return np.float32(1 / (1 - share) if share < 1 else 0)


def _dropout_forward(call: Call) -> None:
    mask = call.kept["mask"] = _drawn(call)
    _mask(call.inputs[0].reshape(-1), mask.reshape(-1), _scale(call), call.output.reshape(-1))


def _dropout_backward(call: Call) -> None:
    assert call.gradient is not None
    if (result := call.input_gradients[0]) is not None:
        _mask(call.gradient.reshape(-1), call.kept["mask"].reshape(-1), _scale(call), result.reshape(-1))


def _dropout_evaluate(call: Call) -> None:
    assign(call.output, call.inputs[0])


KERNELS = {
    **kernels("relu", (_forward_by(_relu),), (_backward_by(_relu_backward),)),
    **kernels("tanh", (_forward_by(_tanh),), (_backward_by(_tanh_backward),)),
    **kernels("add", (_add_forward,), (_add_backward,)),
    **kernels("zero_pad2d", (_pad_forward,), (_pad_backward,)),
    **kernels("dropout", (_dropout_forward,), (_dropout_backward,), _dropout_evaluate),
}
