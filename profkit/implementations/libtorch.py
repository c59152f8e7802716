"""LibTorch from C++: the program in `cpp/`, built on demand against the installed torch."""

from __future__ import annotations

from profkit.implementations import Implementation
from profkit.native import Say, build


def command(say: Say) -> list[str]:
    """The compiled runner.

    Raises:
        MissingToolError: torch, cmake or a compiler is missing.
        BuildError: the build fails.
    """
    return [str(build(say).program)]


LIBTORCH = Implementation(name="libtorch", summary="LibTorch in C++", language="c++", devices=("cpu",), command=command)
