"""The machine that is measured on."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from rich.filesize import decimal

from profkit.cache import cache_directory
from profkit.doctor import Seen, Surroundings, check, limited, missing, ok

SECTION = "Machine"
_LEAST_FREE = 2 * 10**9
"""Bytes that traces and builds soon take."""
_PROCESSORS = Path("/sys/devices/system/cpu")
_BUSY = 0.5
"""Share of the processors that others may use before times get noisy."""


@check("processors", SECTION)
def processors(_: Surroundings) -> Seen:
    """Run programs, where affinity allows it."""
    number = os.cpu_count() or 1
    may = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(number))
    if len(may) < number:
        listed = ", ".join(map(str, may[:8])) + (" ..." if len(may) > 8 else "")
        return ok(None, f"{len(may)} of {number} by affinity: {listed}")
    return ok(None, str(number))


@check("load", SECTION)
def load(_: Surroundings) -> Seen | None:
    """Makes times noisy where other programs are at work."""
    if not hasattr(os, "getloadavg"):
        return None
    number, busy = os.cpu_count() or 1, os.getloadavg()[0]
    note = f"{busy:.1f} of {number} processors in the last minute"
    return limited(None, note, "end other programs before measuring: top") if busy > _BUSY * number else ok(None, note)


@check("clock", SECTION)
def clock(_: Surroundings) -> Seen | None:
    """Makes times noisy where it changes."""
    found = {file.read_text().strip() for file in _PROCESSORS.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    if not found:
        return None
    note = f"governor {', '.join(sorted(found))}"
    return ok(None, note) if found == {"performance"} else limited(None, note, "cpupower frequency-set -g performance")


@check("cache", SECTION)
def cache(_: Surroundings) -> Seen:
    """Keeps builds, data and viewers."""
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        return missing(f"cannot write {directory}: {error.strerror}", "export PROFKIT_CACHE=a writable directory")
    return ok(None, f"{directory}, {decimal(_size(directory))}")


@check("disk", SECTION)
def disk(_: Surroundings) -> Seen:
    """Holds artefacts and what is built."""
    places = {"here": Path.cwd(), "cache": _existing(cache_directory())}
    free = {name: shutil.disk_usage(place).free for name, place in places.items()}
    note = ", ".join(f"{name} {decimal(size)} free" for name, size in free.items())
    return (
        limited(None, note, "free space: a trace takes gigabytes")
        if min(free.values()) < _LEAST_FREE
        else ok(None, note)
    )


def _size(directory: Path) -> int:
    """Bytes of all files; those that go meanwhile count nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            file = Path(folder, name)
            total += file.lstat().st_size if file.exists() else 0
    return total


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())
