"""Intervals hold what they promise, on step times as skewed and as dependent as real ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from profkit.comparison import interval
from profkit.resampling import (
    RESAMPLES,
    Values,
    detectable_difference,
    difference,
    effect_size,
    relative_difference,
)

MEAN = 100.0


def step_times(
    random: np.random.Generator, rows: int, processes: int, steps: int, *, between: float, follow: float = 0.0
) -> Values:
    """Lognormal steps of processes that differ, of mean 100.

    Args:
        random: where they come from.
        rows: independent runs.
        processes: of a run.
        steps: of a process.
        between: standard deviation of the logarithm of a process's speed.
        follow: correlation of a step with the one before it.
    """
    within = 0.3
    speed = np.exp(random.normal(0, between, (rows, processes, 1)) - between**2 / 2)
    noise = random.normal(0, 1, (rows, processes, steps))
    for step in range(1, steps):
        noise[:, :, step] = follow * noise[:, :, step - 1] + (1 - follow**2) ** 0.5 * noise[:, :, step]
    return (MEAN * speed * np.exp(within * noise - within**2 / 2)).reshape(rows, -1)


@pytest.mark.parametrize("processes", [3, 5])
@pytest.mark.parametrize(("between", "follow"), [(0.0, 0.0), (0.05, 0.0), (0.2, 0.0), (0.05, 0.8)])
def test_intervals_of_skewed_steps_of_unlike_processes_contain_the_truth_as_often_as_they_say(
    processes: int, between: float, follow: float
) -> None:
    random = np.random.default_rng(3)
    a, b = (step_times(random, 1000, processes, 20, between=between, follow=follow) for _ in range(2))
    low, high = difference(a, b, (processes, processes))
    assert 0.90 <= np.mean((low <= 0) & (high >= 0)) <= 0.99
    _, low, high = relative_difference(a, b, (processes, processes))
    assert 0.90 <= np.mean((low <= 0) & (high >= 0)) <= 0.99


@pytest.mark.parametrize("steps", [4, 8, 20])
def test_intervals_of_few_steps_of_one_process_contain_the_truth_as_often_as_they_say(steps: int) -> None:
    random = np.random.default_rng(4)
    a, b = (step_times(random, 1000, 1, steps, between=0.0) for _ in range(2))
    low, high = difference(a, b)
    assert 0.90 <= np.mean((low <= 0) & (high >= 0)) <= 0.99


def test_steps_alone_are_too_sure_where_processes_differ() -> None:
    random = np.random.default_rng(5)
    a, b = (step_times(random, 300, 3, 20, between=0.2) for _ in range(2))
    ends = [interval(*sides) for sides in zip(a, b, strict=True)]
    assert np.mean([low <= 0 <= high for low, high in ends if low is not None and high is not None]) < 0.7


def test_the_detectable_difference_is_found_in_four_of_five_cases() -> None:
    random = np.random.default_rng(6)
    a, b = (step_times(random, 1000, 5, 10, between=0.1) for _ in range(2))
    smallest = float(np.median(detectable_difference(a, b, (5, 5))))
    low, _ = difference(a, b + smallest, (5, 5))
    assert 0.7 <= np.mean(low > 0) <= 0.9


def test_the_detectable_difference_of_two_equal_spreads_is_that_of_the_textbook() -> None:
    steps = np.array([9.0, 10.0, 11.0, 10.0])
    expected = (t.ppf(0.975, 6) + t.ppf(0.8, 6)) * (2 * steps.var(ddof=1) / 4) ** 0.5
    assert detectable_difference(steps, steps + 5) == pytest.approx([expected])


def test_a_right_skew_stays_in_the_interval() -> None:
    steps = np.random.default_rng(7).lognormal(0, 1.5, (1, 12))
    low, high = difference(np.full((1, 12), steps.mean()), steps)
    assert high[0] > -low[0] > 0


def test_rows_are_resampled_alike_and_every_time_the_same() -> None:
    random = np.random.default_rng(8)
    a, b = step_times(random, 2, 3, 20, between=0.1), step_times(random, 2, 3, 20, between=0.1)
    together = difference(a, b, (3, 3))
    alone = difference(a[1], b[1], (3, 3))
    assert [float(end[1]) for end in together] == pytest.approx([float(end[0]) for end in alone])
    assert np.array_equal(difference(a, b, (3, 3)), together)


def test_many_samples_are_resampled_in_parts_that_differ() -> None:
    random = np.random.default_rng(9)
    a, b = random.normal(10, 1, (1, 3000)), random.normal(11, 1, (1, 3000))
    low, high = difference(a, b, resamples=RESAMPLES)
    expected = interval(a[0], b[0])
    assert expected[0] is not None
    assert expected[1] is not None
    assert (low[0], high[0]) == pytest.approx((expected[0], expected[1]), rel=0.02)


def test_what_cannot_be_told_has_no_interval() -> None:
    one, two = np.array([1.0]), np.array([1.0, 2.0])
    assert np.isnan(difference(one, two)).all()
    assert np.isnan(detectable_difference(one, two)).all()
    estimate, low, high = relative_difference(one, two)
    assert estimate[0] == 0.5
    assert np.isnan([low[0], high[0]]).all()
    estimate, low, high = relative_difference(np.zeros(3), np.ones(3))
    assert np.isnan([estimate[0], low[0], high[0]]).all()


def test_equal_steps_have_an_interval_without_width() -> None:
    low, high = difference(np.full(6, 10.0), np.full(6, 12.0))
    assert (low[0], high[0]) == (2, 2)


def test_samples_that_are_not_of_equal_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="10 samples are not those of 3 equal processes"):
        difference(np.ones((1, 10)), np.ones((1, 9)), (3, 3))


def test_the_effect_size_counts_pairs() -> None:
    assert effect_size(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert effect_size(np.array([3.0, 4.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(-5 / 6)
    assert effect_size(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert np.isnan(effect_size(np.array([]), np.array([1.0])))
