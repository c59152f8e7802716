"""Fixtures that several tests share: the C++ build and the live recordings, each made once in a session."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from profkit.implementations import Implementation
from profkit.measure import Request, record
from profkit.native import NativeBuild, build
from profkit.prepare import Task
from profkit.profile import Profile
from profkit.programs import Course
from profkit.recorders import Recorder
from profkit.registry import find
from profkit.spec import Workload

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing on a busy machine.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"


TOOLS = {
    "pytorch": (("wallclock", 40, 1), ("torch", 40, 1), ("callgrind", 1, 2)),
    "libtorch": (("wallclock", 40, 1), ("torch", 40, 1), ("callgrind", 1, 2)),
    "numba": (("wallclock", 40, 1), ("torch", 40, 1)),
}
"""Tools that record each implementation, with steps and fresh processes.

A step lasts 2 ms: of five of them, one change of processes that falls between two phases is already three per cent.
"""


@dataclass(frozen=True)
class Recorded:
    """A live recording: what `record` returned."""

    profile: Profile
    directory: Path


@pytest.fixture(scope="session")
def samples() -> Path:
    """Artefacts that others recorded; they are not part of the project."""
    if not SAMPLES.is_dir():
        pytest.skip("the folder of third-party samples is not beside the checkout")
    return SAMPLES


@pytest.fixture(scope="session")
def native() -> NativeBuild:
    """The C++ side, built now or taken from the cache."""
    return build(print)


@pytest.fixture(scope="session")
def libtorch_build(native: NativeBuild) -> Path:
    """Directory with the C++ program and the Python extension."""
    return native.program.parent


@pytest.fixture(scope="session")
def mnist_cnn() -> Workload:
    return find("profkit.workloads", Workload, "mnist_cnn")


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, mnist_cnn: Workload) -> dict[tuple[str, str], Recorded]:
    """Every implementation under every tool that can see what it runs, 8 samples a step."""
    runs = tmp_path_factory.mktemp("runs")
    recordings = {}
    for implementation, tools in TOOLS.items():
        for tool, steps, repeats in tools:
            request = Request(
                task=Task(mnist_cnn, batch_size=8),
                implementation=find("profkit.implementations", Implementation, implementation),
                recorder=find("profkit.recorders", Recorder, tool),
                course=Course(steps=steps, warmup=2),
                repeats=repeats,
            )
            recordings[implementation, tool] = Recorded(*record(request, runs, lambda _: None))
    return recordings
