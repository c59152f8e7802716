"""profkit: where the time goes in each implementation of one network, and why they differ.

The names in `__all__` are the public ones; each is imported when it is first used, so that `import profkit` is
quick. No module is called like a function of these, or importing the module would hide the function.

Example:
    >>> import profkit
    >>> python, cpp = profkit.load("python.json"), profkit.load("cpp.json")  # doctest: +SKIP
    >>> profkit.diff(python, cpp, by=("layer",)).rows[0].delta  # doctest: +SKIP
    -312750.5
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profkit.audit import Audit, Finding, Rule
    from profkit.benchmark import bench
    from profkit.comparison import Diff, diff
    from profkit.costs import Cost, CostFamily, Inputs
    from profkit.errors import ProfkitError
    from profkit.evidence import Evidence
    from profkit.explanation import Explanation, explain
    from profkit.guest.marks import region, step
    from profkit.loader import load
    from profkit.machine import Machine
    from profkit.measure import Request, record
    from profkit.native import cmake_prefix_path
    from profkit.options import Option
    from profkit.peaks import Peaks
    from profkit.prepare import Task
    from profkit.profile import Profile, Recording
    from profkit.programs import Course
    from profkit.roofline import Roofline, rooflines
    from profkit.run import Agreement, Run
    from profkit.spec import Layer, Network, Workload
    from profkit.sweep import Sweep

_HOMES = {
    "Agreement": "run",
    "Audit": "audit",
    "Cost": "costs",
    "CostFamily": "costs",
    "Course": "programs",
    "Diff": "comparison",
    "Evidence": "evidence",
    "Explanation": "explanation",
    "Finding": "audit",
    "Inputs": "costs",
    "Layer": "spec",
    "Machine": "machine",
    "Network": "spec",
    "Option": "options",
    "Peaks": "peaks",
    "Profile": "profile",
    "ProfkitError": "errors",
    "Recording": "profile",
    "Request": "measure",
    "Roofline": "roofline",
    "Rule": "audit",
    "Run": "run",
    "Sweep": "sweep",
    "Task": "prepare",
    "Workload": "spec",
    "bench": "benchmark",
    "cmake_prefix_path": "native",
    "diff": "comparison",
    "explain": "explanation",
    "load": "loader",
    "record": "measure",
    "region": "guest.marks",
    "rooflines": "roofline",
    "step": "guest.marks",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'profkit' has no attribute '{name}'")
    return getattr(importlib.import_module(f"profkit.{_HOMES[name]}"), name)
