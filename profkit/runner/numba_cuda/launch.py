"""How the kernels of the GPU are started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import cuda

Function = TypeVar("Function", bound=Callable[..., Any])

SIMULATED: bool = bool(numba.config.ENABLE_CUDASIM)
"""Whether kernels run as threads of Python, for tests on machines without a GPU."""

THREADS, BLOCKS = (2, 2) if SIMULATED else (256, 4096)
"""Threads of a block, and the most blocks; every kernel loops over its elements in strides of the whole grid."""

PARTS = 64
"""A sum over many elements is made in at most so many parts, one a thread, and these are then added in their order.

No atomic operations: they would add in another order each time, and so give another result.
"""


def device_function(function: Function) -> Function:
    """A function that kernels call."""
    compiled: Function = cuda.jit(device=True)(function)
    return compiled


@device_function
def position(index: int, channels: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Sample, channel, row and column of an element of an array (samples, channels, height, width)."""
    plane = height * width
    return index // (plane * channels), index // plane % channels, index // width % height, index % width


def kernel(function: Callable[..., None]) -> Callable[..., None]:
    """A kernel for the GPU; to be called with the number of its elements before its own arguments.

    Scalars are to be NumPy's: a Python float would make all arithmetic with it float64.
    """
    compiled = cuda.jit(function)

    def launch(count: int, *arguments: Any) -> None:
        compiled[max(1, min(-(-count // THREADS), BLOCKS)), THREADS](*arguments)

    return launch
