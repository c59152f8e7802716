"""Losses: means over the batch."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.elementwise import flat
from profkit.runner.numba_cuda.launch import kernel
from profkit.runner.numba_kernels import Array, Call, LayerKernels
from profkit.runner.numba_operators import kernels

DISTANCE_PARTS = 4096
"""A sum of distances is made in so many parts at most."""


@kernel
def _log_softmax(outputs: Array, logarithms: Array) -> None:
    """Logarithm of each class's probability; the largest output is taken off first, so that none overflows."""
    samples, classes = outputs.shape
    for sample in range(cuda.grid(1), samples, cuda.gridsize(1)):
        largest = outputs[sample, 0]
        for index in range(1, classes):
            largest = max(largest, outputs[sample, index])
        total = np.float32(0)
        for index in range(classes):
            total += math.exp(outputs[sample, index] - largest)
        shift = largest + math.log(total)
        for index in range(classes):
            logarithms[sample, index] = outputs[sample, index] - shift


@kernel
def _nll(logarithms: Array, labels: Array, loss: Array) -> None:
    """One thread: a batch has too few samples to share them out."""
    if cuda.grid(1) == 0:
        total = np.float32(0)
        for sample in range(labels.shape[0]):
            total -= logarithms[sample, labels[sample]]
        loss[0] = total / np.float32(labels.shape[0])


@kernel
def _nll_backward(labels: Array, share: np.float32, result: Array) -> None:
    samples, classes = result.shape
    for index in range(cuda.grid(1), samples * classes, cuda.gridsize(1)):
        sample, label = index // classes, index % classes
        result[sample, label] = -share if label == labels[sample] else np.float32(0)


@kernel
def _log_softmax_backward(gradient: Array, logarithms: Array, result: Array) -> None:
    """Gradient - probability * sum of the sample's gradients."""
    samples, classes = result.shape
    for sample in range(cuda.grid(1), samples, cuda.gridsize(1)):
        total = np.float32(0)
        for index in range(classes):
            total += gradient[sample, index]
        for index in range(classes):
            result[sample, index] = gradient[sample, index] - math.exp(logarithms[sample, index]) * total


@kernel
def _distance(outputs: Array, targets: Array, power: int, sums: Array) -> None:
    """Sums (parts,) of |output - target| ** power, the power 1 or 2; flat arrays."""
    parts = sums.shape[0]
    for part in range(cuda.grid(1), parts, cuda.gridsize(1)):
        total = np.float32(0)
        for index in range(part, outputs.shape[0], parts):
            distance = outputs[index] - targets[index]
            total += abs(distance) if power == 1 else distance * distance
        sums[part] = total


@kernel
def _mean(sums: Array, share: np.float32, loss: Array) -> None:
    """One thread adds the parts in their order."""
    if cuda.grid(1) == 0:
        total = np.float32(0)
        for part in range(sums.shape[0]):
            total += sums[part]
        loss[0] = total * share


@kernel
def _distance_backward(outputs: Array, targets: Array, power: int, share: np.float32, result: Array) -> None:
    for index in range(cuda.grid(1), result.shape[0], cuda.gridsize(1)):
        distance = outputs[index] - targets[index]
        slope = distance
        if power == 1:
            slope = np.float32(distance > np.float32(0)) - np.float32(distance < np.float32(0))
        result[index] = slope * share


def _logarithms(call: Call) -> Array:
    return call.array("logarithms", call.inputs[0].shape)


def _log_softmax_forward(call: Call) -> None:
    _log_softmax(call.inputs[0].shape[0], call.inputs[0], _logarithms(call))


def _nll_forward(call: Call) -> None:
    _nll(1, _logarithms(call), call.inputs[1], call.output)


def _nll_gradient(call: Call) -> None:
    labels, result = call.inputs[1], call.array("gradient", call.inputs[0].shape)
    _nll_backward(result.size, labels, np.float32(1 / labels.shape[0]), result)


def _log_softmax_gradient(call: Call) -> None:
    result = call.input_gradients[0]
    assert result is not None
    _log_softmax_backward(result.shape[0], call.kept["gradient"], _logarithms(call), result)


def _distance_kernels(kind: str, power: int) -> dict[str, LayerKernels]:
    def loss(call: Call) -> None:
        outputs, targets = call.inputs
        sums = call.array("sums", (min(outputs.size, DISTANCE_PARTS),))
        _distance(sums.size, flat(outputs), flat(targets), power, sums)
        _mean(1, sums, np.float32(1 / outputs.size), call.output)

    def gradient(call: Call) -> None:
        outputs, targets = call.inputs
        result = call.input_gradients[0]
        assert result is not None
        share = np.float32(power / outputs.size)
        _distance_backward(result.size, flat(outputs), flat(targets), power, share, flat(result))

    return kernels(kind, (loss,), (gradient,))


LOSSES = {
    **kernels("cross_entropy", (_log_softmax_forward, _nll_forward), (_nll_gradient, _log_softmax_gradient)),
    **_distance_kernels("l1", 1),
    **_distance_kernels("l2", 2),
}
