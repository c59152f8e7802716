"""R05: warm-up is left out."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r05_warm_up import R05
from tests.audit.profiles import CONV, profile

WARM = (103, 100, 101, 99, 100, 102, 98, 100, 101, 99)
COLD = (1000, *WARM[1:])
KERNEL = {"operator": "gemm", "kind": "kernel", "device": "cuda:0", "self_ns": 5900}
ONE = profile(warmup=3, step_ns=WARM, repeats=1)


def test_a_warm_first_step_after_a_warm_up_is_fair() -> None:
    found = R05.check((ONE, ONE))
    assert (found.outcome, found.says) == (
        Outcome.PASS,
        "after the warm-up, no first step of either side is an outlier that moves the mean",
    )
    assert found.evidence["first step over the others"] == (1.03, 1.03)
    assert R05.check((ONE,)).outcome is Outcome.PASS


@pytest.mark.parametrize("warmup", [0, 1, None])
def test_a_cold_first_step_fails_with_what_it_adds_to_the_mean(warmup: int | None) -> None:
    cold = profile(warmup=warmup, step_ns=COLD)
    found = R05.check((ONE, cold))
    assert found.outcome is Outcome.FAIL
    assert "took 10 times the median of the others" in found.says
    assert found.effect == pytest.approx(90, abs=1)
    assert R05.check((cold, ONE)).effect == pytest.approx(-47, abs=1)
    assert R05.check((cold,)).effect == pytest.approx(90, abs=1)


def test_a_first_step_that_is_slow_by_little_warns_after_a_warm_up_and_fails_without() -> None:
    slow = (200, *WARM[1:])
    assert R05.check((profile(warmup=3, step_ns=slow),)).outcome is Outcome.WARN
    assert R05.check((profile(warmup=0, step_ns=slow),)).outcome is Outcome.FAIL


def test_a_slow_first_step_among_many_adds_nothing_to_speak_of() -> None:
    assert R05.check((profile(warmup=3, step_ns=(200, *WARM * 20)),)).outcome is Outcome.PASS


def test_every_process_starts_anew_and_one_disturbed_start_of_three_is_no_cold_one() -> None:
    assert R05.check((profile(warmup=3, step_ns=(*COLD, *COLD, *WARM), repeats=3),)).outcome is Outcome.FAIL
    assert R05.check((profile(warmup=3, step_ns=(*COLD, *WARM, *WARM), repeats=3),)).outcome is Outcome.PASS
    assert R05.check((profile(warmup=3, step_ns=(*WARM, *COLD, *COLD), repeats=1),)).outcome is Outcome.PASS


def test_without_a_warm_up_a_warm_first_step_is_luck() -> None:
    found = R05.check((profile(warmup=0, step_ns=WARM), ONE))
    assert found.outcome is Outcome.WARN
    assert "A had no warm-up" in found.says


def test_a_slow_first_step_of_many_does_not_count_for_a_warm_up() -> None:
    found = R05.check((profile(warmup=0, step_ns=(200, *WARM * 20)),))
    assert (found.outcome, found.says) == (
        Outcome.WARN,
        "it had no warm-up, though its first step is no outlier that moves the mean",
    )


def test_a_warm_up_that_nobody_recorded_is_unknown() -> None:
    found = R05.check((ONE, profile(step_ns=WARM)))
    assert (found.outcome, found.says) == (Outcome.UNKNOWN, "nobody recorded the warm-up of B")
    assert found.missing == ("steps of warm-up",)


def test_steps_under_the_tool_are_tested_where_there_are_no_others() -> None:
    traced = profile(tool_step_ns=COLD)
    assert R05.check((traced, traced)).outcome is Outcome.FAIL
    assert R05.check((ONE, traced)).effect is None


def test_without_any_clock_of_its_own_the_operators_of_each_step_are_tested() -> None:
    kernel = {**KERNEL, "self_ns_per_step": [5000, *WARM[1:]]}
    assert R05.check((profile([{**CONV, "self_ns_per_step": COLD}], steps=10),)).outcome is Outcome.FAIL
    bare = profile([{**CONV, "self_ns_per_step": WARM}, kernel], steps=10, warmup=3)
    assert R05.check((bare,)).outcome is Outcome.PASS


def test_a_tool_that_slows_its_own_first_step_down_warns_unless_it_counts_instructions() -> None:
    found = R05.check((profile(warmup=3, step_ns=WARM, tool_step_ns=COLD),))
    assert found.outcome is Outcome.WARN
    assert "under torch" in found.says
    counted = [{"operator": "x", "self_instructions": 5}]
    found = R05.check((profile(counted, tool="callgrind", warmup=3, step_ns=WARM, tool_step_ns=COLD),))
    assert found.outcome is Outcome.PASS


@pytest.mark.parametrize(
    "times", [(), (100,), (100, 90), (0, 0, 0, 0, 0, 0), (float("nan"),) * 6, (float("inf"), *WARM)]
)
def test_too_few_steps_or_none_with_a_time_are_unknown(times: tuple[int, ...]) -> None:
    found = R05.check((ONE, profile(warmup=3, step_ns=times)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("times of five steps",)


def test_single_odd_times_are_left_out() -> None:
    assert R05.check((profile(warmup=3, step_ns=(*WARM, float("nan"), float("inf"))),)).outcome is Outcome.PASS
