"""What the times of steps tell by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes

from profkit.step_times import drift, first_iteration, outliers, processes

NOISE = np.random.default_rng(0).normal(1, 0.03, 200)


def test_times_are_split_into_processes_of_equal_length() -> None:
    assert [part.tolist() for part in processes((1, 2, 3, 4, 5, 6), 3)] == [[1, 2], [3, 4], [5, 6]]
    assert [len(part) for part in processes(range(6), None)] == [6]
    assert [len(part) for part in processes(range(7), 3)] == [7]
    assert [len(part) for part in processes(range(7), 0)] == [7]
    assert processes((), 3) == []


def test_a_cold_first_step_is_an_outlier() -> None:
    found = first_iteration([5.0, *NOISE])
    assert found is not None
    assert found.outlier
    assert found.factor == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("first", [0.2, 1.0, 1.1, 1.3])
def test_a_first_step_within_noise_or_faster_is_none(first: float) -> None:
    found = first_iteration([first, *NOISE])
    assert found is not None
    assert not found.outlier


def test_a_slow_first_step_among_slow_steps_is_none() -> None:
    noisy = np.where(np.arange(100) % 10 == 3, 4.0, NOISE[:100])
    found = first_iteration([3.0, *noisy])
    assert found is not None
    assert not found.outlier


def test_a_steady_growth_is_a_drift_and_noise_is_not() -> None:
    growing = drift(NOISE * np.linspace(1, 1.5, len(NOISE)))
    assert growing is not None
    assert growing.significant
    assert growing.change == pytest.approx(0.4, abs=0.03)  # half a first step is 0.4 of the median of 1.25
    assert growing.excess == pytest.approx(0.25, abs=0.03)
    steady = drift(NOISE)
    assert steady is not None
    assert not steady.significant


def test_a_drift_that_is_sure_but_small_is_not_significant() -> None:
    found = drift(np.linspace(1, 1.02, 100))
    assert found is not None
    assert found.p < 1e-6
    assert not found.significant


def test_faster_steps_drift_downwards() -> None:
    found = drift(np.linspace(3, 1, 50))
    assert found is not None
    assert found.significant
    assert found.change == pytest.approx(-1)
    assert found.excess == pytest.approx(1)  # the median is twice the last


def test_the_trend_is_that_of_scipy() -> None:
    times = np.round(NOISE[:60] * np.linspace(1, 1.04, 60), 2)  # with ties
    found = drift(times)
    assert found is not None
    slope = theilslopes(times, np.arange(60)).slope
    assert found.change == pytest.approx(slope * 59 / np.median(times))
    assert found.p == pytest.approx(kendalltau(np.arange(60), times).pvalue, rel=0.1)


def test_a_run_that_gets_out_of_hand_has_a_finite_excess() -> None:
    found = drift(np.geomspace(1, 1000, 50))
    assert found is not None
    assert found.significant
    assert found.excess == pytest.approx(1000**0.5 - 1, rel=0.1)


def test_one_slow_step_is_no_drift() -> None:
    found = drift([*NOISE[:30], 50.0])
    assert found is not None
    assert not found.significant


def test_the_drift_of_a_long_run_is_that_of_its_parts() -> None:
    found = drift(np.linspace(1, 2, 20_000))
    assert found is not None
    assert found.significant
    assert found.change == pytest.approx(2 / 3, rel=0.01)


def test_slow_steps_are_outliers_and_fast_ones_are_not() -> None:
    times = NOISE.copy()
    times[[7, 31]] = 3.0
    times[50] = 0.1
    assert outliers(times).tolist() == [7, 31]


def test_a_wide_spread_has_no_outliers() -> None:
    assert outliers(np.linspace(1, 5, 50)).tolist() == []


def test_a_step_that_is_far_but_little_slower_is_none() -> None:
    assert outliers([100] * 20 + [120]).tolist() == []
    assert outliers([100] * 20 + [200]).tolist() == [20]


@pytest.mark.parametrize("times", [[], [1.0], [0.0] * 20, [float("nan")] * 20, [1.0, 2.0, 3.0]])
def test_nothing_is_found_where_there_is_nothing_to_find(times: list[float]) -> None:
    assert first_iteration(times) is None
    assert drift(times) is None
    assert outliers(times).tolist() == []


def test_constant_times_neither_drift_nor_stand_out() -> None:
    first, trend = first_iteration([7.0] * 20), drift([7.0] * 20)
    assert first is not None
    assert (first.factor, first.outlier) == (1.0, False)
    assert trend is not None
    assert (trend.change, trend.significant) == (0.0, False)


def test_a_long_run_of_equal_parts_does_not_drift() -> None:
    found = drift([7.0, 7.0, 7.0, 8.0] * 1000)
    assert found is not None
    assert (found.change, found.p) == (0.0, 1.0)


def test_what_is_no_number_is_left_out() -> None:
    times = [float("nan"), 1.0, 1.1, 0.9, float("inf"), 1.0, 1.05, 0.95, 1.0, 1.0, 4.0]
    assert first_iteration(times) is None
    assert outliers(times).tolist() == [10]
    found = drift(times)
    assert found is not None
    assert np.isfinite(found.change)
