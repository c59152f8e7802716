"""R08: gradient mode and training mode are recorded and equal."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r08_mode import R08
from tests.audit.profiles import profile

TRAIN = {"mode": "train", "grad": "true", "training": "true"}
INFER = {"mode": "infer", "grad": "false", "training": "false"}


@pytest.mark.parametrize("settings", [TRAIN, INFER, {**INFER, "mode": "latency"}, {"grad": "true", "training": "true"}])
def test_equal_modes_that_fit_what_the_run_is_for_are_fair(settings: dict[str, str]) -> None:
    side = profile(settings=settings)
    assert R08.check((side, side)).outcome is Outcome.PASS
    assert R08.check((side,)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({**INFER, "grad": "true"}, "gradients off in A and on in B"),
        ({**INFER, "training": "true"}, "training mode off in A and on in B"),
        (TRAIN, "gradients off in A and on in B; training mode off in A and on in B"),
    ],
)
def test_modes_that_differ_fail(settings: dict[str, str], says: str) -> None:
    found = R08.check((profile(settings=INFER), profile(settings=settings)))
    assert (found.outcome, found.says) == (Outcome.FAIL, says)


def test_modes_that_do_not_fit_warn_although_they_are_equal() -> None:
    remembers = profile(settings={**INFER, "grad": "true"})
    found = R08.check((remembers, remembers))
    assert found.outcome is Outcome.WARN
    assert "A has gradients on in mode infer; B has gradients on in mode infer" in found.says
    assert R08.check((profile(settings={**TRAIN, "training": "false"}),)).outcome is Outcome.WARN


def test_latency_against_throughput_warns() -> None:
    found = R08.check((profile(settings=INFER), profile(settings={**INFER, "mode": "latency"})))
    assert (found.outcome, found.says) == (Outcome.WARN, "A runs in mode infer and B in mode latency")


def test_modes_that_nobody_recorded_are_unknown() -> None:
    found = R08.check((profile(settings=TRAIN), profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert "of B" in found.says
    assert R08.check((profile(settings={"grad": "true"}),)).missing == ("training mode",)
