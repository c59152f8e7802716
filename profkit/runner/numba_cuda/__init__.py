"""Hand-written kernels for CUDA, compiled by Numba; everything is in the default stream."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import llvmlite
import numba
import numpy as np
from numba import cuda

from profkit.runner.numba_cuda import convolution, elementwise, linear, normalization, pooling
from profkit.runner.numba_cuda.launch import SIMULATED
from profkit.runner.numba_cuda.losses import LOSSES
from profkit.runner.numba_cuda.optimizers import OPTIMIZERS
from profkit.runner.numba_kernels import Array, Device, LayerKernels, Shape
from profkit.runner.numba_operators import FLATTEN

KERNELS: Mapping[str, LayerKernels] = {
    **convolution.KERNELS,
    **elementwise.KERNELS,
    **linear.KERNELS,
    **normalization.KERNELS,
    **pooling.KERNELS,
    **FLATTEN,
}


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
