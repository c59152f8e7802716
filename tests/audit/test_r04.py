"""R04: loading is measured apart."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r04_loading import R04
from profkit.evidence import Evidence, Trace
from profkit.profile import Profile
from tests.audit.profiles import CONV, LINEAR, profile, with_evidence, with_run

DECODES = {"operator": None, "kind": "scope", "category": "interpreter", "device": "cpu", "self_ns": 250}


def timed(data: int, rest: int = 900, **run_fields: Any) -> Profile:
    """Two steps of (data, rest), by the program's own clock."""
    phases = {"data": (data, data), "forward": (rest, rest)}
    steps = (data + rest,) * 2
    return profile(step_ns=steps, evidence=Evidence(phase_ns=phases, workers=0), **run_fields)


def traced(*rows: dict[str, Any]) -> Profile:
    return profile([CONV, LINEAR, *rows], settings={"workers": "0"})


def test_as_much_loading_on_both_sides_is_fair_when_it_is_told_apart() -> None:
    found = R04.check((timed(100), timed(90)))
    assert found.outcome is Outcome.PASS
    assert found.says == "loading takes 10.0 % of the steps of A, 9.1 % of the steps of B, told apart from the rest"
    assert found.evidence["loading, of a step"] == (0.1, pytest.approx(1 / 11))
    assert R04.check((timed(100),)).outcome is Outcome.PASS


def test_loading_within_the_steps_of_one_side_fails_with_what_it_adds() -> None:
    found = R04.check((timed(0), timed(300)))
    assert found.outcome is Outcome.FAIL
    assert "25.0 % of the steps of B is loading, 0.0 % of A" in found.says
    assert found.effect == pytest.approx(100 * (1 / 0.75 - 1))
    assert R04.check((timed(300), timed(0))).effect == pytest.approx(-25)


def test_little_loading_on_one_side_is_no_matter() -> None:
    assert R04.check((timed(0), timed(40))).outcome is Outcome.PASS


def test_programs_that_load_bundles_load_alike() -> None:
    sides = timed(20, bundle_sha256="ab"), timed(300, bundle_sha256="ab")
    assert R04.check(sides).outcome is Outcome.PASS
    assert R04.check((sides[0], timed(300))).outcome is Outcome.FAIL


def test_loading_in_a_trace_is_found_by_phase_and_category() -> None:
    for column in ("phase", "category"):
        loads = {"kind": "scope", "device": "cpu", "self_ns": 250, "phase": "forward", column: "data"}
        found = R04.check((traced(), traced(loads)))
        assert found.outcome is Outcome.FAIL
        assert "20.0 % of the steps of B is loading" in found.says


def test_time_in_no_phase_is_where_loading_hides() -> None:
    found = R04.check((traced(), traced(DECODES)))
    assert found.outcome is Outcome.FAIL
    assert "20.0 % of the steps of B is outside every phase" in found.says
    assert found.effect == pytest.approx(25)
    both = R04.check((traced(DECODES), traced(DECODES)))
    assert both.outcome is Outcome.WARN
    assert "loading is not told apart" in both.says
    assert R04.check((traced(DECODES),)).outcome is Outcome.WARN


def test_time_that_no_phase_of_an_own_program_timed_hides_loading_too() -> None:
    own = with_run(timed(0), step_ns=(1200, 1200))
    found = R04.check((timed(0), own))
    assert found.outcome is Outcome.FAIL
    assert found.effect == pytest.approx(100 * (1200 / 900 - 1))
    assert R04.check((timed(0), with_run(own, bundle_sha256="ab"))).outcome is Outcome.PASS


def test_what_a_device_does_meanwhile_is_none_of_the_hosts_steps() -> None:
    kernel = {"kind": "kernel", "category": "kernel", "device": "cuda:0", "self_ns": 9000}
    assert R04.check((traced(), traced(kernel))).outcome is Outcome.PASS
    waits = {"kind": "runtime", "category": "runtime", "device": "cpu", "self_ns": 9000}
    assert R04.check((traced(), traced(kernel, waits))).outcome is Outcome.PASS


def test_reading_found_by_a_sampler_is_loading() -> None:
    sampled = profile([{"operator": "x", "samples": 100}], settings={"workers": "0"})
    found = R04.check(tuple(with_evidence(sampled, trace=Trace(reading=share)) for share in (0.01, 0.2)))
    assert found.outcome is Outcome.FAIL
    assert "20.0 %" in found.says


@pytest.mark.parametrize(("data", "outcome"), [(10, Outcome.WARN), (100, Outcome.FAIL)])
def test_other_workers_matter_where_there_is_something_to_load(data: int, outcome: Outcome) -> None:
    found = R04.check((timed(data), with_evidence(timed(data), workers=4)))
    assert found.outcome is outcome
    assert "A loads with 0 workers and B with 4" in found.says


def test_steps_without_phases_are_unknown() -> None:
    bare = profile([{"operator": "x", "self_ns": 5, "device": "cpu"}])
    found = R04.check((timed(10), bare))
    assert found.outcome is Outcome.UNKNOWN
    assert "of B" in found.says
    costless = profile([{"operator": "x", "phase": "data"}])
    assert R04.check((costless, costless)).outcome is Outcome.UNKNOWN


def test_workers_that_nobody_recorded_are_unknown() -> None:
    found = R04.check((timed(10), with_evidence(timed(10), workers=None)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("the workers that load",)


@pytest.mark.parametrize("odd", [0, float("nan"), float("inf")])
def test_phases_that_took_no_time_to_speak_of_are_unknown(odd: int) -> None:
    phases = {"data": (odd, odd), "forward": (odd, odd)}
    broken = profile([{"operator": "x", "self_ns": 5}], evidence=Evidence(phase_ns=phases, workers=0))
    assert R04.check((timed(10), broken)).outcome is Outcome.UNKNOWN


def test_steps_that_are_nothing_but_loading_have_a_finite_effect() -> None:
    found = R04.check((timed(0), timed(900, 0)))
    assert found.outcome is Outcome.FAIL
    assert found.effect == pytest.approx(9900)
