"""Losses: means over the batch, summed in float64."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import inner, parallel
from profkit.runner.numba_kernels import Array, Call, LayerKernels
from profkit.runner.numba_operators import kernels


@parallel
def _log_softmax(outputs: Array, logarithms: Array) -> None:
    """Logarithm of each class's probability; the largest output is taken off first, so that none overflows."""
    for sample in prange(outputs.shape[0]):
        largest = outputs[sample, 0]
        for index in range(1, outputs.shape[1]):
            largest = max(largest, outputs[sample, index])
        total = np.float32(0)
        for index in range(outputs.shape[1]):
            total += math.exp(outputs[sample, index] - largest)
        shift = largest + math.log(total)
        for index in range(outputs.shape[1]):
            logarithms[sample, index] = outputs[sample, index] - shift


@inner
def _nll(logarithms: Array, labels: Array, loss: Array) -> None:
    total = 0.0
    for sample in range(len(labels)):
        total -= logarithms[sample, labels[sample]]
    loss[0] = total / len(labels)


@parallel
def _nll_backward(labels: Array, result: Array) -> None:
    share = np.float32(-1 / len(labels))
    for sample in prange(len(labels)):
        for index in range(result.shape[1]):
            result[sample, index] = share if index == labels[sample] else np.float32(0)


@parallel
def _log_softmax_backward(gradient: Array, logarithms: Array, result: Array) -> None:
    """Gradient - probability * sum of the sample's gradients."""
    for sample in prange(gradient.shape[0]):
        total = np.float32(0)
        for index in range(gradient.shape[1]):
            total += gradient[sample, index]
        for index in range(gradient.shape[1]):
            result[sample, index] = gradient[sample, index] - math.exp(logarithms[sample, index]) * total


@parallel
def _distance(outputs: Array, targets: Array, power: int, loss: Array) -> None:
    """Mean of |output - target| ** power, the power 1 or 2."""
    total = 0.0
    for index in prange(len(outputs)):
        distance = np.float64(outputs[index]) - np.float64(targets[index])
        total += abs(distance) if power == 1 else distance * distance
    loss[0] = total / len(outputs)


@parallel
def _distance_backward(outputs: Array, targets: Array, power: int, result: Array) -> None:
    share = np.float32(power / len(outputs))
    for index in prange(len(outputs)):
        distance = outputs[index] - targets[index]
        slope = np.float32(np.sign(distance)) if power == 1 else distance
        result[index] = slope * share


def _logarithms(call: Call) -> Array:
    return call.array("logarithms", call.inputs[0].shape)


def _log_softmax_forward(call: Call) -> None:
    _log_softmax(call.inputs[0], _logarithms(call))


def _nll_forward(call: Call) -> None:
    _nll(_logarithms(call), call.inputs[1], call.output)


def _nll_gradient(call: Call) -> None:
    _nll_backward(call.inputs[1], call.array("gradient", call.inputs[0].shape))


def _log_softmax_gradient(call: Call) -> None:
    _log_softmax_backward(call.kept["gradient"], _logarithms(call), call.input_gradients[0])


def _distance_kernels(kind: str, power: int) -> dict[str, LayerKernels]:
    def loss(call: Call) -> None:
        outputs, targets = call.inputs
        _distance(outputs.reshape(-1), targets.reshape(-1), power, call.output)

    def gradient(call: Call) -> None:
        outputs, targets = call.inputs
        result = call.input_gradients[0]
        assert result is not None
        _distance_backward(outputs.reshape(-1), targets.reshape(-1), power, result.reshape(-1))

    return kernels(kind, (loss,), (gradient,))


LOSSES = {
    **kernels("cross_entropy", (_log_softmax_forward, _nll_forward), (_nll_gradient, _log_softmax_gradient)),
    **_distance_kernels("l1", 1),
    **_distance_kernels("l2", 2),
}
