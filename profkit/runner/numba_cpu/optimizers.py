"""Optimizers over all parameters at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import ADAM_EPSILON, Array, OptimizerKernels


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


def _sgd_states(hyperparameters: Mapping[str, float]) -> tuple[str, ...]:
    return ("momentum_buffer",) if hyperparameters.get("momentum") else ()


def _run_sgd(
    weights: Array, gradients: Array, states: tuple[Array, ...], hyperparameters: Mapping[str, float], _step: int
) -> None:
    rate, decay = np.float32(hyperparameters["lr"]), np.float32(hyperparameters.get("weight_decay", 0))
    if states:
        _sgd_momentum(weights, gradients, states[0], rate, np.float32(hyperparameters["momentum"]), decay)
    else:
        _sgd(weights, gradients, rate, decay)


def _run_adam(
    weights: Array, gradients: Array, states: tuple[Array, ...], hyperparameters: Mapping[str, float], step: int
) -> None:
    beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
    rate, correction = hyperparameters["lr"] / (1 - beta1**step), math.sqrt(1 - beta2**step)
    decay = hyperparameters.get("weight_decay", 0)
    scalars = beta2, 1 - beta1, 1 - beta2, decay, rate, correction, ADAM_EPSILON
    _adam(weights, gradients, *states, *(np.float32(scalar) for scalar in scalars))


SGD = OptimizerKernels("aten::_fused_sgd_", _sgd_states, _run_sgd)
ADAM = OptimizerKernels("aten::_fused_adam_", lambda _: ("exp_avg", "exp_avg_sq"), _run_adam, counts=True)
