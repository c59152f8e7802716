"""R12: repeats are independent, every sample is kept, and drift is tested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from profkit.audit import Outcome
from profkit.audit.r12_repeats import R12, trend
from profkit.evidence import Evidence
from profkit.profile import Profile
from tests.audit.profiles import profile

STEADY = (100, 103, 99, 101, 98, 102, 100, 99, 104, 100)
GROWING = tuple(range(100, 200, 10))


def run(*times: tuple[int, ...], **run_fields: Any) -> Profile:
    """Of these processes."""
    marks = tuple(f"process {number}" for number in range(len(times)))
    given = {"repeats": len(times), "evidence": Evidence(processes=marks), **run_fields}
    return profile(step_ns=tuple(time for each in times for time in each), **given)


FAIR = run(STEADY, STEADY[::-1], STEADY)


def test_fresh_and_steady_processes_are_fair() -> None:
    found = R12.check((FAIR, FAIR))
    assert found.outcome is Outcome.PASS
    assert "3 of 10 steps" in found.says
    assert found.evidence["repeats"] == (3, 3)


def test_one_process_warns() -> None:
    found = R12.check((FAIR, run(STEADY)))
    assert found.outcome is Outcome.WARN
    assert "B ran in one process" in found.says
    assert "--repeats 3" in found.advice


def test_repeats_in_the_same_process_fail() -> None:
    found = R12.check((FAIR, run(STEADY, STEADY, STEADY, evidence=Evidence(processes=("one", "one", "one")))))
    assert found.outcome is Outcome.FAIL
    assert "the 3 repeats of B ran in 1 process" in found.says


def test_processes_that_nobody_marked_are_unknown() -> None:
    found = R12.check((FAIR, run(STEADY, STEADY, evidence=Evidence())))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("marks of the processes",)


def test_lost_times_fail() -> None:
    found = R12.check((FAIR, run(STEADY, STEADY[:-1], STEADY)))
    assert found.outcome is Outcome.FAIL
    assert "29 times of steps in 3 processes" in found.says
    assert R12.check((run(STEADY, STEADY, steps=4, tool_step_ns=(1, 2, 3)),)).outcome is Outcome.FAIL


def test_drift_fails_with_its_effect_on_the_ratio() -> None:
    found = R12.check((FAIR, run(GROWING, GROWING, GROWING)))
    assert found.outcome is Outcome.FAIL
    assert found.effect == pytest.approx(45, abs=1)  # the median is 145, and it began with 100
    assert "steps of B get 62 % slower" in found.says
    mirrored = R12.check((run(GROWING, GROWING, GROWING), FAIR))
    assert mirrored.effect == pytest.approx(100 / 1.45 - 100, abs=1)
    assert R12.check((run(GROWING, GROWING),)).effect == pytest.approx(45, abs=1)


def test_a_run_that_gets_faster_looks_slower_than_it_is() -> None:
    falling = run(GROWING[::-1], GROWING[::-1], GROWING[::-1])
    found = R12.check((FAIR, falling))
    assert "steps of B get 62 % faster" in found.says
    assert found.effect == pytest.approx(45, abs=1)  # the median is 145, and it ends with 100
    assert R12.check((falling, FAIR)).effect == pytest.approx(100 / 1.45 - 100, abs=1)


def test_a_little_drift_warns() -> None:
    growing = tuple(int(1000 * factor) for factor in np.linspace(1, 1.08, 12))
    found = R12.check((run(growing, growing, growing),))
    assert found.outcome is Outcome.WARN
    assert found.effect == pytest.approx(4, abs=0.5)


def test_one_drifting_process_of_three_is_the_machine() -> None:
    assert R12.check((FAIR, run(STEADY, GROWING, STEADY))).outcome is Outcome.PASS
    assert R12.check((FAIR, run(STEADY, GROWING, GROWING))).outcome is Outcome.FAIL


def test_processes_that_drift_both_ways_do_not_drift() -> None:
    found = trend(run(GROWING, GROWING[::-1]).run)
    assert R12.check((run(GROWING, GROWING[::-1]),)).outcome is Outcome.PASS
    assert found is not None


@pytest.mark.parametrize("times", [(), (100,), (100, 101, 99), (0,) * 20])
def test_too_few_times_are_unknown(times: tuple[int, ...]) -> None:
    given = profile(step_ns=times * 2, repeats=2, evidence=Evidence(processes=("a", "b")))
    found = R12.check((given,))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing


def test_a_trace_of_others_does_not_tell() -> None:
    found = R12.check((profile(),))
    assert found.outcome is Outcome.UNKNOWN
    assert "of this run: times of steps without the tool" in found.says
