from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given

from profkit.comparison import FINEST, diff, interval
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from

Rows = list[tuple[str | None, str, str | None, list[int]]]


def profile(rows: Rows, metric: str = "self_ns", device: str = "cpu") -> Profile:
    """A profile from (layer, phase, operator, cost in each step)."""
    steps = len(rows[0][3])
    columns = {
        "layer": [row[0] for row in rows],
        "phase": [row[1] for row in rows],
        "operator": [row[2] for row in rows],
        "category": ["kernel"] * len(rows),
        "device": [device] * len(rows),
        metric: [sum(row[3]) for row in rows],
        f"{metric}_per_step": [row[3] for row in rows],
    }
    return Profile(Run(tool="test", steps=steps), table_from(OPERATORS, columns, len(rows)))


PYTHON: Rows = [
    ("conv1", "forward", "aten::conv2d", [100, 110, 120]),
    ("linear1", "forward", "aten::linear", [50, 52, 54]),
    ("linear1", "forward", "aten::addmm", [500, 500, 500]),
    (None, "optimizer", "aten::add_", [7, 7, 7]),
]
CPP: Rows = [
    ("conv1", "forward", "aten::conv2d", [300, 310, 320]),
    ("linear1", "forward", "aten::t", [20, 21, 22]),
    ("linear1", "forward", "aten::transpose", [10, 10, 10]),
    ("linear1", "forward", "aten::addmm", [500, 501, 499]),
    (None, "optimizer", "aten::mul_", [3, 3, 3]),
]


def test_rows_are_aligned_per_step_with_their_interval_and_verdict() -> None:
    rows = {row.key: row for row in diff(profile(PYTHON), profile(CPP)).rows}
    conv = rows["conv1", "forward", "aten::conv2d"]
    assert (conv.baseline, conv.candidate, conv.delta, conv.verdict) == (110, 310, 200, "more")
    assert conv.low is not None
    assert conv.high is not None
    assert conv.low < 200 < conv.high
    assert rows["linear1", "forward", "aten::addmm"].verdict == "same"


def test_operators_that_decompose_differently_are_set_against_each_other_in_their_layer() -> None:
    rows = {row.key: row for row in diff(profile(PYTHON), profile(CPP)).rows}
    linear = rows["linear1", "forward", "aten::linear | aten::t + aten::transpose"]
    assert (linear.baseline, linear.candidate) == (52, 31)


def test_without_a_layer_an_operator_of_one_side_stays_alone() -> None:
    rows = {row.key: row for row in diff(profile(PYTHON), profile(CPP)).rows}
    assert rows[None, "optimizer", "aten::add_"].verdict == "only in baseline"
    assert rows[None, "optimizer", "aten::mul_"].verdict == "only in candidate"


def test_the_rows_sum_to_the_whole_difference() -> None:
    for by in (FINEST, ("layer",), ("category",), ("phase", "operator")):
        result = diff(profile(PYTHON), profile(CPP), by)
        assert sum(row.delta for row in result.rows) == pytest.approx(result.total.delta)


def test_instructions_are_exact_and_have_no_interval() -> None:
    result = diff(profile(PYTHON, "self_instructions"), profile(CPP, "self_instructions"))
    assert result.exact
    assert all(row.low is None and row.high is None for row in result.rows)
    assert {row.key[-1]: row.verdict for row in result.rows}["aten::addmm"] == "same"


def test_units_are_never_subtracted_from_each_other() -> None:
    result = diff(profile(PYTHON), profile(CPP, "self_instructions"))
    assert result.unit == "share"
    assert result.total.baseline == pytest.approx(1)
    assert result.total.candidate == pytest.approx(1)


def test_costs_beside_the_processor_are_compared_apart() -> None:
    result = diff(profile(PYTHON), profile(CPP, device="cuda:0"))
    assert {row.verdict for row in result.rows} == {"only in baseline"}


