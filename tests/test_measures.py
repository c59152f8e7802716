from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats

from profkit.measures import (
    METRICS,
    Omission,
    cell_table,
    epoch_table,
    estimate,
    interval_rank,
    results_json,
    run_table,
    summarise,
    values_of,
)
from tests.small_results import cell, report, results


def test_a_rate_is_total_over_total_and_the_split_adds_up() -> None:
    said = report([10, 30, 20, 40], batch_size=8)
    said["samples"] = [8, 8, 8, 6]
    values = values_of(said)
    assert values["samples_per_s"] == pytest.approx(30 / 0.1)
    assert values["step_p50_ms"] == 25
    assert values["total_s"] == pytest.approx(0.1)
    parts = ["data_s", "host_to_device_s", "forward_s", "backward_s", "optimizer_s", "other_s"]
    assert [values[part] for part in parts] == pytest.approx([0.0025, 0, 0.0125, 0.0075, 0.00125, 0.00125])


def test_with_epochs_the_split_is_of_an_epoch_and_the_scores_are_the_last_one_s() -> None:
    values = values_of(report([10, 20, 30, 60], epochs=2))
    assert values["epoch_s"] == pytest.approx(0.06)
    assert values["forward_s"] == pytest.approx(0.03)
    assert (values["train_loss"], values["test_accuracy"], values["test_l1"]) == (1.0, 0.4, None)
    assert (values["compile_s"], values["load_s"]) == (2.5, None)
    assert (values["peak_rss_bytes"], values["device_peak_bytes"], values["device_reserved_bytes"]) == (
        2**29,
        None,
        None,
    )


def test_without_epochs_there_is_no_time_of_an_epoch() -> None:
    values = values_of(report([10]))
    assert values["epoch_s"] is None
    assert values["train_loss"] is None


def test_percentiles_are_times_that_were_measured() -> None:
    values = values_of(report(range(1, 201)))
    assert [values[f"step_p{percent}_ms"] for percent in (50, 90, 95, 99)] == [100.5, 180, 190, 198]


@pytest.mark.parametrize(("count", "rank", "coverage"), [(1, 1, 0), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875)])
def test_few_repeats_have_the_coverage_that_they_have(count: int, rank: int, coverage: float) -> None:
    assert interval_rank(count) == (rank, coverage)


@pytest.mark.parametrize("count", range(2, 60))
def test_the_interval_is_the_narrowest_that_reaches_the_confidence(count: int) -> None:
    rank, coverage = interval_rank(count)
    binomial = scipy.stats.binom(count, 0.5)
    assert coverage == pytest.approx(1 - 2 * binomial.cdf(rank - 1))
    assert coverage >= 0.95 or rank == 1
    assert rank == count // 2 or 1 - 2 * binomial.cdf(rank) < 0.95


def test_the_interval_covers_the_median_of_a_skewed_distribution_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    found = [estimate(sample) for sample in random.exponential(size=(4000, 9)).tolist()]
    covered = np.mean([each.low <= np.log(2) <= each.high for each in found if each and each.low and each.high])
    assert covered == pytest.approx(interval_rank(9)[1], abs=0.01)


def test_one_value_has_no_interval_and_none_has_nothing() -> None:
    single = estimate([3.0])
    assert single is not None
    assert (single.median, single.low, single.high) == (3.0, None, None)
    assert estimate([]) is None


def test_improvement_is_against_the_baseline_s_run_of_the_same_repeat() -> None:
    python, cpp = cell("pytorch"), cell("libtorch")
    found = results(
        [(python, report([100])), (python, report([200])), (cpp, report([50])), (cpp, report([150]))], steps=1
    )
    baseline, candidate = summarise(found)
    assert baseline.values["improvement"] is None
    saved = candidate.values["improvement"]
    assert saved is not None
    assert (saved.low, saved.median, saved.high) == pytest.approx((0.25, 0.375, 0.5))


def test_improvement_is_unknown_where_the_baseline_has_no_run() -> None:
    python, cpp = cell("pytorch"), cell("libtorch", batch_size=32)
    found = summarise(results([(python, report([100])), (cpp, report([50]))]))
    assert [summary.values["improvement"] for summary in found] == [None, None]


def test_tables_have_a_row_a_cell_a_run_and_an_epoch() -> None:
    small, large = cell(batch_size=8, kernel_size=3), cell(batch_size=32, kernel_size=3)
    found = results(
        [(small, report([10, 12], epochs=2)), (small, report([14, 16], epochs=2)), (large, report([20], epochs=1))]
    )
    heads, rows = cell_table(found)
    first = dict(zip(heads, rows[0], strict=True))
    assert (first["batch_size"], first["kernel_size"], first["repeats"], first["coverage"]) == (8, 3, 2, 0.5)
    assert (first["step_p50_ms"], first["step_p50_ms_low"], first["step_p50_ms_high"]) == (13, 11, 15)
    assert len(rows) == 2
    heads, rows = run_table(found)
    assert len(rows) == 3
    assert set(METRICS) < set(heads)
    heads, rows = epoch_table(found)
    place = [heads.index(name) for name in ("batch_size", "repeat", "epoch")]
    assert [[row[index] for index in place] for row in rows] == [[8, 0, 0], [8, 0, 1], [8, 1, 0], [8, 1, 1], [32, 0, 0]]


def test_the_json_has_everything_and_is_json() -> None:
    lost = Omission(cell("libtorch"), "failed", "loss is nan", 1)
    body = json.loads(
        json.dumps(results_json(results([(cell(), report([10, 20], epochs=2))], [lost])), allow_nan=False)
    )
    assert body["cells"][0]["values"]["step_p50_ms"]["median"] == 15
    assert body["runs"][0]["epochs"][1]["test_loss"] == 1.1
    assert body["omissions"][0]["reason"] == "loss is nan"
    assert set(body["cells"][0]["values"]) == set(METRICS)
