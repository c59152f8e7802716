"""Convolutions: one thread's turn is one element of the result."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.launch import PARTS, kernel, position
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@kernel
def _to_windows(images: Array, weights: Array, bias: Array, windows: Array, stride: int, padding: int) -> None:
    """Each window's sum with the weights (channels of `windows`, of `images`, size, size), plus bias."""
    samples, channels, rows, columns = windows.shape
    _, inputs, height, width = images.shape
    size = weights.shape[3]
    for index in range(cuda.grid(1), samples * channels * rows * columns, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, rows, columns)
        total = bias[channel]
        for source in range(inputs):
            for ky in range(size):
                y = row * stride + ky - padding
                if 0 <= y < height:
                    for kx in range(size):
                        x = column * stride + kx - padding
                        if 0 <= x < width:
                            total += images[sample, source, y, x] * weights[channel, source, ky, kx]
        windows[sample, channel, row, column] = total


@kernel
def _from_windows(windows: Array, weights: Array, bias: Array, images: Array, stride: int, padding: int) -> None:
    """Each window's value spread over its inputs by the weights, plus bias: an input gathers from its windows."""
    samples, channels, height, width = images.shape
    _, sources, rows, columns = windows.shape
    size = weights.shape[3]
    for index in range(cuda.grid(1), samples * channels * height * width, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, height, width)
        total = bias[channel]
        for ky in range(size):
            y = row + padding - ky
            if y >= 0 and y % stride == 0 and y // stride < rows:
                for kx in range(size):
                    x = column + padding - kx
                    if x >= 0 and x % stride == 0 and x // stride < columns:
                        for source in range(sources):
                            total += (
                                windows[sample, source, y // stride, x // stride] * weights[source, channel, ky, kx]
                            )
        images[sample, channel, row, column] = total


@kernel
def _to_weights(images: Array, windows: Array, sums: Array, stride: int, padding: int) -> None:
    """Sums (parts, channels of `windows`, of `images`, size, size) of window value times input.

    Each part is of some of the samples.
    """
    parts, channels, inputs, size, _ = sums.shape
    samples, _, rows, columns = windows.shape
    height, width = images.shape[2], images.shape[3]
    for index in range(cuda.grid(1), parts * channels * inputs * size * size, cuda.gridsize(1)):
        kx, ky = index % size, index // size % size
        source = index // (size * size) % inputs
        channel = index // (size * size * inputs) % channels
        part = index // (size * size * inputs * channels)
        total = np.float32(0)
        for sample in range(part * samples // parts, (part + 1) * samples // parts):
            for row in range(rows):
                y = row * stride + ky - padding
                if 0 <= y < height:
                    line = np.float32(0)
                    for column in range(columns):
                        x = column * stride + kx - padding
                        if 0 <= x < width:
                            line += windows[sample, channel, row, column] * images[sample, source, y, x]
                    total += line
        sums[part, channel, source, ky, kx] = total


@kernel
def sum_channels(values: Array, sums: Array) -> None:
    """Sums (parts, channels) over positions and a part of the samples each."""
    parts, channels = sums.shape
    samples, _, rows, columns = values.shape
    for index in range(cuda.grid(1), parts * channels, cuda.gridsize(1)):
        channel, part = index % channels, index // channels
        total = np.float32(0)
        for sample in range(part * samples // parts, (part + 1) * samples // parts):
            for row in range(rows):
                line = np.float32(0)
                for column in range(columns):
                    line += values[sample, channel, row, column]
                total += line
        sums[part, channel] = total


@kernel
def _add_parts(sums: Array, total: Array) -> None:
    """Total (n,) = sum of sums (parts, n) over the parts, in their order."""
    for index in range(cuda.grid(1), total.shape[0], cuda.gridsize(1)):
        value = np.float32(0)
        for part in range(sums.shape[0]):
            value += sums[part, index]
        total[index] = value


def add_parts(sums: Array, total: Array) -> None:
    """Total = sum of the parts, in their order; `sums` has one more axis in front."""
    _add_parts(total.size, sums.reshape(sums.shape[0], total.size), total.reshape(total.size))


def zeros(call: Call, size: int) -> Array:
    """Zeros (size,) on the device, made once."""

    def make() -> Array:
        array = call.allocate((size,), "float32")
        array.copy_to_device(np.zeros(size, np.float32))
        return array

    return call.constant(f"zeros {size}", make)


def _weight_gradient(call: Call, images: Array, windows: Array) -> None:
    assert call.gradient is not None
    total, parts = call.gradients["weight"], min(images.shape[0], PARTS)
    sums = call.array("sums", (parts, *total.shape))
    _to_weights(math.prod(sums.shape), images, windows, sums, *call.window[1:])
    add_parts(sums, total)
    if "bias" in call.gradients:
        sums = call.array("bias sums", (parts, call.gradient.shape[1]))
        sum_channels(math.prod(sums.shape), call.gradient, sums)
        add_parts(sums, call.gradients["bias"])


def _bias(call: Call) -> Array:
    return call.weights["bias"] if "bias" in call.weights else zeros(call, call.output.shape[1])


def _forward(call: Call) -> None:
    output = call.output
    _to_windows(output.size, call.inputs[0], call.weights["weight"], _bias(call), output, *call.window[1:])


def _backward(call: Call) -> None:
    assert call.gradient is not None
    _weight_gradient(call, call.inputs[0], call.gradient)
    if (images := call.input_gradients[0]) is not None:
        bias = zeros(call, images.shape[1])
        _from_windows(images.size, call.gradient, call.weights["weight"], bias, images, *call.window[1:])


def _transpose_forward(call: Call) -> None:
    output = call.output
    _from_windows(output.size, call.inputs[0], call.weights["weight"], _bias(call), output, *call.window[1:])


def _transpose_backward(call: Call) -> None:
    assert call.gradient is not None
    _weight_gradient(call, call.gradient, call.inputs[0])
    if (windows := call.input_gradients[0]) is not None:
        bias = zeros(call, windows.shape[1])
        _to_windows(windows.size, call.gradient, call.weights["weight"], bias, windows, *call.window[1:])


KERNELS = {
    **kernels("conv2d", (_forward,), (_backward,)),
    **kernels("conv_transpose2d", (_transpose_forward,), (_transpose_backward,)),
}
