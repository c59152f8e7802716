"""What a user reads of an explanation: what was compared, what speaks for each cause, and what is missing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from profkit.explanation import explain
from profkit.profile import Profile
from profkit.views.explain import explain_json, explain_view
from tests.small_explanations import CPP, PYTHON, Line, profile

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
    assert "callgrind and torch measure different things" in said
    assert "B - A" not in said


def test_json_says_the_same_as_the_view() -> None:
    a = profile(PYTHON, [KERNEL, FRAME], step_ns=(80_000,) * STEPS)
    b = profile(CPP, [KERNEL], step_ns=(55_000,) * STEPS)
    found = explain(a, b)
    (body,) = explain_json([found], a, b)["explanations"]
    assert body["gap"] == pytest.approx(-25_000)
    assert [cause["name"] for cause in body["causes"]] == [cause.name for cause in found.causes]
    assert body["notes"]
