"""Implementations: one way to run a bundle a module, each a value that says what to start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profkit.native import Say
from profkit.spec import Network


@dataclass(frozen=True)
class Implementation:
    """Runs bundles.

    Attributes:
        name: on the command line.
        summary: one line.
        language: `python` or `c++`.
        devices: that it can run on, the usual one first.
        command: what to start, without flags; builds it first where that is needed, and says so.
            Raises MissingToolError or BuildError.
        refusal: why it cannot run a network on a device here and now; None where it can. The device is one of its own.
    """

    name: str
    summary: str
    language: str
    devices: tuple[str, ...]
    command: Callable[[Say], list[str]]
    refusal: Callable[[Network, str], str | None]

    def why_not(self, network: Network, device: str) -> str | None:
        """Why it cannot run this network on this device, in a few words; None where it can."""
        if device not in self.devices:
            return f"{self.name} does not run on {device}"
        return self.refusal(network, device)


REFERENCE = "pytorch"
"""The implementation that the others are compared with."""
