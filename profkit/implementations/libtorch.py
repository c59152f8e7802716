"""LibTorch from C++: the program in `cpp/`, built on demand against the installed torch."""

from __future__ import annotations

from functools import partial

from profkit.implementations import Implementation
from profkit.implementations.pytorch import missing_device
from profkit.native import BUILD_TYPES, RELEASE, Say, build_program
from profkit.spec import Network


def command(say: Say, variant: str = RELEASE) -> list[str]:
    """The compiled runner, in one of the variants of `BUILD_TYPES`.

    Raises:
        MissingToolError: torch, cmake or a compiler is missing.
        BuildError: the build fails.
    """
    return [str(build_program(say, variant))]


def refusal(_network: Network, device: str) -> str | None:
    """It knows every kind; only a device may be missing, and it is the same torch that Python uses."""
    return missing_device(device)


LIBTORCH = Implementation(
    name="libtorch",
    summary="LibTorch in C++",
    language="c++",
    devices=("cpu", "cuda"),
    command=command,
    refusal=refusal,
    builds={variant: partial(command, variant=variant) for variant in BUILD_TYPES},
)
