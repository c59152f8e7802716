"""What tools need beside themselves; the tools are found by their recorders."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from profkit.doctor import Seen, Surroundings, check, limited, missing, ok
from profkit.doctor.answers import ask, older
from profkit.recorders.py_spy import NATIVE

SECTION = "Needed by tools"
_VALGRIND = (3, 15)
_SIGNALS = ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGXFSZ", "SIGILL", "SIGBUS")
"""That Scalene sets handlers for, by its timer and by what is signalled with them."""
_CAP_SYS_PTRACE = 19
_STATUS = Path("/proc/self/status")
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_ADMIN_ONLY, _NOBODY = 2, 3


@check("valgrind", SECTION, needed_by=("callgrind",))
def valgrind(_: Surroundings) -> Seen:
    """Runs Callgrind."""
    program = shutil.which("valgrind")
    if program is None:
        return missing("no 'valgrind' on PATH", "apt-get install valgrind")
    answer = ask([program, "--version"])
    if answer.failure:
        return missing(answer.failure, "apt-get install --reinstall valgrind libc6-dbg")
    if older(answer.version, _VALGRIND):
        return limited(answer.version, "3.15 or later knows more processors", "apt-get install valgrind, or build it")
    return ok(answer.version, program)


@check("callgrind_annotate", SECTION, helps=("callgrind",), optional=True)
def callgrind_annotate(_: Surroundings) -> Seen:
    """Lists a Callgrind file without profkit."""
    program = shutil.which("callgrind_annotate")
    return ok(None, program) if program else missing("not on PATH", "apt-get install valgrind perl")


@check("ptrace", SECTION, needed_by=("py-spy",))
def ptrace(_: Surroundings) -> Seen | None:
    """Lets py-spy look into a running program."""
    if not sys.platform.startswith("linux") or not _STATUS.exists():
        return None
    status = dict(re.findall(r"^(\w+):[ \t]*(\S+)", _STATUS.read_text(), re.M))
    may = bool(int(status.get("CapEff", "0"), 16) >> _CAP_SYS_PTRACE & 1)
    scope = int(_YAMA.read_text()) if _YAMA.exists() else None
    facts = [
        f"{'has' if may else 'no'} CAP_SYS_PTRACE",
        f"yama ptrace_scope {'absent' if scope is None else scope}",
        *(["seccomp filters"] if status.get("Seccomp", "0") != "0" else []),
    ]
    note = ", ".join(facts)
    if scope == _NOBODY:
        return missing(note, "boot with kernel.yama.ptrace_scope = 0 to 2: 3 cannot be undone")
    if scope == _ADMIN_ONLY and not may:
        return missing(note, "sysctl kernel.yama.ptrace_scope=1", "or run as root; a container: --cap-add SYS_PTRACE")
    return ok(None, note)


@check("native frames", SECTION, helps=("py-spy",), optional=True)
def native_frames(_: Surroundings) -> Seen:
    """Let py-spy see operators and kernels."""
    if NATIVE:
        return ok(None, "py-spy reads them on this platform")
    return missing("py-spy reads none on this platform: Python frames only", "Linux on x86-64 or AArch64")


@check("signals", SECTION, helps=("scalene",))
def signals(_: Surroundings) -> Seen | None:
    """Tell Scalene when to sample."""
    names = [name for name in _SIGNALS if hasattr(signal, name)]
    if not hasattr(signal, "pthread_sigmask"):
        return None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    numbers = [(name, getattr(signal, name)) for name in names]
    # What is blocked is inherited by every program that is started from here; what is only ignored, Scalene takes over.
    taken = [f"{name} is blocked" for name, number in numbers if number in blocked]
    if taken:
        return limited(None, ", ".join(taken), "start the shell anew: it, or what started it, holds them")
    return ok(None, "free: " + " ".join(name.removeprefix("SIG") for name in names))


@check("perf", SECTION, optional=True)
def perf(_: Surroundings) -> Seen | None:
    """Samples any program, for import of perf script."""
    if not sys.platform.startswith("linux"):
        return None
    program = shutil.which("perf")
    if program is None:
        return missing("no 'perf' on PATH", "apt-get install linux-perf")
    version = ask([program, "--version"]).version
    idle = shutil.which("true")
    if idle is None:
        return ok(version, program)
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        output = str(Path(folder) / "perf.data")
        failure = ask([program, "record", "-q", "-e", "cpu-clock", "-o", output, idle]).failure
    if failure:
        return limited(version, f"it records nothing: {failure}", "sysctl kernel.perf_event_paranoid=1")
    return ok(version, program)
