"""Each mistake of the published comparisons, made on purpose at a small size, and what the audit says of it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from profkit.audit import Finding, Outcome, audit
from profkit.implementations import Implementation
from profkit.measure import Request, record
from profkit.own_program import OwnRequest, record_program
from profkit.prepare import Task, prepare
from profkit.profile import Profile
from profkit.programs import Course
from profkit.recorders import Recorder
from profkit.registry import find
from profkit.spec import Workload
from tests.frozen_numba import frozen_numba
from tests.unfair.subnormal_weights import decayed

TRAIN = Path(__file__).parent / "unfair" / "train.py"
STEPS = 12

Made = Callable[..., Profile]


def silent(_line: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Records a network of profkit, each choice of settings once."""
    runs = tmp_path_factory.mktemp("runs")

    @cache
    def recorded(
        workload: str = "mnist_cnn",
        implementation: str = "pytorch",
        options: tuple[tuple[str, str], ...] = (),
        weights: Path | None = None,
        steps: int = STEPS,
        batch_size: int = 16,
        build: str = "release",
        **course: Any,
    ) -> Profile:
        network = find("profkit.workloads", Workload, workload)
        known = {"frozen": frozen_numba()}
        if implementation not in known:
            known[implementation] = find("profkit.implementations", Implementation, implementation).built(build)
        request = Request(
            task=Task(network, batch_size=batch_size, options=dict(options), weights=weights),
            implementation=known[implementation],
            recorder=find("profkit.recorders", Recorder, "wallclock"),
            course=Course(steps=steps, **{"warmup": 3, **course}),
            agree=False,
        )
        return record(request, runs, silent)[0]

    return recorded


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Profile]:
    """Records the training script with its mistakes, each choice once."""
    runs = tmp_path_factory.mktemp("runs")

    @cache
    def recorded(*flags: str) -> Profile:
        recorder = find("profkit.recorders", Recorder, "torch")
        return record_program(
            OwnRequest([sys.executable, str(TRAIN), *flags], recorder, steps=10), runs, silent
        ).profile

    return recorded


def findings(*sides: Profile) -> Mapping[str, Finding]:
    return audit(*sides).findings


def test_another_network_is_no_comparison_and_the_audit_tells_how_much_less_work_it_is(made: Made) -> None:
    fair = made("resnet18", batch_size=2, steps=3)
    wrong = made("resnet18", batch_size=2, steps=3, options=(("stem", "imagenet"), ("extra_block", "1")))
    found = audit(fair, wrong)
    assert "R01" in found.refusals
    assert "9.9" in found.findings["R01"].says
    assert found.findings["R01"].effect == pytest.approx(100 * (55.89 / 555.42 - 1), abs=0.1)


def test_another_padding_is_other_work(made: Made) -> None:
    found = findings(made("convnet"), made("convnet", options=(("padding", "seed"),)))
    assert found["R01"].outcome is Outcome.FAIL
    assert found["R03"].outcome is Outcome.PASS


def test_inputs_of_another_range_are_other_inputs(made: Made) -> None:
    found = findings(made("convnet"), made("convnet", options=(("scaling", "unit"),)))
    assert found["R03"].outcome is Outcome.FAIL
    assert found["R01"].outcome is not Outcome.FAIL


def test_convolutions_that_are_never_trained_are_named(made: Made) -> None:
    found = audit(made(implementation="numba"), made(implementation="frozen"))
    assert "R02" in found.refusals
    assert "conv1.weight" in found.findings["R02"].says


def test_subnormal_weights_are_told_with_what_flushing_them_gives_back(made: Made, tmp_path: Path) -> None:
    bundle = prepare(Task(find("profkit.workloads", Workload, "mnist_cnn"), batch_size=16))
    weights = tmp_path / "weights.pt"
    torch.save(decayed(torch.load(bundle.path, weights_only=True)["weights"]), weights)
    subnormal = made(weights=weights, mode="infer")
    assert subnormal.run.evidence.subnormals
    assert subnormal.run.evidence.subnormals.weights == pytest.approx(0.1, abs=0.01)
    assert len(subnormal.run.evidence.subnormals.flushed_step_ns) >= STEPS
    found = findings(made(mode="infer"), subnormal)["R13"]
    assert found.outcome in (Outcome.WARN, Outcome.FAIL)  # by how much the processor minds
    assert "subnormal" in found.says
    assert found.evidence["flush-to-zero gives back"][1] is not None
    assert (found.effect is not None) or found.outcome is Outcome.WARN
    assert findings(made(mode="infer"), made(mode="infer"))["R13"].outcome is Outcome.PASS


def test_a_debug_build_of_the_cpp_side_is_seen(made: Made) -> None:
    found = findings(made(), made(implementation="libtorch", build="debug"))["R10"]
    assert found.outcome is Outcome.FAIL
    assert "Debug" in found.says
    assert findings(made(), made(implementation="libtorch"))["R10"].outcome is Outcome.PASS


def test_unequal_threads_are_seen(made: Made) -> None:
    found = findings(made(), made(threads=2))["R11"]
    assert found.outcome is Outcome.FAIL
    assert {"1", "2"} <= {str(value) for values in found.evidence.values() for value in values}


def test_a_counted_cold_step_is_seen(made: Made) -> None:
    found = findings(made(), made(warmup=0))["R05"]
    assert found.outcome is Outcome.FAIL


def test_decoding_inside_the_timer_of_one_side_is_seen(script: Callable[..., Profile]) -> None:
    found = findings(script(), script("--decode", "inside"))["R04"]
    assert found.outcome is Outcome.FAIL
    assert found.effect is not None
    assert found.effect > 5


def test_a_second_profiler_inside_is_seen(script: Callable[..., Profile]) -> None:
    found = findings(script(), script("--profile"))["R16"]
    assert found.outcome is Outcome.FAIL
    assert "profil" in found.says.lower()


def test_two_machines_are_no_comparison(made: Made) -> None:
    one = made()
    assert one.run.machine
    elsewhere = dataclasses.replace(one.run, machine=dataclasses.replace(one.run.machine, processor="another"))
    assert audit(one, dataclasses.replace(one, run=elsewhere)).refusals == ("R14",)
