"""Fixtures of the importers' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.importers.callgrind import CALLGRIND
from profkit.profile import Recording
from tests.importers.callgrind_text import Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads a Callgrind file of this content."""

    def load(text: str | bytes) -> Recording:
        path = tmp_path / "callgrind.out"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return CALLGRIND.load(path)

    return load
