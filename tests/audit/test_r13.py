"""R13: no subnormal numbers."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r13_subnormals import R13, flush_factor
from profkit.evidence import Evidence, Subnormals
from profkit.profile import Profile
from tests.audit.profiles import profile


def run(weights: float = 0.0, flushed: tuple[int, ...] = (), flush: str = "false", **shares: Any) -> Profile:
    subnormals = Subnormals(weights, flushed_step_ns=flushed, **shares)
    settings = {"flush_denormals": flush}
    return profile(step_ns=(340, 350, 330), settings=settings, evidence=Evidence(subnormals=subnormals))


FAIR = run(state=0.0, activations=0.0)


def test_none_is_fair() -> None:
    found = R13.check((FAIR, FAIR))
    assert found.outcome is Outcome.PASS
    assert found.evidence["weights"] == (0.0, 0.0)


def test_subnormal_weights_fail_with_what_flush_to_zero_gives_back() -> None:
    found = R13.check((run(0.1, flushed=(100, 99, 101), worst="layer1.weight"), FAIR))
    assert found.outcome is Outcome.FAIL
    assert "10 % of the weights of A are subnormal (most in layer1.weight)" in found.says
    assert "3.4 times faster" in found.says
    assert found.effect == pytest.approx(100 / 3.4 - 100)
    assert "flush" in found.advice
    assert R13.check((FAIR, run(0.1, flushed=(100,)))).effect == pytest.approx(240)
    assert R13.check((run(0.1, flushed=(100,)),)).effect == pytest.approx(240)


@pytest.mark.parametrize("part", ["state", "activations"])
def test_other_numbers_than_weights_count_too(part: str) -> None:
    found = R13.check((FAIR, run(flushed=(100,), **{part: 0.2})))
    assert found.outcome is Outcome.FAIL
    assert f"20 % of the {part} of B" in found.says


def test_some_that_cost_nothing_warn() -> None:
    found = R13.check((FAIR, run(0.1, flushed=(339, 341))))
    assert found.outcome is Outcome.WARN
    assert "costs nothing" in found.says


@pytest.mark.parametrize(("share", "outcome"), [(0.1, Outcome.FAIL), (1e-4, Outcome.WARN), (1e-7, Outcome.PASS)])
def test_without_a_run_with_flush_to_zero_the_share_decides(share: float, outcome: Outcome) -> None:
    found = R13.check((FAIR, run(share)))
    assert found.outcome is outcome
    assert found.effect is None


def test_the_effect_is_unknown_where_only_one_of_two_was_run_with_flush_to_zero() -> None:
    measured, unmeasured = run(0.1, flushed=(170,)), run(0.1)
    assert R13.check((unmeasured, measured)).effect is None
    assert R13.check((measured, unmeasured)).effect is None
    assert R13.check((FAIR, measured)).effect == pytest.approx(100)


def test_steps_that_are_no_faster_with_flush_to_zero_have_no_effect() -> None:
    found = R13.check((FAIR, run(0.1, flushed=(374,))))
    assert (found.outcome, found.effect) == (Outcome.WARN, None)
    assert "flush-to-zero makes its steps no faster" in found.says


def test_numbers_that_are_taken_as_zero_are_harmless() -> None:
    flushed = run(0.1, flush="true")
    assert R13.check((flushed, flushed)).outcome is Outcome.PASS


def test_flush_to_zero_on_one_side_only_warns() -> None:
    found = R13.check((FAIR, run(flush="true")))
    assert found.outcome is Outcome.WARN
    assert "A has flush-to-zero false, B true" in found.says


def test_uncounted_numbers_are_unknown() -> None:
    assert R13.check((FAIR, profile())).outcome is Outcome.UNKNOWN


def test_no_number_and_no_time_are_no_factor() -> None:
    assert R13.check((run(float("nan"), flushed=(0, 0)),)).outcome is Outcome.PASS
    assert flush_factor(run(0.1, flushed=(0, 0))) is None
