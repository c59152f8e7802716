"""PyTorch Profiler (Kineto): operators with times, shapes and memory, inside the program itself."""

from __future__ import annotations

from pathlib import Path

from profkit.recorders import Recorder


def wrap(command: list[str], artefact: Path) -> list[str]:
    """The runner starts the profiler around its own region."""
    return [*command, "--tool", "torch", "--artefact", str(artefact)]


TORCH = Recorder(
    name="torch",
    summary="PyTorch Profiler: every operator with its time, shapes and memory",
    artefact="trace.json",
    format="kineto",
    wrap=wrap,
    # Kineto and the allocator otherwise report their start and stop among the program's own output.
    environment={"KINETO_LOG_LEVEL": "6", "TORCH_CPP_LOG_LEVEL": "ERROR"},
)
