"""Ask what is made on demand whether it is there, without making it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from profkit.native import Say

T = TypeVar("T")


class UnbuiltError(Exception):
    """It is not there yet, and could be made."""


def unless_built(make: Callable[[Say], T]) -> T | None:
    """What `make` would return at once, or None where it had to build or fetch first.

    All that is made on demand says so before it begins; that is where it is stopped.

    Args:
        make: of the kind of `profkit.native.build`.

    Raises:
        ProfkitError: what is needed to make it is missing.
    """
    try:
        return make(_stop)
    except UnbuiltError:
        return None


def _stop(_words: str) -> None:
    raise UnbuiltError
