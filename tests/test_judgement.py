"""A difference against a limit: the interval decides, it knows how many processes it is from, and how many rows."""

from __future__ import annotations

import numpy as np
import pytest

from profkit.gate.judgement import PROCESS_DEVIATION, Judgement, Values, Verdict, exact, family, judged

ROW = Judgement(("row",), "cpu", None, None)


def steps(*means: float, seed: int = 0) -> Values:
    """Ten steps of each process, about its mean, which they have exactly."""
    noise = np.random.default_rng(seed).normal(0, 0.01, (len(means), 10))
    noise -= noise.mean(axis=1, keepdims=True)
    return np.asarray((np.array(means)[:, None] * (1 + noise)).reshape(-1))


def test_only_an_interval_past_the_limit_is_past_it() -> None:
    before = steps(100, 101, 99)
    verdicts = [
        judged(ROW, (before, steps(*(factor * mean for mean in (100, 101, 99)), seed=1)), (3, 3), 0.05).verdict
        for factor in (1.0, 1.05, 1.2)
    ]
    assert verdicts == [Verdict.WITHIN, Verdict.UNSURE, Verdict.PAST]


def test_with_a_single_process_the_interval_is_as_wide_as_processes_differ() -> None:
    one = judged(ROW, (steps(100), steps(100, seed=1)), (1, 1), 0.05)
    assert one.low is not None
    assert one.low < -1.9 * PROCESS_DEVIATION
    many = judged(ROW, (steps(*[100] * 5), steps(*[100] * 5, seed=1)), (5, 5), 0.05)
    assert many.low is not None
    assert many.low > -0.01


def test_the_difference_is_that_of_the_means_whatever_the_interval() -> None:
    assert judged(ROW, (steps(100), steps(120)), (1, 1), 0.05).change == pytest.approx(0.2)


def test_samples_that_do_not_divide_into_the_processes_are_of_one() -> None:
    values = steps(100)[:7]
    assert judged(ROW, (values, values), (2, 2), 0.05).verdict is judged(ROW, (values, values), (1, 1), 0.05).verdict


@pytest.mark.parametrize(
    ("values", "reason"),
    [([1.0], "a single step"), ([1.0, np.nan], "NaN"), ([1.0, np.inf], "infinite"), ([0.0, 0.0], "no cost")],
)
def test_what_has_no_interval_says_why(values: list[float], reason: str) -> None:
    found = judged(ROW, (np.array(values), steps(100)), (1, 1), 0.05)
    assert found.verdict is Verdict.UNDECIDED
    assert reason in found.reason


def test_a_row_among_many_needs_a_wider_interval() -> None:
    before, after = steps(100, 101, 99), steps(108, 109, 107, seed=1)
    alone = family([(ROW, [before, after])], (3, 3), 0.05)
    among = family([(ROW, [before, after]), *[(ROW, [before, before])] * 49], (3, 3), 0.05)
    assert alone[0].verdict is Verdict.PAST
    assert among[0].verdict is Verdict.UNSURE


def test_each_row_past_the_limit_leaves_a_smaller_family() -> None:
    before = steps(100, 101, 99)
    clear, close = steps(200, 201, 199, seed=1), steps(108.5, 109.5, 107.5, seed=2)
    widths = []
    for others in ([clear] * 9, [before] * 9):
        found = family([(ROW, [before, values]) for values in (*others, close)], (3, 3), 0.05)[-1]
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] < widths[1]


def test_counts_have_no_interval_but_their_difference() -> None:
    found = exact(ROW, (1000, 1050), 0.05)
    assert (found.verdict, found.low, found.high) == (Verdict.WITHIN, found.change, found.change)
    assert exact(ROW, (1000, 1051), 0.05).verdict is Verdict.PAST
    assert exact(ROW, (0, 5), 0.05).reason == "the baseline has no cost"
