"""What the recorded process is and what is around it; nothing here is asked while a step is timed."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def process_facts() -> dict[str, Any]:
    """Facts that hold from the start of the process to its end, with the keys of the report."""
    facts: dict[str, Any] = {
        "process": _mark(),
        "directory": _elsewhere(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    }
    if "torch" in sys.modules:
        from profkit.runner.surroundings import clock, headless

        facts |= {"clock": clock(), "headless": headless() if sys.platform == "linux" else None}
    return facts


def tools_in_process(own: str) -> set[str]:
    """Profilers, tracers and debuggers beside the recorder's own."""
    if "torch" not in sys.modules:  # which is not imported into a program for this
        return {f"hook of {type(hook).__module__}" for hook in (sys.getprofile(), sys.gettrace()) if hook is not None}
    from profkit.runner.surroundings import other_tools

    return set(other_tools(own))


def peak_bytes() -> int:
    """The most memory that this process has taken so far [byte]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def memory_facts(peak: int) -> dict[str, int | None]:
    """Memory of this process as it is now, and its peak [byte].

    Args:
        peak: the most that it has taken itself [byte], at least if not more is taken now.
    """
    rss = _resident()
    facts: dict[str, int | None] = {"rss_bytes": rss, "peak_rss_bytes": max(rss or 0, peak)}
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        facts["device_allocated_bytes"] = torch.cuda.memory_allocated()
        facts["device_reserved_bytes"] = torch.cuda.memory_reserved()
        facts["device_peak_bytes"] = torch.cuda.max_memory_allocated()
    return facts


def _elsewhere() -> bool | None:
    """Whether the program runs in another directory than the one that its source is in."""
    source = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if source is None else Path(source).resolve().parent != Path.cwd()


def _mark() -> str:
    """What no other process has, since the machine was started."""
    stat = Path("/proc/self/stat")
    started = stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else f"{time.time():.0f}"
    return f"{os.getpid()}-{started}"


def _resident() -> int | None:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else None
