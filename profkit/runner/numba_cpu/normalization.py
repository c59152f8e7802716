"""Batch normalisation: one thread's turn is one channel; sums are float64, as a batch has many elements.

Kernels take each array by itself: what a parallel loop writes to an array out of a tuple can be lost (Numba 0.68).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@parallel
def _moments(
    images: Array, mean: Array, deviation: Array, running_mean: Array, running_var: Array, eps: float, share: float
) -> None:
    """Mean and 1 / sqrt(variance + eps) of each channel; the running ones move by `share`, to the unbiased variance."""
    samples, channels, height, width = images.shape
    count = samples * height * width
    for channel in prange(channels):
        total = 0.0
        for sample in range(samples):
            for row in range(height):
                for column in range(width):
                    total += images[sample, channel, row, column]
        middle = total / count
        squares = 0.0
        for sample in range(samples):
            for row in range(height):
                for column in range(width):
                    distance = images[sample, channel, row, column] - middle
                    squares += distance * distance
        mean[channel] = middle
        deviation[channel] = 1 / np.sqrt(squares / count + eps)
        running_mean[channel] = (1 - share) * running_mean[channel] + share * middle
        running_var[channel] = (1 - share) * running_var[channel] + share * (squares / max(count - 1, 1))


@parallel
def _running(variance: Array, deviation: Array, eps: float) -> None:
    for channel in prange(len(variance)):
        deviation[channel] = 1 / np.sqrt(np.float64(variance[channel]) + eps)


@parallel
def _normalise(images: Array, mean: Array, deviation: Array, weight: Array, bias: Array, output: Array) -> None:
    channels = images.shape[1]
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        factor = deviation[channel] * weight[channel]
        shift = bias[channel] - mean[channel] * factor
        for row in range(images.shape[2]):
            for column in range(images.shape[3]):
                output[sample, channel, row, column] = images[sample, channel, row, column] * factor + shift


@parallel
def _sums(
    images: Array, gradient: Array, mean: Array, deviation: Array, weight_gradient: Array, bias_gradient: Array
) -> None:
    """Gradient of bias: sum of `gradient`; of weight: of `gradient` times the normalised input."""
    samples, channels, height, width = images.shape
    for channel in prange(channels):
        total, product = 0.0, 0.0
        for sample in range(samples):
            for row in range(height):
                for column in range(width):
                    value = gradient[sample, channel, row, column]
                    total += value
                    product += value * (images[sample, channel, row, column] - mean[channel])
        bias_gradient[channel] = total
        weight_gradient[channel] = product * deviation[channel]


@parallel
def _backward(
    images: Array,
    gradient: Array,
    mean: Array,
    deviation: Array,
    weight: Array,
    weight_gradient: Array,
    bias_gradient: Array,
    result: Array,
) -> None:
    """(gradient - its mean - normalised input * mean of their product) * weight / deviation."""
    samples, channels, height, width = images.shape
    count = samples * height * width
    for turn in prange(samples * channels):
        sample, channel = turn // channels, turn % channels
        scale = weight[channel] * deviation[channel]
        slope = np.float32(weight_gradient[channel] * deviation[channel] / count)
        level = np.float32(bias_gradient[channel] / count)
        for row in range(height):
            for column in range(width):
                distance = images[sample, channel, row, column] - mean[channel]
                result[sample, channel, row, column] = scale * (
                    gradient[sample, channel, row, column] - level - distance * slope
                )


def _moment_arrays(call: Call) -> tuple[Array, Array]:
    shape = call.weights["weight"].shape
    return call.array("mean", shape), call.array("deviation", shape)


def _forward(call: Call) -> None:
    mean, deviation = _moment_arrays(call)
    running = call.weights["running_mean"], call.weights["running_var"]
    _moments(call.inputs[0], mean, deviation, *running, float(call.settings["eps"]), float(call.settings["momentum"]))
    _normalise(call.inputs[0], mean, deviation, call.weights["weight"], call.weights["bias"], call.output)


def _evaluate(call: Call) -> None:
    _, deviation = _moment_arrays(call)
    _running(call.weights["running_var"], deviation, float(call.settings["eps"]))
    mean = call.weights["running_mean"]
    _normalise(call.inputs[0], mean, deviation, call.weights["weight"], call.weights["bias"], call.output)


def _gradients(call: Call) -> None:
    moments = _moment_arrays(call)
    sums = call.gradients["weight"], call.gradients["bias"]
    _sums(call.inputs[0], call.gradient, *moments, *sums)
    if call.input_gradients[0] is not None:
        _backward(call.inputs[0], call.gradient, *moments, call.weights["weight"], *sums, call.input_gradients[0])


KERNELS = kernels("batch_norm2d", (_forward,), (_gradients,), _evaluate)
