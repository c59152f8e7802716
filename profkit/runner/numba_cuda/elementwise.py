"""Layers that compute each element by itself; arrays are flat unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.launch import kernel, position
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@kernel
def _accumulate(target: Array, source: Array) -> None:
    for index in range(cuda.grid(1), target.shape[0], cuda.gridsize(1)):
        target[index] += source[index]


@kernel
def _relu(values: Array, output: Array) -> None:
    for index in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        value = values[index]
        output[index] = np.float32(0) if value < np.float32(0) else value  # NaN stays NaN


@kernel
def _relu_backward(gradient: Array, output: Array, result: Array) -> None:
    for index in range(cuda.grid(1), gradient.shape[0], cuda.gridsize(1)):
        result[index] = np.float32(0) if output[index] <= np.float32(0) else gradient[index]


@kernel
def _tanh(values: Array, output: Array) -> None:
    for index in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        output[index] = math.tanh(values[index])


@kernel
def _tanh_backward(gradient: Array, output: Array, result: Array) -> None:
    for index in range(cuda.grid(1), gradient.shape[0], cuda.gridsize(1)):
        result[index] = gradient[index] * (np.float32(1) - output[index] * output[index])


@kernel
def _add(one: Array, other: Array, output: Array) -> None:
    for index in range(cuda.grid(1), output.shape[0], cuda.gridsize(1)):
        output[index] = one[index] + other[index]


@kernel
def _mask(values: Array, mask: Array, scale: np.float32, output: Array) -> None:
    for index in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        output[index] = values[index] * (np.float32(mask[index]) * scale)


@kernel
def _pad(images: Array, output: Array, left: int, top: int) -> None:
    """Images (n, channels, height, width) in the midst of zeros."""
    samples, channels, rows, columns = output.shape
    for index in range(cuda.grid(1), samples * channels * rows * columns, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, rows, columns)
        y, x = row - top, column - left
        value = np.float32(0)
        if 0 <= y < images.shape[2] and 0 <= x < images.shape[3]:
            value = images[sample, channel, y, x]
        output[sample, channel, row, column] = value


@kernel
def _crop(images: Array, output: Array, left: int, top: int) -> None:
    """The way back."""
    samples, channels, rows, columns = output.shape
    for index in range(cuda.grid(1), samples * channels * rows * columns, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, rows, columns)
        output[sample, channel, row, column] = images[sample, channel, row + top, column + left]


def flat(array: Array) -> Array:
    """The same memory along one axis."""
    return array.reshape(array.size)


def assign(target: Array, source: Array) -> None:
    """Target = source, of any one shape, both on the device."""
    target.copy_to_device(source)


def accumulate(target: Array, source: Array) -> None:
    """Target += source, of any one shape."""
    _accumulate(target.size, flat(target), flat(source))


def _forward_by(launch: Callable[..., None]) -> Callable[[Call], None]:
    return lambda call: launch(call.output.size, flat(call.inputs[0]), flat(call.output))


def _backward_by(launch: Callable[..., None]) -> Callable[[Call], None]:
    """Backward from the output: both kinds here need nothing else."""

    def backward(call: Call) -> None:
        if (result := call.input_gradients[0]) is not None:
            launch(result.size, flat(call.gradient), flat(call.output), flat(result))

    return backward


def _add_forward(call: Call) -> None:
    one, other = call.inputs
    _add(call.output.size, flat(one), flat(other), flat(call.output))


def _add_backward(call: Call) -> None:
    for result in call.input_gradients:
        if result is not None:
            assign(result, call.gradient)


def _pad_forward(call: Call) -> None:
    _pad(call.output.size, call.inputs[0], call.output, call.whole("left"), call.whole("top"))


def _pad_backward(call: Call) -> None:
    if (result := call.input_gradients[0]) is not None:
        _crop(result.size, call.gradient, result, call.whole("left"), call.whole("top"))


def _drawn(call: Call) -> Array:
    """Mask of this step, flat: from the bundle, or drawn on the host, which is the only copy of a step."""
    if call.masks is not None:
        return flat(call.masks[call.moment.step % call.masks.shape[0]])[: call.output.size]
    drawn = call.moment.generator.random(call.output.size, dtype=np.float32) >= call.settings["p"]
    return cuda.to_device(drawn.astype(np.uint8))


def _scale(call: Call) -> np.float32:
    share = call.settings["p"]
    return np.float32(1 / (1 - share) if share < 1 else 0)


def _dropout_forward(call: Call) -> None:
    mask = call.kept["mask"] = _drawn(call)
    _mask(call.output.size, flat(call.inputs[0]), mask, _scale(call), flat(call.output))


def _dropout_backward(call: Call) -> None:
    if (result := call.input_gradients[0]) is not None:
        _mask(result.size, flat(call.gradient), call.kept["mask"], _scale(call), flat(result))


def _dropout_evaluate(call: Call) -> None:
    assign(call.output, call.inputs[0])


KERNELS = {
    **kernels("relu", (_forward_by(_relu),), (_backward_by(_relu_backward),)),
    **kernels("tanh", (_forward_by(_tanh),), (_backward_by(_tanh_backward),)),
    **kernels("add", (_add_forward,), (_add_backward,)),
    **kernels("zero_pad2d", (_pad_forward,), (_pad_backward,)),
    **kernels("dropout", (_dropout_forward,), (_dropout_backward,), _dropout_evaluate),
}
