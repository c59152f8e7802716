"""R18: the trace is complete."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r18_completeness import R18
from profkit.evidence import Evidence, Trace
from profkit.profile import Profile
from tests.audit.profiles import CONV, evident, profile


def run(device: str = "cpu", **trace: Any) -> Profile:
    given = Trace(**{"covered": 0.95, "broken": 0, **trace})
    return profile(settings={"device": device}, evidence=Evidence(trace=given))


def test_a_whole_trace_is_fair() -> None:
    found = R18.check((run(), run(covered=0.92)))
    assert found.outcome is Outcome.PASS
    assert "names 95.0 % and 92.0 % of the steps" in found.says
    assert R18.check((run(covered=None),)).outcome is Outcome.PASS


def test_lost_events_warn() -> None:
    found = R18.check((run(), run(broken=7)))
    assert found.outcome is Outcome.WARN
    assert "7 events of B" in found.says


@pytest.mark.parametrize(("missing", "outcome"), [(0, Outcome.PASS), (5, Outcome.WARN), (60, Outcome.FAIL)])
def test_launches_without_kernels_count_by_their_share(missing: int, outcome: Outcome) -> None:
    given = run("cuda", launches=100, launches_without_kernel=missing, kernels_without_launch=0, device_ns=1000)
    found = R18.check((given, given))
    assert found.outcome is outcome
    assert found.evidence["launches without kernel"] == (missing, missing)


def test_kernels_without_launches_count_too() -> None:
    given = run("cuda", launches=100, launches_without_kernel=0, kernels_without_launch=50, device_ns=1000)
    found = R18.check((given,))
    assert found.outcome is Outcome.FAIL
    assert "50 of 150 kernels" in found.says


def test_kernels_without_any_launch_fail() -> None:
    found = R18.check((run("cuda", launches=0, launches_without_kernel=0, kernels_without_launch=500, device_ns=1000),))
    assert found.outcome is Outcome.FAIL
    assert "500 of 500 kernels of it have no launch" in found.says
    assert R18.check((run(launches=0, kernels_without_launch=0),)).outcome is Outcome.PASS


def test_a_run_on_a_device_without_kernels_fails() -> None:
    found = R18.check((run("cuda", launches=0, device_ns=0),))
    assert found.outcome is Outcome.FAIL
    assert "ran on cuda, and its trace has no kernel" in found.says


@pytest.mark.parametrize(("covered", "outcome"), [(0.85, Outcome.PASS), (0.7, Outcome.WARN), (0.3, Outcome.FAIL)])
def test_what_has_no_name_counts_by_its_share(covered: float, outcome: Outcome) -> None:
    given = run(covered=covered)
    assert R18.check((given, given)).outcome is outcome


def test_what_the_interpreter_does_between_operators_has_a_name() -> None:
    between = {"symbol": "phase/forward", "kind": "scope", "category": "interpreter", "device": "cpu", "self_ns": 400}
    python = profile((CONV, between), evidence=Evidence(trace=Trace(covered=0.6, broken=0)))
    found = R18.check((python, run()))
    assert found.outcome is Outcome.PASS
    assert found.evidence["named"] == (1.0, 0.95)
    assert R18.check((run(covered=0.6),)).outcome is Outcome.WARN


def test_coverage_of_no_steps_says_nothing() -> None:
    bare = profile(steps=None, evidence=Evidence(trace=Trace(covered=0.3, broken=0)))
    found = R18.check((bare,))
    assert found.outcome is Outcome.PASS
    assert found.says == "nothing is missing from the trace"


def test_unequal_coverage_warns() -> None:
    found = R18.check((run(covered=1.0), run(covered=0.79)))
    assert found.outcome is Outcome.WARN
    assert "A names 100.0 % of its steps, that of B 79.0 %" in found.says


def test_a_trace_that_nobody_looked_at_is_unknown() -> None:
    for nothing in (profile(), evident(trace=Trace())):
        found = R18.check((run(), nothing))
        assert found.outcome is Outcome.UNKNOWN
        assert "of B" in found.says
