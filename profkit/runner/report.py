"""What a run has to say of itself, with the keys of the C++ report."""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import asdict
from typing import Any

import psutil
import torch

from profkit.runner.engine import Engine
from profkit.runner.loop import Course, Measured
from profkit.runner.surroundings import clock, elsewhere, headless, other_tools, process_mark
from profkit.runner.torch_facts import truth


def report(engine: Engine, course: Course, measured: Measured, load_ns: int | None) -> dict[str, Any]:
    """The report of a finished run.

    Args:
        engine: that computed.
        course: how it went through the bundle.
        measured: what the clock saw.
        load_ns: spent on reading the files; None where nothing was read.
    """
    said, conditions = engine.describe(), measured.conditions
    assert conditions is not None
    tooled = course.tool.name != "none"
    return {
        "mode": course.mode,
        "step_ns": measured.step_ns,
        "samples": measured.samples,
        "phase_ns": {phase: [] if tooled else times for phase, times in measured.phase_ns.items()},
        "losses": measured.losses,
        "epochs": measured.epochs,
        "load_ns": load_ns,
        "compile_ns": said.compile_ns,
        "memory": _memory(engine),
        "threads": torch.get_num_threads(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "versions": dict(said.versions),
        "build": dict(said.build),
        "settings": {
            "language": "python",
            "device": course.device,
            "mode": course.mode,
            "grad": truth(conditions.grad),
            "training": truth(conditions.training),
            "workers": str(course.workers),
            **said.settings,
        },
        "warmup_ns": measured.warmup_ns,
        "places": dict(conditions.places),
        "synchronised": True,  # the loop waits for the device within every step that it times
        "options_checked": True,  # the parser refuses what it does not know
        **_surroundings(course.tool.name),
    }


def _surroundings(tool: str) -> dict[str, Any]:
    return {
        "clock": clock(),
        "other_tools": other_tools(tool),
        "process": process_mark(),
        "headless": headless(),
        "directory": elsewhere(),
    }


def _memory(engine: Engine) -> dict[str, int | None]:
    """Resident memory of the process and what the device's allocator holds [byte]."""
    rss = psutil.Process().memory_info().rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "rss_bytes": rss,
        "peak_rss_bytes": max(rss, peak if sys.platform == "darwin" else 1024 * peak),
        **{f"device_{name}": value for name, value in asdict(engine.memory()).items()},
    }
