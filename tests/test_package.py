"""The package as a whole: its public names, and what it does not import until it must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import profkit

PUBLIC = [
    "Agreement",
    "Audit",
    "Cost",
    "CostFamily",
    "Course",
    "Diff",
    "Evidence",
    "Explanation",
    "Finding",
    "Inputs",
    "Layer",
    "Machine",
    "Network",
    "Option",
    "Peaks",
    "Profile",
    "ProfkitError",
    "Recording",
    "Request",
    "Roofline",
    "Rule",
    "Run",
    "Sweep",
    "Task",
    "Workload",
    "bench",
    "cmake_prefix_path",
    "diff",
    "explain",
    "load",
    "record",
    "region",
    "rooflines",
    "step",
]

SLOW = {"torch", "pandas", "numba", "altair", "scipy.stats"}


def test_the_public_names_are_these() -> None:
    assert profkit.__all__ == PUBLIC
    assert all(callable(getattr(profkit, name)) for name in PUBLIC if name != "cmake_prefix_path")


def imported_by(statement: str) -> set[str]:
    """Modules in memory after a statement, in a fresh interpreter."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_command_line_starts_without_any_slow_library() -> None:
    assert not imported_by("import profkit.cli") & (SLOW | {"numpy", "pyarrow", "scipy"})


def test_no_module_outside_the_runner_and_the_charts_imports_a_slow_library() -> None:
    package = Path(profkit.__file__).parent
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py")]
    left_out = ("runner", "guest", "views.chart", "views.roofline_chart", "__main__")
    names = [name.removesuffix(".__init__") for name in names if not any(part in name for part in left_out)]
    assert len(names) > 80
    assert not imported_by(f"import importlib; [importlib.import_module(name) for name in {names}]") & SLOW


def test_reading_an_artefact_does_not_load_pandas() -> None:
    """It would cost a fifth of a second and 35 MB of the memory that a large trace may take."""
    trace = Path(__file__).parents[1] / "traces/mnist_cnn/pytorch/torch/trace.json.gz"
    modules = imported_by(f"import profkit; profkit.load(__import__('pathlib').Path({str(trace)!r}))")
    assert "pyarrow" in modules
    assert not modules & SLOW


def test_showing_a_profile_does_not_load_pandas() -> None:
    """Most of what `show` and `diff` would wait for."""
    profile = Path(__file__).parents[1] / "traces/mnist_cnn/pytorch/torch/profile.json"
    arguments = ["profkit", "show", str(profile), "--columns", "flop,flop_per_s", "--json"]
    statement = f"import sys; sys.argv = {arguments}; from profkit.cli import app; app(standalone_mode=False)"
    assert not imported_by(statement) & SLOW
