"""Hand-written kernels for the host, compiled by Numba."""

from __future__ import annotations

import os
from collections.abc import Mapping

import llvmlite
import llvmlite.binding
import numba
import numpy as np

from profkit.runner.numba_cpu import convolution, elementwise, linear, normalization, pooling
from profkit.runner.numba_cpu.losses import LOSSES
from profkit.runner.numba_cpu.optimizers import OPTIMIZERS
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


def _allocate(shape: Shape, dtype: str) -> Array:
    return np.empty(shape, dtype)


def open_device(threads: int) -> Device:
    """The host with so many threads.

    Args:
        threads: at most what Numba was started with (`NUMBA_NUM_THREADS`).

    Raises:
        ValueError: more threads than that.
    """
    if "NUMBA_THREADING_LAYER" not in os.environ:
        # Alone, a thread needs no waking under OpenMP: a kernel starts in a microsecond. Several of them wait there by
        # spinning, and torch has a second set of threads for the batches: on a busy machine the two sets then take each
        # other's cores. Those of Numba's own queue sleep.
        numba.config.THREADING_LAYER_PRIORITY = (
            ["omp", "workqueue", "tbb"] if threads == 1 else ["workqueue", "omp", "tbb"]
        )
    numba.set_num_threads(threads)
    elementwise.assign(
        np.zeros(1, np.float32), np.zeros(1, np.float32)
    )  # it starts the threads, whose layer is told below
    return Device(
        allocate=_allocate,
        to_device=np.ascontiguousarray,
        to_host=np.array,
        scalar=lambda array: array[0],
        synchronize=lambda: None,
        layers=KERNELS,
        losses=LOSSES,
        optimizers=OPTIMIZERS,
        assign=elementwise.assign,
        accumulate=elementwise.accumulate,
        compiles=True,
        versions={"numba": numba.__version__, "llvmlite": llvmlite.__version__, "numpy": np.__version__},
        settings={
            "cpu_capability": numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name(),
            "threading_layer": numba.threading_layer(),
        },
        on_host=True,
    )
