"""Run the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Profkit = Callable[..., subprocess.CompletedProcess[str]]


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The message on standard error, after checking what every complaint must have."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert re.search(r"^profkit: \S", done.stderr, re.M), done.stderr
    assert re.search(r"^hint: \S", done.stderr, re.M), done.stderr
    return done.stderr


@pytest.fixture
def profkit(tmp_path: Path) -> Profkit:
    """Run `profkit ARGUMENTS` in an empty directory; `environment` is added to the variables."""

    def run(
        *arguments: str | Path, environment: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "profkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80", **(environment or {})},
            **options,
        )

    return run
