"""The program's own monotonic clock around steps, phases and layers: no tool, hardly any slowdown."""

from __future__ import annotations

from pathlib import Path

from profkit.recorders import Recorder


def wrap(command: list[str], artefact: Path) -> list[str]:
    """The runner reads the clock at every scope."""
    return [*command, "--tool", "wallclock", "--artefact", str(artefact)]


WALLCLOCK = Recorder(
    name="wallclock",
    summary="the clock around steps, phases and forward layers: hardly any slowdown, no operators",
    artefact="wallclock.json",
    format="wallclock",
    wrap=wrap,
    steps=50,
)
