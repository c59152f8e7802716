"""The program's own monotonic clock around steps, phases and layers: no tool, hardly any slowdown."""

from __future__ import annotations

from profkit.recorders import Recorder

WALLCLOCK = Recorder(
    name="wallclock",
    summary="the clock around steps, phases and forward layers: hardly any slowdown, no operators",
    artefact="wallclock.json",
    format="wallclock",
    inside=True,
    steps=50,
)
