"""Samplers on profkit's own networks: the region, its layers, phases and operators, by real runs of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profkit.implementations import Implementation
from profkit.measure import Request, record
from profkit.prepare import Task
from profkit.profile import Profile
from profkit.programs import Course
from profkit.recorders import Recorder
from profkit.registry import find
from profkit.spec import Workload
from profkit.summary import coverage, is_host

Sampled = Callable[[str, str], Profile]
STEPS = 150


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory, mnist_cnn: Workload) -> Sampled:
    """The network in an implementation under a tool, recorded once."""
    made: dict[tuple[str, str], Profile] = {}

    def get(implementation: str, tool: str) -> Profile:
        if (implementation, tool) not in made:
            request = Request(
                task=Task(mnist_cnn, batch_size=128),
                implementation=find("profkit.implementations", Implementation, implementation),
                recorder=find("profkit.recorders", Recorder, tool),
                course=Course(steps=STEPS, warmup=2),
                agree=False,
            )
            made[implementation, tool] = record(request, tmp_path_factory.mktemp("runs"), lambda _: None)[0]
        return made[implementation, tool]

    return get


CASES = [("pytorch", "py-spy"), ("pytorch", "scalene"), ("numba", "py-spy")]


@pytest.mark.parametrize(("implementation", "tool"), CASES)
def test_nearly_every_sample_of_the_region_has_a_phase(sampled: Sampled, implementation: str, tool: str) -> None:
    profile = sampled(implementation, tool)
    assert (profile.run.steps, profile.run.implementation, profile.metric) == (STEPS, implementation, "samples")
    assert coverage(profile, is_host(profile)).phase > 0.8
    symbols = set(profile.operators["symbol"].to_pylist())
    assert not {"_find_and_load", "profkit/attach"} & symbols
    assert profile.run.slowdown is not None
    assert profile.run.sampling_period_ns == 10_000_000


@pytest.mark.parametrize(("implementation", "tool"), CASES)
def test_the_layers_with_the_most_work_are_met(sampled: Sampled, implementation: str, tool: str) -> None:
    frame = sampled(implementation, tool).operators.to_pandas()
    layers = frame[frame.phase == "forward"].groupby("layer").samples.sum()
    assert {"conv1", "conv2", "pool1"} <= set(layers.index)


@pytest.mark.parametrize(("implementation", "tool"), CASES)
def test_operators_are_seen_by_their_own_names(sampled: Sampled, implementation: str, tool: str) -> None:
    operators = {name for name in sampled(implementation, tool).operators["operator"].to_pylist() if name}
    assert {name for name in operators if "pool" in name}
    assert {name for name in operators if "conv" in name}
    assert all(name.startswith(("aten::", "torch::", "prim::")) for name in operators)


def test_what_the_tool_counted_and_how_it_was_set_is_kept(sampled: Sampled) -> None:
    settings = sampled("pytorch", "py-spy").run.settings
    assert settings["py-spy rate"] == "100"
    assert int(settings["samples"]) > 0
    assert "sample_errors" in settings


def test_memory_by_line_is_scalenes_own(tmp_path: Path, mnist_cnn: Workload) -> None:
    request = Request(
        task=Task(mnist_cnn, batch_size=512),
        implementation=find("profkit.implementations", Implementation, "pytorch"),
        recorder=find("profkit.recorders", Recorder, "scalene"),
        course=Course(steps=10, warmup=2),
        settings={"memory": "true"},
        agree=False,
    )
    said: list[str] = []
    frame = record(request, tmp_path, said.append)[0].operators.to_pandas()
    assert any("memory mode" in line and "--time-limit" in line for line in said)
    allocated = frame[frame.allocated_bytes > 0]
    assert allocated.file.str.endswith("conv.py").any()
    assert allocated.self_ns.isna().all()  # nothing is counted twice
    assert allocated.samples.isna().all()


def test_a_recording_that_takes_too_long_is_ended(tmp_path: Path, mnist_cnn: Workload) -> None:
    from profkit.errors import ProgramError

    request = Request(
        task=Task(mnist_cnn, batch_size=512),
        implementation=find("profkit.implementations", Implementation, "pytorch"),
        recorder=find("profkit.recorders", Recorder, "torch"),
        course=Course(steps=10, warmup=0),
        limit_s=0.5,
        agree=False,
    )
    with pytest.raises(ProgramError, match=r"took longer than 0\.5 s"):
        record(request, tmp_path, lambda _: None)
    assert not list(tmp_path.iterdir())
