"""R17: the region of interest is the steps, not loading or start-up."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r17_region import R17
from profkit.evidence import Evidence, Trace
from profkit.profile import Profile
from tests.audit.profiles import CONV, evident, profile, with_run


def run(**trace: Any) -> Profile:
    return profile(warmup=3, evidence=Evidence(trace=Trace(**{"steps": 2, "importing": 0.0, "reading": 0.0, **trace})))


def test_steps_alone_are_fair() -> None:
    found = R17.check((run(), run(importing=0.01, reading=0.02)))
    assert found.outcome is Outcome.PASS
    assert found.evidence["warm-up"] == (3, 3)
    assert R17.check((run(importing=None, reading=None),)).outcome is Outcome.PASS


@pytest.mark.parametrize("what", ["importing", "reading"])
def test_what_is_no_step_fails_with_its_effect(what: str) -> None:
    found = R17.check((run(), run(**{what: 0.2})))
    assert found.outcome is Outcome.FAIL
    assert f"20 % of what was recorded of B is {what}" in found.says
    assert found.effect == pytest.approx(25)


def test_reading_in_the_phase_of_loading_is_measured_apart() -> None:
    loading = {"symbol": "read", "phase": "data", "device": "cpu", "self_ns": 150}
    apart = profile((CONV, loading), evidence=run(reading=0.2).run.evidence)
    assert R17.check((apart,)).outcome is Outcome.PASS
    assert R17.check((apart,)).evidence["of that in phase data"] == (0.2,)


def test_a_few_samples_too_many_are_chance() -> None:
    assert R17.check((run(reading=0.07, samples=50),)).outcome is Outcome.PASS
    assert R17.check((run(reading=0.07, samples=50_000),)).outcome is Outcome.FAIL


def test_a_trace_of_other_steps_fails() -> None:
    found = R17.check((run(), run(steps=5)))
    assert found.outcome is Outcome.FAIL
    assert "took 2 steps, and its trace marks 5" in found.says
    assert R17.check((run(steps=1, samples=1000),)).outcome is Outcome.PASS


def test_a_trace_without_steps_is_unknown() -> None:
    unmarked = with_run(evident(trace=Trace(importing=0.0)), steps=None)
    found = R17.check((run(), unmarked))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("where the steps are",)
    assert R17.check((profile(),)).outcome is Outcome.UNKNOWN


def test_nothing_but_importing_has_a_finite_effect() -> None:
    found = R17.check((with_run(run(importing=1.0), steps=None),))
    assert found.outcome is Outcome.FAIL
    assert found.effect == pytest.approx(9900)
