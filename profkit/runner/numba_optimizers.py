"""What every device's optimizers share: the numbers that their kernels take, from the hyperparameters and the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from profkit.runner.numba_kernels import ADAM_EPSILON, Array, OptimizerKernels

Launch = Callable[..., None]
"""Runs a kernel over arrays (parameters,), weights and gradients first."""


def sgd(plain: Launch, with_momentum: Launch) -> OptimizerKernels:
    """SGD.

    Args:
        plain: takes weights, gradients, rate, decay.
        with_momentum: takes weights, gradients, velocity, rate, momentum, decay.
    """

    def states(hyperparameters: Mapping[str, float]) -> tuple[str, ...]:
        return ("momentum_buffer",) if hyperparameters.get("momentum") else ()

    def run(
        weights: Array, gradients: Array, kept: tuple[Array, ...], hyperparameters: Mapping[str, float], _step: int
    ) -> None:
        rate, decay = np.float32(hyperparameters["lr"]), np.float32(hyperparameters.get("weight_decay", 0))
        if kept:
            with_momentum(weights, gradients, kept[0], rate, np.float32(hyperparameters["momentum"]), decay)
        else:
            plain(weights, gradients, rate, decay)

    return OptimizerKernels("aten::_fused_sgd_", states, run)


def adam(launch: Launch) -> OptimizerKernels:
    """Adam.

    Args:
        launch: takes weights, gradients, first and second moment; beta2, 1 - beta1, 1 - beta2, decay, rate,
            correction and epsilon.
    """

    def run(
        weights: Array, gradients: Array, kept: tuple[Array, ...], hyperparameters: Mapping[str, float], step: int
    ) -> None:
        beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
        rate, correction = hyperparameters["lr"] / (1 - beta1**step), math.sqrt(1 - beta2**step)
        decay = hyperparameters.get("weight_decay", 0)
        scalars = beta2, 1 - beta1, 1 - beta2, decay, rate, correction, ADAM_EPSILON
        launch(weights, gradients, *kept, *(np.float32(scalar) for scalar in scalars))

    return OptimizerKernels("aten::_fused_adam_", lambda _: ("exp_avg", "exp_avg_sq"), run, counts=True)
