"""Fixtures of the tests of LibTorch programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cpp.user_programs import build_programs


@pytest.fixture(scope="session")
def user_programs() -> dict[str, Path]:
    """The example and the programs of the tests, by name."""
    return build_programs()
