"""PyTorch from Python, in this interpreter's environment."""

from __future__ import annotations

import importlib.util
import sys

from profkit.errors import MissingToolError
from profkit.implementations import Implementation
from profkit.native import Say
from profkit.spec import Network


def command(_say: Say) -> list[str]:
    """The runner module under the running interpreter.

    Raises:
        MissingToolError: torch is not installed beside profkit.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingToolError("--impl pytorch needs torch, which is not installed", "pip install torch==2.13.0")
    return [sys.executable, "-m", "profkit.runner"]


def missing_device(device: str) -> str | None:
    """Why torch cannot use a device on this machine; None where it can."""
    if device == "cpu":
        return None
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return "no CUDA device" if torch.backends.cuda.is_built() else "no CUDA device, and this torch is a CPU build"
    if device == "mps" and not torch.backends.mps.is_available():
        return "no Apple GPU (mps)"
    return None


def refusal(_network: Network, device: str) -> str | None:
    """It knows every kind; only a device may be missing."""
    return missing_device(device)


PYTORCH = Implementation(
    name="pytorch",
    summary="PyTorch in Python",
    language="python",
    devices=("cpu", "cuda", "mps"),
    command=command,
    refusal=refusal,
)
