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


def report(engine: Engine, course: Course, measured: Measured, load_ns: int | None) -> dict[str, Any]:
    """The report of a finished run.

    Args:
        engine: that computed.
        course: how it went through the bundle.
        measured: what the clock saw.
        load_ns: spent on reading the files; None where nothing was read.
    """
    said = engine.describe()
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
            "grad": str(course.mode == "train").lower(),
            "training": str(course.mode == "train").lower(),
            "workers": str(course.workers),
            **said.settings,
        },
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
