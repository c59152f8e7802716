"""Hand-written kernels for CUDA, compiled by Numba; everything is in the default stream."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import llvmlite
import numba
import numpy as np
from numba import cuda

from profkit.runner.numba_cuda import convolution, elementwise, linear, losses, normalization, optimizers, pooling
from profkit.runner.numba_cuda.launch import SIMULATED
from profkit.runner.numba_kernels import Array, Device, LayerKernels, OptimizerKernels, Shape

KERNELS: Mapping[str, LayerKernels] = {
    "adaptive_avg_pool2d": pooling.ADAPTIVE_AVG_POOL2D,
    "add": elementwise.ADD,
    "avg_pool2d": pooling.AVG_POOL2D,
    "batch_norm2d": normalization.BATCH_NORM2D,
    "conv2d": convolution.CONV2D,
    "conv_transpose2d": convolution.CONV_TRANSPOSE2D,
    "dropout": elementwise.DROPOUT,
    "flatten": LayerKernels(view=True),
    "linear": linear.LINEAR,
    "max_pool2d": pooling.MAX_POOL2D,
    "relu": elementwise.RELU,
    "tanh": elementwise.TANH,
    "zero_pad2d": elementwise.ZERO_PAD2D,
}
LOSSES: Mapping[str, LayerKernels] = {"cross_entropy": losses.CROSS_ENTROPY, "l1": losses.L1, "l2": losses.L2}
OPTIMIZERS: Mapping[str, OptimizerKernels] = {"adam": optimizers.ADAM, "sgd": optimizers.SGD}


class Scalar:
    """The only element of an array (1,), fetched when it is asked for.

    Args:
        array: on the device.
    """

    def __init__(self, array: Array) -> None:
        self.array = array

    def __float__(self) -> float:
        return float(self.array.copy_to_host()[0])


def _allocate(shape: Shape, dtype: str) -> Array:
    return cuda.device_array(shape, np.dtype(dtype))


def open_device() -> Device:
    """The GPU, or its simulation (`NUMBA_ENABLE_CUDASIM`)."""
    name = "simulator" if SIMULATED else cuda.get_current_device().name.decode()
    return Device(
        allocate=_allocate,
        to_device=lambda array: cuda.to_device(np.ascontiguousarray(array)),
        to_host=lambda array: array.copy_to_host(),
        scalar=Scalar,
        synchronize=cuda.synchronize,
        layers=KERNELS,
        losses=LOSSES,
        optimizers=OPTIMIZERS,
        assign=elementwise.assign,
        accumulate=elementwise.accumulate,
        compiles=not SIMULATED,
        versions={
            "numba": numba.__version__,
            "llvmlite": llvmlite.__version__,
            "numpy": np.__version__,
            "numba-cuda": version("numba-cuda"),
        },
        settings={"device_name": name},
        on_host=False,
    )
