"""R06: device timers are synchronised."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r06_synchronisation import R06
from profkit.evidence import Evidence, Trace
from profkit.profile import Profile
from tests.audit.profiles import CONV, LINEAR, profile, with_evidence

KERNEL = {"operator": "gemm", "kind": "kernel", "category": "kernel", "device": "cuda:0", "self_ns": 4000}
HOST = profile()
DEVICE = profile([CONV, LINEAR, KERNEL], settings={"device": "cuda"}, tool_step_ns=(3000, 3000))


def late(nanoseconds: int, device_ns: int = 4000) -> Profile:
    """Two steps of 3000 ns whose last kernel ends as late as all of them together do."""
    return with_evidence(
        DEVICE,
        trace=Trace(device_ns=device_ns, late_device_ns=nanoseconds, steps_ns=6000, outlived_ns=nanoseconds),
    )


def test_without_a_device_there_is_nothing_to_wait_for() -> None:
    for sides in ((HOST, HOST), (HOST,)):
        found = R06.check(sides)
        assert found.outcome is Outcome.PASS
        assert "no device" in found.says
    sampled = profile([{"operator": "x", "samples": 5}], evidence=Evidence(places={"weights": "cpu", "state": ""}))
    assert R06.check((sampled,)).outcome is Outcome.PASS


def test_kernels_that_end_within_their_steps_are_fair() -> None:
    found = R06.check((late(0), late(39)))
    assert found.outcome is Outcome.PASS
    assert found.evidence["of the device's time, after its step"] == (0.0, 39 / 4000)


def test_kernels_after_the_end_of_their_step_fail_with_what_the_timer_missed() -> None:
    found = R06.check((late(0), late(2000)))
    assert found.outcome is Outcome.FAIL
    assert "50.0 % of the device's time of B lies after the step that launched it" in found.says
    assert found.effect == pytest.approx(100 * (6000 / 8000 - 1))
    assert R06.check((late(2000),)).effect == pytest.approx(-25)
    assert R06.check((late(2000), late(0))).effect == pytest.approx(100 * (8000 / 6000 - 1))


def test_the_effect_is_what_outlives_the_last_step_not_what_runs_on_into_the_next() -> None:
    trace = Trace(device_ns=4000, late_device_ns=2000, steps_ns=6000, outlived_ns=500)
    assert R06.check((with_evidence(DEVICE, trace=trace),)).effect == pytest.approx(100 * (6000 / 6500 - 1))
    untold = Trace(device_ns=4000, late_device_ns=2000)
    assert R06.check((with_evidence(DEVICE, trace=untold),)).effect is None


def test_a_program_that_says_it_waits_is_believed_unless_the_trace_shows_otherwise() -> None:
    waits = with_evidence(DEVICE, synchronised=True)
    assert R06.check((waits, waits)).outcome is Outcome.PASS
    assert R06.check((with_evidence(late(2000), synchronised=True),)).outcome is Outcome.FAIL


def test_a_program_that_does_not_wait_fails_unless_the_trace_shows_that_it_need_not() -> None:
    found = R06.check((with_evidence(DEVICE, synchronised=False),))
    assert (found.outcome, found.effect) == (Outcome.FAIL, None)
    assert R06.check((with_evidence(late(0), synchronised=False),)).outcome is Outcome.WARN
    assert R06.check((with_evidence(HOST, synchronised=False),)).outcome is Outcome.PASS


def test_a_device_that_nobody_watched_is_unknown() -> None:
    found = R06.check((HOST, DEVICE))
    assert found.outcome is Outcome.UNKNOWN
    assert "nobody saw whether B waits for its device" in found.says
    sampled = profile([{"operator": "x", "samples": 5}])
    assert "used a device" in R06.check((sampled,)).says
    assert R06.check((with_evidence(DEVICE, trace=Trace(device_ns=0, late_device_ns=0)),)).outcome is Outcome.UNKNOWN
