"""Scalene: lines, functions and stacks of Python with their time in Python and in native code, and their memory."""

from __future__ import annotations

from pathlib import Path

from profkit.commands import split_python
from profkit.options import Option, Options
from profkit.recorders import Recorder

CONFIGURATION = Path(__file__).with_name("scalene.yaml")
"""Scalene has no flag for memory without its GPU mode, which runs a PyTorch Profiler of its own for minutes."""

MEMORY_LIMIT_S = 300.0
MEMORY_CAUTION = (
    "Scalene's memory mode replaces the allocator and takes several times as long; it is given "
    f"{MEMORY_LIMIT_S:.0f} s (--time-limit)"
)


def wrap(command: list[str], artefact: Path, settings: Options) -> list[str]:
    """The program under Scalene, switched off until the region."""
    python = split_python(command)
    what = ["--memory", "-c", str(CONFIGURATION)] if settings["memory"] else ["--cpu-only"]
    scalene = ["-m", "scalene", "run", *what, "--off", "--profile-all"]
    settled = [f"--cpu-sampling-rate={settings['period']}", "-o", str(artefact)]
    return [python.interpreter, *python.flags, *scalene, *settled, *python.target, "---", *python.arguments]


SCALENE = Recorder(
    name="scalene",
    summary="Scalene: lines and stacks, Python and native time apart; memory on request (slow)",
    artefact="scalene.json",
    format="scalene",
    wrap=wrap,
    modules={"scalene": "pip install scalene"},
    refuses={"c++": "it runs inside the Python interpreter, and a C++ program has none"},
    steps=200,
    options={
        "memory": Option(False, "memory by line too: several times slower, and the program's allocator is Scalene's"),
        "period": Option(0.01, "seconds between two samples", least=0.0001),
    },
    caution=lambda settings: MEMORY_CAUTION if settings["memory"] else "",
    limit_s=lambda settings: MEMORY_LIMIT_S if settings["memory"] else None,
    period_ns=lambda settings: round(1e9 * float(settings["period"])),
    version=None,
)
