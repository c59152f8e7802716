"""Valgrind Callgrind: every instruction of the region, with call edges; labelled dumps give layers and phases."""

from __future__ import annotations

from pathlib import Path

from profkit.recorders import Recorder


def wrap(command: list[str], artefact: Path) -> list[str]:
    """Instrumentation is off until the region asks for it; all dumps go to one file, valgrind's own words beside it."""
    valgrind = [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--combine-dumps=yes",
        f"--callgrind-out-file={artefact}",
        f"--log-file={artefact.with_suffix('.log')}",
    ]
    return [*valgrind, *command, "--tool", "callgrind"]


CALLGRIND = Recorder(
    name="callgrind",
    summary="Valgrind Callgrind: instructions, exact and repeatable, of interpreter and kernels alike (slow)",
    artefact="callgrind.out",
    format="callgrind",
    wrap=wrap,
    needs={"valgrind": "apt-get install valgrind"},
    steps=2,
    warmup=2,
    client_requests=True,
    version=("valgrind", "--version"),
)
