"""PyTorch Profiler (Kineto): operators with times, shapes and memory, inside the program itself."""

from __future__ import annotations

from profkit.recorders import Recorder

TORCH = Recorder(
    name="torch",
    summary="PyTorch Profiler: every operator with its time, shapes and memory",
    artefact="trace.json",
    format="kineto",
    inside=True,
    # Kineto and the allocator otherwise report their start and stop among the program's own output.
    environment={"KINETO_LOG_LEVEL": "6", "TORCH_CPP_LOG_LEVEL": "ERROR"},
)
