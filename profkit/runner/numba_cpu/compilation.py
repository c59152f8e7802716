"""How the kernels of the host are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

FAST = {"contract", "reassoc", "nsz"}
"""What LLVM may change of float arithmetic: fuse multiply and add, sum in vector lanes, forget the sign of zero.

Not `nnan`, `ninf`: a loss that is no number must stay one, because the program stops at it. Not `arcp`: it changes quotients.
"""

Function = TypeVar("Function", bound=Callable[..., Any])


def parallel(function: Function) -> Function:
    """A kernel: its `prange` loops share out their turns among the threads.

    Nothing is cached on disk: the cache would lie in the package's folder.
    """
    return cast(Function, numba.njit(parallel=True, fastmath=FAST)(function))


def inner(function: Function) -> Function:
    """Part of a kernel.

    It takes whole arrays and indices, not parts of arrays: a view is counted with an atomic operation on its array,
    and threads that share the array wait for each other there.
    """
    return cast(Function, numba.njit(fastmath=FAST)(function))
