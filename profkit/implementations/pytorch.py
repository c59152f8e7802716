"""PyTorch from Python, in this interpreter's environment."""

from __future__ import annotations

import importlib.util
import sys

from profkit.errors import MissingToolError
from profkit.implementations import Implementation
from profkit.native import Say


def command(_say: Say) -> list[str]:
    """The runner module under the running interpreter.

    Raises:
        MissingToolError: torch is not installed beside profkit.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingToolError("--impl pytorch needs torch, which is not installed", "pip install torch==2.13.0")
    return [sys.executable, "-m", "profkit.runner"]


PYTORCH = Implementation(
    name="pytorch", summary="PyTorch in Python", language="python", devices=("cpu",), command=command
)
