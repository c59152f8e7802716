"""Linear layers: one thread's turn is one element of a product."""

from __future__ import annotations

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.convolution import zeros
from profkit.runner.numba_cuda.launch import kernel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels


@kernel
def _outputs(inputs: Array, weight: Array, bias: Array, output: Array) -> None:
    """Output (n, outputs) = inputs (n, features) @ weight (outputs, features) transposed + bias."""
    samples, outputs = output.shape
    for index in range(cuda.grid(1), samples * outputs, cuda.gridsize(1)):
        sample, channel = index // outputs, index % outputs
        total = np.float32(0)
        for feature in range(inputs.shape[1]):
            total += inputs[sample, feature] * weight[channel, feature]
        output[sample, channel] = total + bias[channel]


@kernel
def _inputs(gradient: Array, weight: Array, result: Array) -> None:
    """Result (n, features) = gradient (n, outputs) @ weight."""
    samples, features = result.shape
    for index in range(cuda.grid(1), samples * features, cuda.gridsize(1)):
        sample, feature = index // features, index % features
        total = np.float32(0)
        for channel in range(gradient.shape[1]):
            total += gradient[sample, channel] * weight[channel, feature]
        result[sample, feature] = total


@kernel
def _weights(gradient: Array, inputs: Array, result: Array) -> None:
    """Result (outputs, features) = gradient transposed @ inputs."""
    outputs, features = result.shape
    for index in range(cuda.grid(1), outputs * features, cuda.gridsize(1)):
        channel, feature = index // features, index % features
        total = np.float32(0)
        for sample in range(inputs.shape[0]):
            total += gradient[sample, channel] * inputs[sample, feature]
        result[channel, feature] = total


@kernel
def _bias(gradient: Array, result: Array) -> None:
    """Result (outputs,) = sum of the rows of `gradient`."""
    for channel in range(cuda.grid(1), result.shape[0], cuda.gridsize(1)):
        total = np.float32(0)
        for sample in range(gradient.shape[0]):
            total += gradient[sample, channel]
        result[channel] = total


def _forward(call: Call) -> None:
    bias = call.weights["bias"] if "bias" in call.weights else zeros(call, call.output.shape[1])
    _outputs(call.output.size, call.inputs[0], call.weights["weight"], bias, call.output)


def _input_gradient(call: Call) -> None:
    if (result := call.input_gradients[0]) is not None:
        _inputs(result.size, call.gradient, call.weights["weight"], result)


def _weight_gradient(call: Call) -> None:
    result = call.gradients["weight"]
    _weights(result.size, call.gradient, call.inputs[0], result)


def _bias_gradient(call: Call) -> None:
    if "bias" in call.gradients:
        _bias(call.gradients["bias"].size, call.gradient, call.gradients["bias"])


KERNELS = kernels("linear", (_forward,), (_input_gradient, _weight_gradient, _bias_gradient))
