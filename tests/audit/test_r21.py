"""R21: outliers are flagged."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r21_outliers import R21, slow_steps
from tests.audit.profiles import profile

STEADY = (100, 103, 99, 101, 98, 102, 100, 99, 104, 100)
SLEPT = (100, 103, 99, 500, 98, 102, 100, 99, 104, 100)
FAIR = profile(step_ns=STEADY * 3, repeats=3)


def test_steps_without_outliers_are_fair() -> None:
    found = R21.check((FAIR, FAIR))
    assert found.outcome is Outcome.PASS
    assert found.evidence["outliers"] == ("none", "none")


def test_a_sleep_is_flagged_with_its_place_and_its_effect() -> None:
    found = R21.check((FAIR, profile(step_ns=STEADY + SLEPT, repeats=2)))
    assert found.outcome is Outcome.WARN
    assert "one of 20 steps of B is an outlier (14)" in found.says
    assert found.effect == pytest.approx(20, abs=1)  # 400 more, over 20 steps of 100
    assert found.evidence["outliers"] == ("none", "14")


def test_many_outliers_are_counted() -> None:
    found = R21.check((profile(step_ns=STEADY * 3 + (900,) * 7),))
    assert found.outcome is Outcome.WARN
    assert "7 of 37 steps of it are outliers (31, 32, 33, 34, 35 and 2 more)" in found.says


def test_an_outlier_that_moves_nothing_is_only_told() -> None:
    found = R21.check((profile(step_ns=STEADY * 20 + (160,)),))
    assert found.outcome is Outcome.PASS
    assert found.says == "1 outlier among the steps moves a mean by 0.3 %"


def test_each_process_is_held_against_its_own_steps() -> None:
    slower = tuple(2 * time for time in STEADY)
    assert R21.check((profile(step_ns=STEADY * 2 + slower, repeats=3),)).outcome is Outcome.PASS


@pytest.mark.parametrize("times", [(), (100,), (0,) * 4])
def test_too_few_times_are_unknown(times: tuple[int, ...]) -> None:
    assert slow_steps(profile(step_ns=times).run) is None
    assert R21.check((FAIR, profile(step_ns=times))).outcome is Outcome.UNKNOWN


def test_zero_times_have_no_outliers() -> None:
    assert R21.check((profile(step_ns=(0,) * 10),)).outcome is Outcome.PASS
