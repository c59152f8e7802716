"""Valgrind Callgrind: every instruction of the region, with call edges; labelled dumps give layers and phases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from profkit.options import Option, Options
from profkit.recorders import Recorder

_PROCESS = re.compile(r"^==(\d+)== ", re.MULTILINE)


def wrap(command: list[str], artefact: Path, settings: Options) -> list[str]:
    """The region counts: what lies in a function, or else what the program asks for by client requests.

    All dumps of a process go to one file, valgrind's own words beside it.
    """
    toggle = settings["toggle"]
    region = [f"--toggle-collect={toggle}"] if toggle else ["--instr-atstart=no"]
    valgrind = [
        "valgrind",
        "--tool=callgrind",
        *region,
        "--combine-dumps=yes",
        f"--callgrind-out-file={artefact}.%p",
        f"--log-file={artefact.with_suffix('.log')}",
    ]
    return [*valgrind, *command]


def settle(artefact: Path) -> Mapping[str, str]:
    """Take the file of the process that was started: those that it forked have counted, and written, on their own."""
    log = artefact.with_suffix(".log")
    first = _PROCESS.search(log.read_text(errors="replace")) if log.exists() else None
    own = artefact.with_name(f"{artefact.name}.{first[1]}") if first else artefact
    if own.exists():
        own.rename(artefact)
    others = sorted(path.name for path in artefact.parent.glob(f"{artefact.name}.*"))
    return {"forked processes left out": " ".join(others)} if others else {}


CALLGRIND = Recorder(
    name="callgrind",
    summary="Valgrind Callgrind: instructions, exact and repeatable, of interpreter and kernels alike (slow)",
    artefact="callgrind.out",
    format="callgrind",
    wrap=wrap,
    settle=settle,
    always_slow=True,
    programs={"valgrind": "apt-get install valgrind"},
    steps=2,
    warmup=2,
    client_requests=True,
    options={
        "toggle": Option("", "count in this function only (`main`, 'train*'), in place of the program's own region"),
    },
    version=("valgrind", "--version"),
)
