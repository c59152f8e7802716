"""Valgrind Callgrind: every instruction of the region, with call edges; labelled dumps give layers and phases."""

from __future__ import annotations

from pathlib import Path

from profkit.options import Option, Options
from profkit.recorders import Recorder


def wrap(command: list[str], artefact: Path, settings: Options) -> list[str]:
    """The region counts: what lies in a function, or else what the program asks for by client requests.

    All dumps go to one file, valgrind's own words beside it.
    """
    toggle = settings["toggle"]
    region = [f"--toggle-collect={toggle}"] if toggle else ["--instr-atstart=no"]
    valgrind = [
        "valgrind",
        "--tool=callgrind",
        *region,
        "--combine-dumps=yes",
        f"--callgrind-out-file={artefact}",
        f"--log-file={artefact.with_suffix('.log')}",
    ]
    return [*valgrind, *command]


CALLGRIND = Recorder(
    name="callgrind",
    summary="Valgrind Callgrind: instructions, exact and repeatable, of interpreter and kernels alike (slow)",
    artefact="callgrind.out",
    format="callgrind",
    wrap=wrap,
    programs={"valgrind": "apt-get install valgrind"},
    steps=2,
    warmup=2,
    client_requests=True,
    options={
        "toggle": Option("", "count in this function only (`main`, 'train*'), in place of the program's own region"),
    },
    version=("valgrind", "--version"),
)
