"""R20: the clock is monotonic and fine enough for what it measures."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r20_clock import R20
from profkit.evidence import Clock, Evidence
from profkit.profile import Profile
from tests.audit.profiles import evident, profile


def run(resolution_ns: float = 50, monotonic: bool = True, **run_fields: Any) -> Profile:
    clock = Clock("perf_counter", resolution_ns, monotonic)
    return profile(**{"step_ns": (10**6,) * 3, **run_fields}, evidence=Evidence(clock=clock))


def test_a_fine_and_monotonic_clock_is_fair() -> None:
    found = R20.check((run(), run()))
    assert found.outcome is Outcome.PASS
    assert "perf_counter (to 50 ns)" in found.says
    assert R20.check((run(step_ns=(), tool_step_ns=(10**6,)),)).outcome is Outcome.PASS


def test_a_clock_that_goes_back_fails() -> None:
    found = R20.check((run(), run(monotonic=False)))
    assert found.outcome is Outcome.FAIL
    assert "perf_counter of B can go back" in found.says


@pytest.mark.parametrize(("resolution_ns", "outcome"), [(9e3, Outcome.PASS), (5e4, Outcome.WARN), (1e6, Outcome.FAIL)])
def test_a_coarse_clock_counts_by_the_step(resolution_ns: float, outcome: Outcome) -> None:
    assert R20.check((run(), run(resolution_ns))).outcome is outcome


@pytest.mark.parametrize("resolution_ns", [0.0, -1.0, float("nan"), float("inf")])
def test_a_resolution_that_cannot_be_is_unknown(resolution_ns: float) -> None:
    found = R20.check((run(resolution_ns),))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("resolution of the clock",)


def test_steps_that_took_no_time_fail() -> None:
    found = R20.check((run(step_ns=(0, 10**6, 10**6)),))
    assert found.outcome is Outcome.FAIL
    assert "1 of 3 steps of it took no time" in found.says


def test_what_nobody_recorded_is_unknown() -> None:
    assert R20.check((profile(), run())).missing == ("the clock", "times of steps")
    assert R20.check((evident(clock=Clock("steady_clock", 1, True)),)).missing == ("times of steps",)