def test_the_interval_is_that_of_welch() -> None:
    random = np.random.default_rng(0)
    baseline, candidate = random.normal(10, 1, 12), random.normal(11, 3, 7)
    expected = scipy.stats.ttest_ind(candidate, baseline, equal_var=False).confidence_interval(0.95)
    assert interval(baseline, candidate) == pytest.approx((expected.low, expected.high))


def test_a_single_sample_has_no_interval() -> None:
    assert interval(np.array([1.0]), np.array([1.0, 2.0])) == (None, None)


def test_with_several_processes_on_both_sides_intervals_are_of_processes() -> None:
    rows: Rows = [("conv1", "forward", "aten::conv2d", [100, 102, 98, 100, 130, 128, 132, 130])]
    slower: Rows = [(*rows[0][:3], [cost + 15 for cost in rows[0][3]])]

    def repeated(table: Rows, repeats: int) -> Profile:
        made = profile(table)
        return Profile(replace(made.run, repeats=repeats), made.operators)

    steps, processes = (diff(repeated(rows, count), repeated(slower, count)) for count in (1, 2))
    assert (steps.processes, processes.processes) == ((1, 1), (2, 2))
    single, several = steps.rows[0], processes.rows[0]
    assert single.low is not None
    assert several.low is not None
    assert several.low < single.low
    assert several.verdict == "same"
    assert several.detectable is not None
    assert single.detectable is not None
    assert several.detectable > single.detectable > 0


def test_steps_that_are_not_equally_many_of_each_process_are_taken_for_one_s() -> None:
    made = profile(PYTHON)
    uneven = Profile(replace(made.run, repeats=2), made.operators)
    assert diff(uneven, uneven).processes == (1, 1)


def test_rows_have_an_effect_size_where_they_have_an_interval() -> None:
    rows = {row.key: row for row in diff(profile(PYTHON), profile(CPP)).rows}
    assert rows["conv1", "forward", "aten::conv2d"].effect_size == 1
    assert rows["linear1", "forward", "aten::addmm"].effect_size == 0
    assert rows[None, "optimizer", "aten::add_"].effect_size is None
    exact = diff(profile(PYTHON, "self_instructions"), profile(CPP, "self_instructions")).rows
    assert {(row.effect_size, row.detectable) for row in exact} == {(None, None)}


def sampled(samples: int, steps: int | None, period_ns: int = 1000) -> Profile:
    """A profile of a sampler, which cannot tell steps apart."""
    columns = {"operator": ["aten::conv2d"], "device": ["cpu"], "samples": [samples]}
    run = Run(tool="py-spy", steps=steps, sampling_period_ns=period_ns)
    return Profile(run, table_from(OPERATORS, columns, 1))


def test_a_sampler_s_costs_are_those_of_a_step() -> None:
    found = diff(sampled(80, 4), sampled(300, 10))
    assert found.per_step
    assert (found.total.baseline, found.total.candidate) == (20, 30)
    whole = diff(sampled(80, 4), sampled(300, None))
    assert not whole.per_step
    assert (whole.total.baseline, whole.total.candidate) == (80, 300)


def test_times_whose_steps_cannot_be_told_apart_are_those_of_a_step() -> None:
    columns = {"operator": ["aten::conv2d"], "device": ["cpu"], "self_ns": [400]}
    one = Profile(Run(tool="other", steps=4), table_from(OPERATORS, columns, 1))
    found = diff(one, profile(PYTHON))
    assert (found.total.baseline, found.total.low) == (100, None)


def test_samples_of_different_periods_are_never_subtracted_from_each_other() -> None:
    assert diff(sampled(80, 4), sampled(80, 4, period_ns=2000)).unit == "share"
    assert diff(sampled(80, 4), sampled(80, 4)).unit == "samples"


names = st.sampled_from(["a", "b", "c"])
costs = st.lists(st.integers(0, 10**12), min_size=4, max_size=4)


@given(st.lists(st.tuples(st.none() | names, names, st.none() | names, costs), min_size=1, max_size=20))
def test_a_profile_differs_nowhere_from_itself(rows: Rows) -> None:
    result = diff(profile(rows), profile(rows))
    assert {row.verdict for row in result.rows} == {"same"}
    assert result.total.verdict == "same"
