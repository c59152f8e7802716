"""Record the traces of this folder again: every implementation under both tools, two steps of eight samples.

    python traces/record.py

The artefacts are kept compressed; `profkit show traces/mnist_cnn/pytorch/torch/trace.json.gz` reads them as they are.
"""

import gzip
import tempfile
from pathlib import Path

import msgspec

from profkit import Request, Task, Workload, record
from profkit.artefact import sha256
from profkit.implementations import Implementation
from profkit.loader import load_run
from profkit.measure import PROFILE_FILE, RUN_FILE
from profkit.programs import Course
from profkit.recorders import Recorder
from profkit.registry import find

TRACES = Path(__file__).parent


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


def main() -> None:
    """Record all of them."""
    workload = find("profkit.workloads", Workload, "mnist_cnn")
    with tempfile.TemporaryDirectory() as scratch:
        for implementation in ("pytorch", "libtorch"):
            for tool in ("torch", "callgrind"):
                request = Request(
                    task=Task(workload, batch_size=8),
                    implementation=find("profkit.implementations", Implementation, implementation),
                    recorder=find("profkit.recorders", Recorder, tool),
                    course=Course(steps=2, warmup=2),
                )
                _, directory = record(request, Path(scratch), print)
                compress(directory, TRACES / workload.name / implementation / tool)


if __name__ == "__main__":
    main()
