"""Hand-written kernels in Python, compiled by Numba for the host and for CUDA."""

from __future__ import annotations

import importlib.util
import os
import sys

from profkit.errors import MissingToolError
from profkit.implementations import Implementation
from profkit.native import Say
from profkit.runner.numba_support import lack
from profkit.spec import Network

NEEDS: dict[str, tuple[str, str]] = {"cpu": ("numba", "numba"), "cuda": ("numba_cuda", "numba-cuda")}
"""What each device needs: the module and the name of its distribution."""


def command(_say: Say) -> list[str]:
    """The runner module under the running interpreter, with Numba's engine.

    Raises:
        MissingToolError: numba or torch is not installed beside profkit.
    """
    for name in ("numba", "torch"):
        if importlib.util.find_spec(name) is None:
            raise MissingToolError(f"--impl numba needs {name}, which is not installed", "pip install 'profkit[numba]'")
    return [sys.executable, "-m", "profkit.runner", "--engine", "numba"]


def missing_device(device: str) -> str | None:
    """Why Numba cannot use a device on this machine; None where it can."""
    for module, distribution in (NEEDS["cpu"], NEEDS[device]):
        if importlib.util.find_spec(module) is None:
            return f"needs {distribution}, which is not installed"
    if device == "cpu" or os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return None
    from numba import cuda

    return None if cuda.is_available() else "no CUDA device"


def refusal(network: Network, device: str) -> str | None:
    """It has most kinds of layer, and may lack the device."""
    kinds = [layer.kind for layer in network.layers]
    return lack(device, kinds, network.loss, network.optimizer) or missing_device(device)


NUMBA = Implementation(
    name="numba",
    summary="hand-written kernels, compiled by Numba",
    language="python",
    devices=("cpu", "cuda"),
    command=command,
    refusal=refusal,
)
