"""How the kernels of the host are compiled, and where what was compiled is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from profkit.cache import cache_directory

FAST = {"contract", "reassoc", "nsz"}
"""What LLVM may change of float arithmetic: fuse multiply and add, sum in vector lanes, forget the sign of zero.

Not `nnan`, `ninf`: a loss that is no number must stay so, because the program stops at it. Not `arcp`: it changes
quotients.
"""

Function = TypeVar("Function", bound=Callable[..., Any])


def _choose_cache() -> bool:
    """Keep compiled kernels in the user's cache, never in the package's folder; whether that is possible.

    Numba sees when the file of a kernel changes, but not when another file does that the kernel uses; so the sources'
    digest is part of the folder's name. A folder that the user chose (`NUMBA_CACHE_DIR`) stays the user's choice.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    directory = cache_directory() / "numba"
    directory /= digest.hexdigest()[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = numba.config.CACHE_DIR or str(directory)
    return os.access(numba.config.CACHE_DIR, os.W_OK)


_CACHED = _choose_cache()


def parallel(function: Function) -> Function:
    """A kernel: its `prange` loops share out their turns among the threads."""
    return cast(Function, numba.njit(parallel=True, fastmath=FAST, cache=_CACHED)(function))


def inner(function: Function) -> Function:
    """Part of a kernel.

    It takes whole arrays and indices, not parts of arrays: a view is counted with an atomic operation on its array,
    and threads that share the array wait for each other there.
    """
    return cast(Function, numba.njit(fastmath=FAST, cache=_CACHED)(function))
