"""Record the traces of this folder again: every implementation under every tool that can record it, a few steps.

    python traces/record.py [TOOL...]

The artefacts are kept compressed; `profkit show traces/mnist_cnn/pytorch/torch/trace.json.gz` reads them as they are.
"""

import gzip
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from profkit import Request, Task, Workload, record
from profkit.artefact import sha256
from profkit.implementations import Implementation
from profkit.loader import load_run
from profkit.programs import Course
from profkit.recorders import Recorder
from profkit.registry import find
from profkit.run import PROFILE_FILE, RUN_FILE

TRACES = Path(__file__).parent
STEPS = {
    "pytorch": {"torch": 2, "callgrind": 2, "py-spy": 400, "scalene": 400},
    "libtorch": {"torch": 2, "callgrind": 2},
}
"""Steps of eight samples by implementation and tool: a sampler needs many to see anything."""


def compress(directory: Path, destination: Path) -> None:
    """Copy a run directory with its artefact compressed, and read it again from there."""
    run = msgspec.json.decode((directory / RUN_FILE).read_bytes(), type=dict)
    destination.mkdir(parents=True, exist_ok=True)
    for name in run["artefacts"]:
        (destination / f"{name}.gz").write_bytes(gzip.compress((directory / name).read_bytes(), mtime=0))
    run["artefacts"] = [f"{name}.gz" for name in run["artefacts"]]
    run["artefact_sha256"] = [sha256(destination / name) for name in run["artefacts"]]
    (destination / RUN_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    load_run(destination).write(destination / PROFILE_FILE)


def main(wanted: Sequence[str]) -> None:
    """Record all of them, or those of the tools that are named."""
    workload = find("profkit.workloads", Workload, "mnist_cnn")
    with tempfile.TemporaryDirectory() as scratch:
        for implementation, tools in STEPS.items():
            for tool in [tool for tool in tools if not wanted or tool in wanted]:
                request = Request(
                    task=Task(workload, batch_size=8),
                    implementation=find("profkit.implementations", Implementation, implementation),
                    recorder=find("profkit.recorders", Recorder, tool),
                    course=Course(steps=tools[tool], warmup=2),
                )
                _, directory = record(request, Path(scratch), print)
                compress(directory, TRACES / workload.name / implementation / tool)


if __name__ == "__main__":
    main(sys.argv[1:])
