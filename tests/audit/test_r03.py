"""R03: both see the same input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r03_input import R03
from profkit.evidence import Inputs
from profkit.profile import Profile
from tests.audit.profiles import evident, profile, with_run

INPUTS = Inputs(
    "ab" * 32, (8, 3, 32, 32), "float32", 0.47, 0.25, 0.0, 1.0, {"order": "shuffled, seed 0", "resize": "none"}
)
ONE = evident(inputs=INPUTS)


def given(**differ: Any) -> Profile:
    """Another digest, and these differences."""
    return evident(inputs=replace(INPUTS, **{"sha256": "cd" * 32, **differ}))


def test_the_same_bytes_are_the_same_input() -> None:
    found = R03.check((ONE, ONE))
    assert (found.outcome, found.says) == (Outcome.PASS, "the first batch is the same, byte by byte")
    assert found.evidence["mean"] == (0.47, 0.47)


def test_what_is_wrong_alone_is_wrong_on_two_sides() -> None:
    broken = evident(inputs=replace(INPUTS, mean=float("nan"), deviation=float("nan")))
    assert R03.check((broken,)).outcome is R03.check((broken, broken)).outcome is Outcome.FAIL
    zeros = evident(inputs=replace(INPUTS, mean=0.0, deviation=0.0, maximum=0.0))
    found = R03.check((zeros, zeros))
    assert (found.outcome, found.says) == (Outcome.WARN, "all values of the first batch are 0")
    assert R03.check((zeros,)).says == found.says


def test_another_scaling_fails_and_names_both_ranges() -> None:
    found = R03.check((ONE, given(mean=-0.06, deviation=0.5, minimum=-1.0, maximum=1.0)))
    assert found.outcome is Outcome.FAIL
    assert "values are in [0, 1] in A and in [-1, 1] in B" in found.says
    assert "mean 0.47 in A and -0.06 in B" in found.says
    assert found.evidence["minimum"] == (0.0, -1.0)


@pytest.mark.parametrize(
    ("differ", "says"),
    [
        ({"shape": (8, 3, 28, 28)}, "a sample is 3x32x32 in A and 3x28x28 in B"),
        ({"dtype": "float64"}, "float32 in A and float64 in B"),
        ({"deviation": 0.5}, "deviation 0.25 in A and 0.5 in B"),
        ({"mean": 0.57}, "mean 0.47 in A and 0.57 in B"),
        ({"preparation": {"order": "as in the files"}}, "order is shuffled, seed 0 in A and as in the files in B"),
        ({"mean": float("nan")}, "mean 0.47 in A and nan in B"),
        ({"maximum": float("inf")}, "values are in [0, 1] in A and in [0, inf] in B"),
    ],
)
def test_any_other_input_fails_by_what_differs(differ: dict[str, Any], says: str) -> None:
    found = R03.check((ONE, given(**differ)))
    assert found.outcome is Outcome.FAIL
    assert says in found.says


def test_statistics_equal_to_rounding_are_enough() -> None:
    assert R03.check((ONE, given(mean=0.470001))).outcome is Outcome.PASS


def test_other_samples_of_the_same_data_warn() -> None:
    for other in (given(mean=0.49, deviation=0.24, maximum=0.97), given(shape=(512, 3, 32, 32), mean=0.48)):
        found = R03.check((ONE, other))
        assert found.outcome is Outcome.WARN
        assert "other samples of what looks like the same data" in found.says


def test_the_same_first_batch_made_in_another_way_warns_of_the_next() -> None:
    augmented = evident(inputs=replace(INPUTS, preparation={"order": "as in the files"}))
    found = R03.check((ONE, augmented))
    assert found.outcome is Outcome.WARN
    assert "later ones may not be" in found.says
    silent = evident(inputs=replace(INPUTS, preparation={}))
    assert R03.check((ONE, silent)).outcome is Outcome.PASS


def test_one_bundle_is_one_input_where_nobody_kept_it() -> None:
    assert R03.check((profile(bundle_sha256="ab"), profile(bundle_sha256="ab"))).outcome is Outcome.PASS
    assert R03.check((profile(bundle_sha256="ab"), profile(bundle_sha256="cd"))).outcome is Outcome.UNKNOWN
    wrong = with_run(given(maximum=2.0), bundle_sha256="ab")
    assert R03.check((with_run(ONE, bundle_sha256="ab"), wrong)).outcome is Outcome.FAIL


def test_inputs_that_nobody_kept_are_unknown() -> None:
    found = R03.check((ONE, profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("the first batch",)
    assert "of B" in found.says


def test_one_input_is_checked_for_being_one() -> None:
    assert R03.check((ONE,)).outcome is Outcome.PASS
    assert R03.check((given(mean=0.0, deviation=0.0, maximum=0.0),)).outcome is Outcome.WARN
    assert R03.check((given(mean=float("nan")),)).outcome is Outcome.FAIL


def test_a_batch_without_dimensions_stops_nothing() -> None:
    assert R03.check((given(shape=()), given(shape=(8,), sha256="ef"))).outcome is Outcome.WARN
