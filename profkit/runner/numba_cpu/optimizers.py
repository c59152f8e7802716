"""Optimizers over all parameters at once."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import Array
from profkit.runner.numba_optimizers import adam, sgd


@parallel
def _sgd(weights: Array, gradients: Array, rate: np.float32, decay: np.float32) -> None:
    for index in prange(len(weights)):
        weights[index] -= rate * (gradients[index] + decay * weights[index])


@parallel
def _sgd_momentum(
    weights: Array, gradients: Array, velocity: Array, rate: np.float32, momentum: np.float32, decay: np.float32
) -> None:
    """PyTorch's formula: the rate is no part of the velocity, and the first velocity is the gradient."""
    for index in prange(len(weights)):
        velocity[index] = momentum * velocity[index] + (gradients[index] + decay * weights[index])
        weights[index] -= rate * velocity[index]


@parallel
def _adam(
    weights: Array,
    gradients: Array,
    first: Array,
    second: Array,
    beta2: np.float32,
    complement1: np.float32,
    complement2: np.float32,
    decay: np.float32,
    rate: np.float32,
    correction: np.float32,
    epsilon: np.float32,
) -> None:
    """PyTorch's formula.

    The complements are 1 - beta, from float64; `rate` has the first moment's correction for the zero that it began
    with, `correction` is the root of the second's.
    """
    for index in prange(len(weights)):
        gradient = gradients[index] + decay * weights[index]
        first[index] += complement1 * (gradient - first[index])
        second[index] = beta2 * second[index] + complement2 * gradient * gradient
        weights[index] -= rate * first[index] / (math.sqrt(second[index]) / correction + epsilon)


OPTIMIZERS = {"adam": adam(_adam), "sgd": sgd(_sgd, _sgd_momentum)}
