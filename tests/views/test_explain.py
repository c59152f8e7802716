"""What a user reads of an explanation: what was compared, what speaks for each cause, and what is missing."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from profkit.explanation import explain
from profkit.profile import Profile
from profkit.views.explain import explain_json, explain_view
from tests.small_explanations import CPP, PYTHON, Line, profile, without_steps

STEPS = 8
KERNEL = Line("conv1", "forward", "aten::conv2d", "kernel", (60_000, 62_000) * 4, count=STEPS)
FRAME = Line("conv1", "forward", None, "interpreter", (30_000, 31_000) * 4, "scope", count=STEPS)


def shown(a: Profile, b: Profile) -> str:
    """What is printed, in one line."""
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(explain_view([explain(a, b)], a, b, 2))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    return " ".join(out.getvalue().split())


def test_times_brought_down_to_the_plain_step_are_called_estimates() -> None:
    a = profile(PYTHON, [KERNEL, FRAME], step_ns=(80_000,) * STEPS, tool_step_ns=(91_500,) * STEPS)
    b = profile(CPP, [KERNEL], step_ns=(55_000,) * STEPS, tool_step_ns=(61_000,) * STEPS)
    said = shown(a, b)
    assert "B - A = -25.0 us" in said
    assert "rows of A are estimates: 91.5 us a step under torch are brought to the 80.0 us without it" in said
    assert "estimated" in said
    assert "cannot tell binding from interpreter" in said


def test_only_the_tool_of_the_python_side_is_said_not_to_tell_binding() -> None:
    b = profile(replace(CPP, tool="callgrind"), [KERNEL])
    assert "note: torch cannot tell binding" in shown(profile(PYTHON, [KERNEL, FRAME]), b)


def test_a_tool_that_seems_to_speed_things_up_is_noise() -> None:
    a = profile(PYTHON, [KERNEL], step_ns=(70_000,) * STEPS, tool_step_ns=(61_000,) * STEPS)
    assert "A was faster under torch (0.87 times its plain step): noise between runs" in shown(a, a)


def test_drift_and_outliers_of_the_plain_steps_are_told() -> None:
    drifting = tuple(50_000 + 4_000 * step for step in range(12))
    a = profile(PYTHON, [KERNEL], step_ns=drifting)
    b = profile(CPP, [KERNEL], step_ns=(61_000, 61_100, 60_900, 61_050, 200_000, 61_000, 61_020, 60_950))
    said = shown(a, b)
    assert "drift: steps of A change by" in said
    assert "outliers: 1 of 8 steps of B are far slower than the others" in said


def test_the_first_steps_are_told_with_their_factor() -> None:
    cold = (600_000, *(60_000,) * (STEPS - 1))
    said = shown(profile(PYTHON, [KERNEL], step_ns=cold), profile(CPP, [KERNEL], step_ns=(60_000,) * STEPS))
    assert "in the mean step: A's is 10 times the median of the others, B's is 1 times" in said


def test_kernels_that_are_all_slower_by_one_factor_are_the_machine_s_doing() -> None:
    kernels = [KERNEL._replace(layer=f"conv{number}") for number in range(6)]
    slow = [line._replace(costs=tuple(2 * cost for cost in line.costs)) for line in kernels]
    assert "nearly every kernel takes B 2 times as long as A" in shown(profile(PYTHON, kernels), profile(CPP, slow))


@pytest.mark.parametrize(
    "other", [{"threads": 2}, {"batch_size": 64}, {"settings": {**CPP.settings, "flush_denormals": "true"}}]
)
def test_kernels_that_run_under_other_conditions_are_not_blamed_on_the_machine(other: dict[str, Any]) -> None:
    kernels = [KERNEL._replace(layer=f"conv{number}") for number in range(6)]
    slow = [line._replace(costs=tuple(2 * cost for cost in line.costs)) for line in kernels]
    assert "nearly every kernel" not in shown(profile(PYTHON, kernels), profile(CPP, slow, **other))


def test_a_gap_within_the_noise_has_no_main_cause() -> None:
    slower = KERNEL._replace(costs=tuple(cost + 300 for cost in KERNEL.costs))
    far = KERNEL._replace(costs=tuple(cost + 9000 for cost in KERNEL.costs))
    noise = FRAME._replace(costs=(200, 200) * 4), FRAME._replace(costs=(500, 500) * 4)
    a, b, c = (profile(PYTHON, list(lines)) for lines in ((KERNEL, noise[0]), (slower, noise[1]), (far, noise[1])))
    assert "within noise, 95 % interval" in shown(a, b)
    assert "Of the gap" not in shown(a, b)
    assert "Of the gap" in shown(a, c)


def test_a_s_cost_at_b_s_work_is_told_as_what_it_is() -> None:
    work = Line("fc", "forward", "aten::addmm", "kernel", (100, 100), count=2, flop=2000)
    more = work._replace(costs=(450, 450), flop=6000)
    assert "A 300 ns (as it would be with B's work), B 450 ns" in shown(profile(PYTHON, [work]), profile(CPP, [more]))
    assert "as it would be" not in shown(profile(PYTHON, [work]), profile(CPP, [work]))


def test_other_work_other_batches_and_other_workloads_are_told() -> None:
    work = Line("fc", "forward", "aten::addmm", "kernel", (100, 100), count=2, flop=4_000_000)
    a = profile(PYTHON, [work], workload="mnist_cnn", batch_size=8)
    b = profile(CPP, [work._replace(flop=40_000_000)], workload="resnet18", batch_size=80)
    said = shown(a, b)
    assert "A does 1.00 M multiply-adds a step, B 10.0 M (10 times)" in said
    assert "different workloads: A is mnist_cnn, B resnet18" in said
    assert "A has 8 samples a step, B 80" in said


def test_what_is_missing_is_named() -> None:
    bare = Line(None, None, "aten::conv2d", "kernel", (100,))
    said = shown(profile(PYTHON, [bare], step_ns=(0,)), profile(CPP, [bare]))
    for words in (
        "nobody knows the multiply-adds of A and B: taken to be the same",
        "1 of the 1 times of A are zero or no number: left out",
        "costs of A are those under torch",
        "A has a single step: there are no intervals",
        "A and B have no layers",
    ):
        assert words in said


def test_tools_of_different_kinds_have_shares_and_no_gap() -> None:
    counted = profile(replace(PYTHON, tool="callgrind"), [KERNEL, FRAME], "self_instructions")
    said = shown(counted, profile(CPP, [KERNEL]))
    assert "callgrind and torch measure different things: one of them counts instructions: only shares" in said
    assert "single step" not in said
    assert "B - A" not in said


def test_samples_of_different_periods_have_shares() -> None:
    sides = [profile(PYTHON, [KERNEL], "samples", sampling_period_ns=period) for period in (1000, 2000)]
    said = shown(sides[0], sides[1])
    assert "A and B count at different periods, and not both sides were timed" in said
    assert "measure different things" not in said


def test_a_sampler_has_no_costs_of_single_steps() -> None:
    sampled = profile(PYTHON, [KERNEL], "samples", sampling_period_ns=1000)
    said = shown(sampled, sampled)
    assert "A has no costs of single steps: there are no intervals" in said
    assert "a single step" not in said


def test_whole_recordings_are_not_told_as_steps() -> None:
    work = Line("fc", "forward", "aten::addmm", "kernel", (100_000,), flop=2_000_000)
    frame = Line("fc", "forward", None, "interpreter", (30_000,), "scope")
    whole = without_steps(profile(PYTHON, [work, frame], "self_instructions"))
    said = shown(whole, whole)
    assert "instructions in all" in said
    assert "by layer, instructions in all" in said
    assert "a step" not in said
    more = without_steps(profile(CPP, [work._replace(flop=20_000_000)], "self_instructions"))
    assert "A does 1.00 M multiply-adds in all, B 10.0 M (10 times)" in shown(whole, more)


def test_zero_times_are_got_along_with() -> None:
    a = profile(PYTHON, [KERNEL], step_ns=(0,) * 6 + (80_000,) * 2, tool_step_ns=(91_500,) * STEPS)
    assert "6 of the 8 times of A are zero or no number: left out" in shown(a, a)


def test_json_says_the_same_as_the_view() -> None:
    a = profile(PYTHON, [KERNEL, FRAME], step_ns=(80_000,) * STEPS)
    b = profile(CPP, [KERNEL], step_ns=(55_000,) * STEPS)
    found = explain(a, b)
    (body,) = explain_json([found], a, b)["explanations"]
    assert body["gap"] == pytest.approx(-25_000)
    assert [cause["name"] for cause in body["causes"]] == [cause.name for cause in found.causes]
    assert body["notes"]
