"""py-spy: the stacks of the running program, Python and native, many times a second, from outside."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from profkit.commands import find_program
from profkit.options import Option, Options
from profkit.recorders import Attachment, Recorder

NATIVE = (sys.platform, platform.machine()) in {("linux", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64")}
"""Whether py-spy unwinds native frames on this platform."""

_COUNTS = re.compile(r"Samples: (?P<samples>\d+) Errors: (?P<sample_errors>\d+)")
_LATE = re.compile(r"([\d.]+m?s) behind in sampling")
_FORBIDDEN = (
    "ptrace is forbidden: sysctl kernel.yama.ptrace_scope=0, or run as root; a container needs --cap-add SYS_PTRACE"
)


def command(process: int, artefact: Path, settings: Options) -> list[str]:
    """py-spy on a running process, until it is interrupted or the process ends."""
    switches = ("native", "subprocesses", "threads", "nonblocking", "idle", "gil")
    return [
        find_program("py-spy") or "py-spy",
        "record",
        f"--pid={process}",
        f"--output={artefact}",
        f"--format={settings['format']}",
        f"--rate={settings['rate']}",
        *(f"--{name}" for name in switches if settings[name]),
    ]


def counts(words: str) -> Mapping[str, str]:
    """How many samples it took, how many failed, and how far it fell behind."""
    found = _COUNTS.search(words)
    said = found.groupdict() if found else {}
    late = _LATE.findall(words)
    return said | ({"sampling_behind": late[-1]} if late else {})


def conflict(settings: Options) -> str | None:
    """Native frames are read from a program that stands still."""
    if settings["native"] and settings["nonblocking"]:
        return "native frames cannot be read without stopping the program (native=false goes with nonblocking=true)"
    return None


PY_SPY = Recorder(
    name="py-spy",
    summary="py-spy: samples of Python and native stacks from outside, hardly any slowdown",
    artefact="py-spy.{format}",
    format="collapsed",
    programs={"py-spy": "pip install py-spy"},
    refuses={"c++": "it finds its way through the frames of the Python interpreter, and a C++ program has none"},
    steps=200,
    attachment=Attachment(
        command=command,
        ready="Sampling process",
        refusals={
            "Permission": _FORBIDDEN,
            "EPERM": _FORBIDDEN,
            "No python processes found": _FORBIDDEN,
            "Unsupported version": "a newer py-spy: pip install -U py-spy",
        },
        counts=counts,
    ),
    options={
        "rate": Option(100, "samples a second"),
        "native": Option(NATIVE, "frames of C++ too: operators and kernels"),
        "subprocesses": Option(True, "processes that the program starts too"),
        "threads": Option(True, "threads apart"),
        "nonblocking": Option(False, "do not stop the program for a sample: faster, but some stacks are torn"),
        "idle": Option(False, "threads that wait too"),
        "gil": Option(False, "only threads that hold the interpreter's lock: hides all of torch's work"),
        "format": Option("raw", "of the artefact", ("raw", "speedscope")),
    },
    conflict=conflict,
    period_ns=lambda settings: round(1e9 / float(settings["rate"])),
    version=("py-spy", "--version"),
)
