"""Kineto: the Chrome-trace JSON that torch.profiler writes, in Python and in C++, on CPU, CUDA and ROCm.

Rows of one host thread become a forest by containment. Rows of a device are roots; `launcher_id` says which record on
the host launched them. Memory events are added to the innermost operator that was open on their thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from profkit.artefact import open_artefact
from profkit.chrome_trace.chunks import TraceReader
from profkit.chrome_trace.events import EventColumns
from profkit.chrome_trace.records import records
from profkit.chrome_trace.writers import by_torch
from profkit.errors import InputError
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

_PYTHON_KEYS = ("trace_id", "record_shapes", "with_stack", "with_flops", "with_modules", "profile_memory")
_VERSION_KEYS = {
    "pytorch_version": "torch",
    "torch_version": "torch",
    "cuda_runtime_version": "cuda_runtime",
    "cuda_driver_version": "cuda_driver",
    "hip_runtime_version": "hip_runtime",
    "hip_driver_version": "hip_driver",
    "cupti_version": "cupti",
    "nccl_version": "nccl",
}


def sniff(head: bytes) -> bool:
    """Whether a file that begins so is a torch trace."""
    return by_torch(head)


def load(path: Path) -> Recording:
    """Read a trace, compressed or not, a chunk at a time.

    Raises:
        InputError: unreadable, not JSON, not a trace of torch, or without an operator.
    """
    columns = EventColumns()
    with open_artefact(path) as file:
        reader = TraceReader(file, columns.decode, columns.decode_loosely, str(path))
        for events in reader:
            columns.add(events)
    _check(columns, path)
    language = _language(reader, columns)
    run = _run(path, reader.metadata, columns, language)
    notes = [*reader.notes, *_notes_on_rows(columns)]
    broken = reader.broken + columns.incomplete
    made = records(columns, language)
    return Recording(
        run,
        made.table,
        notes=(*notes, *made.notes),
        broken=broken,
        launches_without_kernel=made.launches_without_kernel,
    )


def _check(columns: EventColumns, path: Path) -> None:
    """Raise InputError unless there is something to compare."""
    hint = "record with ProfilerActivity.CPU, or in C++ with libtorch built with Kineto, and let the region run a step"
    if not columns.events:
        raise InputError(f"{path} has no events", hint)
    if columns.operators:
        return
    if columns.rows or columns.left_out:
        kept = f"{columns.rows} rows of other kinds" if columns.rows else "only marks of the profiler itself"
        raise InputError(f"{path} has no operator events, but {kept}", hint)
    found = ", ".join(f"{count} of {name}" for name, count in columns.foreign.most_common(5)) or "none"
    raise InputError(
        f"{path} has {columns.events} events, but none that torch writes (complete events: {found})",
        "this is a Chrome trace of another tool; import that tool's own format",
    )


def _notes_on_rows(columns: EventColumns) -> list[str]:
    notes = []
    if columns.left_out:
        rows = ", ".join(f"{count} {name}" for name, count in sorted(columns.left_out.items()))
        notes.append(f"rows that only repeat or mark others are not summed: {rows}")
    if columns.foreign:
        rows = ", ".join(f"{count} {name}" for name, count in sorted(columns.foreign.items()))
        notes.append(f"rows of unknown categories left out: {rows}")
    if columns.incomplete:
        notes.append(f"{columns.incomplete} events without a duration left out")
    return notes


def _language(reader: TraceReader[Any], columns: EventColumns) -> str | None:
    """Language of the recorded program, where the trace tells: only Python writes its options and its functions."""
    if (
        columns.python
        or any(key in reader.metadata for key in _PYTHON_KEYS)
        or any("python" in name for name in columns.processes)
        or any(name.startswith("Optimizer.") for name in columns.names)
    ):
        return "python"
    return "c++" if "schemaVersion" in reader.metadata else None


def _run(path: Path, metadata: Mapping[str, Any], columns: EventColumns, language: str | None) -> Run:
    steps = len({name for name in columns.names if name.startswith("ProfilerStep#")})
    settings = {"language": language} if language else {}
    devices = metadata.get("deviceProperties")
    names = [str(device.get("name")) for device in devices or () if isinstance(device, dict)]
    if names:
        settings["devices"] = json.dumps(names)
    settings |= {key: str(metadata[key]) for key in _PYTHON_KEYS[1:] if key in metadata}
    distributed = metadata.get("distributedInfo")
    if isinstance(distributed, dict):
        settings |= {key: str(distributed[key]) for key in ("rank", "world_size", "backend") if key in distributed}
    return Run(
        tool="torch",
        versions={name: str(metadata[key]) for key, name in _VERSION_KEYS.items() if key in metadata},
        settings=settings,
        steps=steps or None,
        artefacts=(path.name,),
        recorded_at=_recorded_at(metadata, columns),
    )


def _recorded_at(metadata: Mapping[str, Any], columns: EventColumns) -> str | None:
    """UTC of the first row: Kineto counts from `baseTimeNanoseconds`, and from 1970 before it had that."""
    base = metadata.get("baseTimeNanoseconds", 0)
    moment = columns.first_ns + (base if isinstance(base, int) else 0)
    if moment < 1_000_000_000_000_000_000:  # 2001: a clock that counts from something else
        return None
    return datetime.fromtimestamp(moment // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


KINETO = Importer(name="kineto", sniff=sniff, load=load)
