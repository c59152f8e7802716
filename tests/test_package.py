"""The package as a whole: its public names, and what it does not import until it must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import profkit

PUBLIC = [
    "Agreement",
    "Diff",
    "Layer",
    "Machine",
    "Network",
    "Profile",
    "ProfkitError",
    "Recording",
    "Request",
    "Run",
    "Task",
    "Workload",
    "diff",
    "load",
    "record",
]

SLOW = {"torch", "pandas", "numba", "altair", "scipy.stats"}


def test_the_public_names_are_these() -> None:
    assert profkit.__all__ == PUBLIC
    assert all(callable(getattr(profkit, name)) for name in PUBLIC)


def imported_by(statement: str) -> set[str]:
    """Modules in memory after a statement, in a fresh interpreter."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_command_line_starts_without_any_slow_library() -> None:
    assert not imported_by("import profkit.cli") & (SLOW | {"numpy", "pyarrow", "scipy"})


def test_no_module_outside_the_runner_and_the_charts_imports_a_slow_library() -> None:
    walk = (
        "import importlib, pkgutil, profkit;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(profkit.__path__, 'profkit.')"
        " if not any(part in m.name for part in ('runner', 'views.chart', '__main__'))]"
    )
    assert not imported_by(walk) & SLOW


def test_reading_an_artefact_does_not_load_pandas() -> None:
    """It would cost a fifth of a second and 35 MB of the memory that a large trace may take."""
    trace = Path(__file__).parents[1] / "traces/mnist_cnn/pytorch/torch/trace.json.gz"
    modules = imported_by(f"import profkit; profkit.load(__import__('pathlib').Path({str(trace)!r}))")
    assert "pyarrow" in modules
    assert not modules & SLOW
