"""Implementations: one way to run a bundle a module, each a value that says what to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from profkit.errors import UsageError
from profkit.native import RELEASE, Say
from profkit.registry import unknown
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
        builds: of a program that is compiled here, what to start by the name of the build (`release`, `debug`); empty
            where nothing is compiled here.
    """

    name: str
    summary: str
    language: str
    devices: tuple[str, ...]
    command: Callable[[Say], list[str]]
    refusal: Callable[[Network, str], str | None]
    builds: Mapping[str, Callable[[Say], list[str]]] = field(default_factory=dict, hash=False)

    def why_not(self, network: Network, device: str) -> str | None:
        """Why it cannot run this network on this device, in a few words; None where it can."""
        if device not in self.devices:
            return f"{self.name} does not run on {device}"
        return self.refusal(network, device)

    def built(self, variant: str) -> Implementation:
        """The same, compiled in another way.

        Args:
            variant: name of the build; what is not compiled here has only `release`, as it is.

        Raises:
            UsageError: it has no such build.
        """
        if not self.builds and variant != RELEASE:
            raise UsageError(
                f"{self.name} has no {variant} build: it is not compiled here", f"leave it out, or --build {RELEASE}"
            )
        if self.builds and variant not in self.builds:
            raise unknown("build", variant, self.builds)
        return replace(self, command=self.builds[variant]) if self.builds else self


REFERENCE = "pytorch"
"""The implementation that the others are compared with."""
