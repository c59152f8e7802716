"""TensorBoard: a log directory for torch-tb-profiler; a trace of torch is put there as it is, of others one is made."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np

from profkit.exporters import GZIP_MAGIC, Exporter, Material, write_file
from profkit.flame_graph.chrome import complete, named_track, process
from profkit.flame_graph.forest import in_time
from profkit.flame_graph.text import chosen, writer

_WORKER = "profkit"
_ANNOTATIONS = ("ProfilerStep#", "phase/", "layer/")


def write_directory(material: Material, directory: Path) -> None:
    """Write `<directory>/<worker>.<ns>.pt.trace.json[.gz]`, one for each artefact: the names that the plugin looks for.

    Raises:
        WriteError: it cannot be written.
        OSError: an artefact cannot be copied.
    """
    moment = _moment_ns(material)
    for number, trace in enumerate(material.torch_traces):
        with trace.open("rb") as file:
            ending = ".gz" if file.read(2) == GZIP_MAGIC else ""
        _same_file(trace.resolve(), directory / f"{_WORKER}.{moment + number}.pt.trace.json{ending}")
    if not material.torch_traces:
        write_file(render(material), directory / f"{_WORKER}.{moment}.pt.trace.json.gz")


def render(material: Material) -> bytes:
    """A trace like Kineto's: frames are operators; steps, phases and layers are annotations."""
    forest, start, end = in_time(material.forest)
    annotates = np.array([frame.name.startswith(_ANNOTATIONS) for frame in forest.frames], np.int64)
    category = chosen(["cpu_op", "user_annotation"], annotates[forest.frame])
    events = [process(_WORKER), *(named_track(code + 1, thread) for code, thread in enumerate(forest.threads))]
    events.append(complete(forest, start, end, forest.thread + 1, category))
    head = {"schemaVersion": 1, "deviceProperties": [], "traceName": writer()}
    return json.dumps(head).encode()[:-1] + b',"traceEvents":[\n' + b",\n".join(events) + b"\n]}\n"


def _moment_ns(material: Material) -> int:
    """When it was recorded, as the plugin's file names say it; 0 where nobody knows."""
    recorded = material.profile.run.recorded_at
    return int(datetime.fromisoformat(recorded).timestamp()) * 1_000_000_000 if recorded else 0


def _same_file(source: Path, target: Path) -> None:
    """A link where both lie in one file system, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


TENSORBOARD = Exporter(
    name="tensorboard",
    suffix="",
    summary="log directory for TensorBoard with torch-tb-profiler",
    write_directory=write_directory,
)
