"""R19: metrics are right."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r19_metrics import R19, samples_per_s
from profkit.evidence import Evidence
from profkit.profile import Profile
from tests.audit.profiles import profile

ALL = {"test_samples": 100, "test_samples_counted": 100}


def run(samples: tuple[int, ...] = (8, 8, 4), metrics: dict[str, int] | None = None, **run_fields: Any) -> Profile:
    given = {"step_ns": (10**9, 10**9, 5 * 10**8), **run_fields}
    return profile(**given, evidence=Evidence(samples=samples, metrics=metrics or {}))


def test_samples_of_every_step_are_fair() -> None:
    found = R19.check((run(), run(metrics=ALL)))
    assert found.outcome is Outcome.PASS
    assert found.evidence["samples/s"] == (8.0, 8.0)


def test_a_rate_is_total_over_total() -> None:
    assert samples_per_s(run()) == pytest.approx(20 / 2.5)
    assert samples_per_s(run(step_ns=(0, 0, 0))) is None


@pytest.mark.parametrize(
    ("samples", "says"),
    [((8, 8), "2 steps and timed 3"), ((8, 0, 8), "without samples"), ((8, 16, 8), "16 samples in")],
)
def test_samples_that_cannot_be_fail(samples: tuple[int, ...], says: str) -> None:
    found = R19.check((run(), run(samples)))
    assert found.outcome is Outcome.FAIL
    assert says in found.says


def test_a_test_batch_left_out_fails() -> None:
    found = R19.check((run(metrics=ALL), run(metrics={**ALL, "test_samples_counted": 96})))
    assert found.outcome is Outcome.FAIL
    assert "B has 100 test samples, and its metrics count 96" in found.says


def test_tests_on_other_samples_fail() -> None:
    other = {"test_samples": 50, "test_samples_counted": 50}
    assert R19.check((run(metrics=ALL), run(metrics=other))).outcome is Outcome.FAIL


def test_what_nobody_counted_is_unknown() -> None:
    assert R19.check((run(), run(()))).missing == ("the samples of each step",)
    found = R19.check((run(metrics={"test_samples": 100}),))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("test samples counted",)
