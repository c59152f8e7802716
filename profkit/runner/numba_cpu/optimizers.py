"""Optimizers over all parameters at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import ADAM_EPSILON, Array, OptimizerKernels


@parallel
def _sgd(weights: Array, gradients: Array, rate: float, decay: float) -> None:
    for index in prange(len(weights)):
        weights[index] -= rate * (gradients[index] + decay * weights[index])


@parallel
def _sgd_momentum(
    weights: Array, gradients: Array, velocity: Array, rate: float, momentum: float, decay: float
) -> None:
    """PyTorch's formula: the rate is no part of the velocity, and the first velocity is the gradient."""
    for index in prange(len(weights)):
        velocity[index] = momentum * velocity[index] + (gradients[index] + decay * weights[index])
        weights[index] -= rate * velocity[index]


@parallel
def _adam(
    weights: Array,
    gradients: Array,
    moments: tuple[Array, Array],
    betas: tuple[float, float],
    complements: tuple[float, float],
    decay: float,
    rate: float,
    correction: float,
    epsilon: float,
) -> None:
    """PyTorch's formula.

    `complements` are 1 - betas, from float64; `rate` has the first moment's correction for the zero that it began
    with, `correction` is the root of the second's.
    """
    first, second = moments
    beta1, beta2 = betas
    for index in prange(len(weights)):
        gradient = gradients[index] + decay * weights[index]
        first[index] += complements[0] * (gradient - first[index])
        second[index] = beta2 * second[index] + complements[1] * gradient * gradient
        weights[index] -= rate * first[index] / (np.sqrt(second[index]) / correction + epsilon)


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
    betas = hyperparameters["beta1"], hyperparameters["beta2"]
    rate = hyperparameters["lr"] / (1 - betas[0] ** step)
    correction = np.sqrt(1 - betas[1] ** step)
    decay = hyperparameters.get("weight_decay", 0)
    single = np.float32
    _adam(
        weights,
        gradients,
        (states[0], states[1]),
        (single(betas[0]), single(betas[1])),
        (single(1 - betas[0]), single(1 - betas[1])),
        single(decay),
        single(rate),
        single(correction),
        single(ADAM_EPSILON),
    )


SGD = OptimizerKernels("aten::_fused_sgd_", _sgd_states, _run_sgd)
ADAM = OptimizerKernels("aten::_fused_adam_", lambda _: ("exp_avg", "exp_avg_sq"), _run_adam, counts=True)
