"""Batch normalisation: sums over a channel are made in parts; variances from distances to the mean."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.convolution import add_parts, sum_channels
from profkit.runner.numba_cuda.launch import PARTS, kernel, position
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@kernel
def _products(values: Array, middles: Array, others: Array, squared: bool, sums: Array) -> None:
    """Sums (parts, channels) of (value - middle) * other, or of its square, over a part of the samples each."""
    parts, channels = sums.shape
    samples, _, rows, columns = values.shape
    for index in range(cuda.grid(1), parts * channels, cuda.gridsize(1)):
        channel, part = index % channels, index // channels
        total = np.float32(0)
        for sample in range(part * samples // parts, (part + 1) * samples // parts):
            for row in range(rows):
                line = np.float32(0)
                for column in range(columns):
                    distance = values[sample, channel, row, column] - middles[channel]
                    line += distance * (distance if squared else others[sample, channel, row, column])
                total += line
        sums[part, channel] = total


@kernel
def _scale(values: Array, factor: np.float32) -> None:
    for channel in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[channel] *= factor


@kernel
def _deviations(variance: Array, factor: np.float32, eps: np.float32, deviation: Array) -> None:
    """1 / sqrt(variance * factor + eps)."""
    for channel in range(cuda.grid(1), deviation.shape[0], cuda.gridsize(1)):
        deviation[channel] = np.float32(1) / math.sqrt(variance[channel] * factor + eps)


@kernel
def _move(running: Array, values: Array, share: np.float32, factor: np.float32) -> None:
    """A running value goes a share of the way to the value times `factor`."""
    for channel in range(cuda.grid(1), running.shape[0], cuda.gridsize(1)):
        running[channel] = (np.float32(1) - share) * running[channel] + share * (values[channel] * factor)


@kernel
def _normalise(images: Array, mean: Array, deviation: Array, weight: Array, bias: Array, output: Array) -> None:
    samples, channels, rows, columns = output.shape
    for index in range(cuda.grid(1), samples * channels * rows * columns, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, rows, columns)
        distance = images[sample, channel, row, column] - mean[channel]
        output[sample, channel, row, column] = distance * (deviation[channel] * weight[channel]) + bias[channel]


@kernel
def _multiply(values: Array, factors: Array) -> None:
    for channel in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[channel] *= factors[channel]


@kernel
def _backward(
    images: Array,
    gradient: Array,
    mean: Array,
    deviation: Array,
    weight: Array,
    weight_gradient: Array,
    bias_gradient: Array,
    share: np.float32,
    result: Array,
) -> None:
    """(gradient - its mean - normalised input * mean of their product) * weight / deviation; `share` = 1 / elements."""
    samples, channels, rows, columns = result.shape
    for index in range(cuda.grid(1), samples * channels * rows * columns, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, rows, columns)
        normalised = (images[sample, channel, row, column] - mean[channel]) * deviation[channel]
        level = (bias_gradient[channel] + normalised * weight_gradient[channel]) * share
        result[sample, channel, row, column] = (
            (gradient[sample, channel, row, column] - level) * weight[channel] * deviation[channel]
        )


def _partial(call: Call) -> Array:
    """Where the parts of a sum are: (parts, channels)."""
    return call.array("sums", (min(call.output.shape[0], PARTS), call.output.shape[1]))


def _moments(call: Call) -> tuple[Array, Array]:
    shape = call.weights["weight"].shape
    return call.array("mean", shape), call.array("deviation", shape)


def _apply(call: Call, mean: Array, deviation: Array) -> None:
    weight, bias = call.weights["weight"], call.weights["bias"]
    _normalise(call.output.size, call.inputs[0], mean, deviation, weight, bias, call.output)


def _forward(call: Call) -> None:
    images, channels = call.inputs[0], call.output.shape[1]
    count = images.size // channels
    sums, (mean, deviation) = _partial(call), _moments(call)
    sum_channels(sums.size, images, sums)
    add_parts(sums, mean)
    _scale(channels, mean, np.float32(1 / count))
    squares = call.array("squares", mean.shape)
    _products(sums.size, images, mean, images, True, sums)
    add_parts(sums, squares)
    eps, share = np.float32(call.settings["eps"]), np.float32(call.settings["momentum"])
    _deviations(channels, squares, np.float32(1 / count), eps, deviation)
    _move(channels, call.weights["running_mean"], mean, share, np.float32(1))
    _move(channels, call.weights["running_var"], squares, share, np.float32(1 / max(count - 1, 1)))
    _apply(call, mean, deviation)


def _evaluate(call: Call) -> None:
    _, deviation = _moments(call)
    variance = call.weights["running_var"]
    _deviations(call.output.shape[1], variance, np.float32(1), np.float32(call.settings["eps"]), deviation)
    _apply(call, call.weights["running_mean"], deviation)


def _gradients(call: Call) -> None:
    images, channels = call.inputs[0], call.output.shape[1]
    sums, (mean, deviation) = _partial(call), _moments(call)
    weight_gradient, bias_gradient = call.gradients["weight"], call.gradients["bias"]
    sum_channels(sums.size, call.gradient, sums)
    add_parts(sums, bias_gradient)
    _products(sums.size, images, mean, call.gradient, False, sums)
    add_parts(sums, weight_gradient)
    _multiply(channels, weight_gradient, deviation)
    if (result := call.input_gradients[0]) is not None:
        weight, share = call.weights["weight"], np.float32(channels / images.size)
        arrays = mean, deviation, weight, weight_gradient, bias_gradient
        _backward(result.size, images, call.gradient, *arrays, share, result)


KERNELS = kernels("batch_norm2d", (_forward,), (_gradients,), _evaluate)
