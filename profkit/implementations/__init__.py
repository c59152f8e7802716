"""Implementations: one way to run a bundle a module, each a value that says what to start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profkit.native import Say


@dataclass(frozen=True)
class Implementation:
    """Runs every workload's bundle.

    Attributes:
        name: on the command line.
        summary: one line.
        language: `python` or `c++`.
        devices: that it runs on.
        command: what to start, without flags; builds it first where that is needed, and says so.
            Raises MissingToolError or BuildError.
    """

    name: str
    summary: str
    language: str
    devices: tuple[str, ...]
    command: Callable[[Say], list[str]]


REFERENCE = "pytorch"
"""The implementation that the others are compared with."""
