"""Two recorded runs are made again, each with one thing changed, and what each is worth is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from profkit.errors import InputError, UsageError
from profkit.implementations import Implementation
from profkit.measure import Request, record
from profkit.prepare import Task, prepare
from profkit.programs import Course, run_program
from profkit.recorders import Recorder
from profkit.registry import find
from profkit.rerun import FEWEST_ROUNDS, Measured, Ratio, WhatIf, _fits, _ratio, try_changes
from profkit.run import Run
from profkit.spec import Workload
from profkit.what_if import Statistic

Pair = tuple[Run, Run]


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, mnist_cnn: Workload) -> Pair:
    """PyTorch and LibTorch, 4 samples a step."""
    folder = tmp_path_factory.mktemp("what-if")

    def recorded(implementation: str) -> Run:
        request = Request(
            task=Task(mnist_cnn, batch_size=4),
            implementation=find("profkit.implementations", Implementation, implementation),
            recorder=find("profkit.recorders", Recorder, "wallclock"),
            course=Course(steps=5, warmup=1),
            agree=False,
        )
        return record(request, folder, quiet)[0].run

    return recorded("pytorch"), recorded("libtorch")


@pytest.fixture(scope="module")
def results(runs: Pair) -> WhatIf:
    """No budget at all: the fewest rounds."""
    said: list[str] = []
    found = try_changes(*runs, ["threads", "flush_denormals", "cudnn"], 0, said.append)
    assert any(line.startswith("round 1 of up to 5, A as it was") for line in said)
    return found


def test_both_sides_run_as_they_were_and_with_each_change(results: WhatIf, runs: Pair) -> None:
    tried = [(tried.change, tried.side) for tried in results.tried]
    flushed = [("flush_denormals", "A"), ("flush_denormals", "B")]
    assert [each for each in tried if each[0] == "flush_denormals"] == flushed
    machine = runs[0].machine
    assert machine is not None
    assert [side for change, side in tried if change == "threads"] == (["A", "B"] if machine.cores > 1 else [])
    assert [(each.side, each.change) for each in results.untried if each.change == "cudnn"] == [
        ("A", "cudnn"),
        ("B", "cudnn"),
    ]


def test_every_trial_has_its_own_processes(results: WhatIf) -> None:
    measured = [*results.unchanged.values(), *(tried.measured for tried in results.tried)]
    assert results.rounds == FEWEST_ROUNDS
    assert not results.interrupted
    for each in measured:
        assert len(each.step_ns) == FEWEST_ROUNDS
        assert {len(times) for times in each.step_ns} == {results.steps["A"]}


def test_the_programs_themselves_tell_of_the_change(results: WhatIf) -> None:
    for tried in results.tried:
        names = {"flush_denormals": "flush_denormals", "threads": "threads"}
        assert names[tried.change] in tried.seen
        assert set(tried.seen) <= {"flush_denormals", "threads"}


def test_worth_and_gap_are_ratios_of_the_same_measurements(results: WhatIf) -> None:
    for tried in results.tried:
        before, after = results.unchanged[tried.side].typical(), tried.measured.typical()
        assert tried.worth.value == pytest.approx(after / before)
        assert tried.worth.low is not None
        assert tried.worth.high is not None
        assert tried.worth.low <= tried.worth.value <= tried.worth.high
        factor = tried.gap_after.value / tried.gap_before.value
        assert factor == pytest.approx(tried.worth.value if tried.side == "B" else 1 / tried.worth.value)


def test_a_digest_of_other_work_is_refused_before_anything_runs(runs: Pair) -> None:
    with pytest.raises(InputError, match="B cannot be run again"):
        try_changes(runs[0], replace(runs[1], bundle_sha256="0" * 64), ["threads"], 1, quiet)


def test_another_machine_is_refused_before_anything_runs(runs: Pair) -> None:
    assert runs[0].machine is not None
    elsewhere = replace(runs[0], machine=replace(runs[0].machine, cores=99))
    with pytest.raises(InputError, match="A was recorded on another machine: cores 99"):
        try_changes(elsewhere, runs[1], ["threads"], 1, quiet)


def test_an_unknown_change_is_refused_with_the_nearest(runs: Pair) -> None:
    with pytest.raises(UsageError, match="unknown change 'thread'") as caught:
        try_changes(*runs, ["thread"], 1, quiet)
    assert "threads" in caught.value.hint


def interrupting(during: str) -> Callable[[str], None]:
    """Press Ctrl-C while this program runs: it is announced first, and starts then."""
    told: list[str] = []

    def say(text: str) -> None:
        told.extend([text] if text.startswith(during) else [])
        if len(told) == 2:
            raise KeyboardInterrupt

    return say


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_child(runs: Pair) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    found = try_changes(*runs, ["flush_denormals"], 1, interrupting("round 1 of up to 5, B with"))
    assert found.interrupted
    assert [(tried.side, tried.worth.verdict) for tried in found.tried] == [("A", "unknown")]
    assert [(each.side, each.change.partition(" ")[0], each.reason) for each in found.untried] == [
        ("B", "flush_denormals", "interrupted before its turn")
    ]
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_ctrl_c_before_both_sides_ran_passes_on(runs: Pair) -> None:
    with pytest.raises(KeyboardInterrupt):
        try_changes(*runs, ["flush_denormals"], 1, interrupting("round 1 of up to 5, B as it was"))


def test_a_round_is_begun_only_if_it_ends_within_the_budget() -> None:
    assert _fits(30, 3, 40)
    assert not _fits(30, 3, 39)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(1.1), "unknown"),
        (Ratio(1.1, 0.9, 1.3), "within noise"),
        (Ratio(1.1, 1.05, 1.2), "slower"),
        (Ratio(0.8, 0.7, 0.9), "faster"),
    ],
)
def test_the_verdict_is_that_of_the_interval(ratio: Ratio, verdict: str) -> None:
    assert ratio.verdict == verdict


def test_one_slow_step_moves_the_mean_and_not_the_median() -> None:
    steady = Measured([(10, 10, 10), (10, 10, 10), (10, 10, 10)])
    slow_first = Measured([(100, 10, 10), (100, 10, 10), (100, 10, 10)])
    assert _ratio(steady, slow_first, Statistic.MEDIAN).value == 1
    assert _ratio(steady, slow_first, Statistic.MEAN).value == 4


def test_one_process_has_no_interval() -> None:
    one = Measured([(10, 10)])
    assert _ratio(one, one, Statistic.MEDIAN) == Ratio(1.0)


def test_a_debug_build_says_that_it_is_one(mnist_cnn: Workload, tmp_path: Path) -> None:
    libtorch = find("profkit.implementations", Implementation, "libtorch")
    bundle = prepare(Task(mnist_cnn, batch_size=4))
    builds = {
        variant: run_program(libtorch.built(variant).command(print), bundle, Course(steps=1), quiet)["build"]
        for variant in ("release", "debug")
    }
    assert builds["release"]["type"] == "Release"
    assert "-O3" in builds["release"]["flags"]
    assert builds["debug"]["type"] == "Debug"
    assert "-O" not in builds["debug"]["flags"]


def test_what_is_not_compiled_here_has_no_debug_build() -> None:
    pytorch = find("profkit.implementations", Implementation, "pytorch")
    assert pytorch.built("release") == pytorch
    with pytest.raises(UsageError, match="pytorch has no debug build"):
        pytorch.built("debug")
    with pytest.raises(UsageError, match="unknown build 'debgu'"):
        find("profkit.implementations", Implementation, "libtorch").built("debgu")
