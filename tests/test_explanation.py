"""Causes sum to the gap, and every row is in the one that it belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from profkit.evidence import Evidence
from profkit.explanation import Explanation, explain
from profkit.explanation.causes import CAUSES, PYTHON_TAX
from profkit.explanation.plain_costs import plain_times
from profkit.loader import load
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import CATEGORIES
from tests.small_explanations import CPP, PYTHON, Line, profile, without_steps

TRACES = Path(__file__).parent.parent / "traces" / "mnist_cnn"
STEPS = (100, 104, 96, 100)


def deltas(found: Explanation) -> dict[str, float]:
    """The causes that have any difference."""
    return {cause.name: cause.delta for cause in found.causes if cause.delta}


def one(line: Line, other: Line, a: Run = PYTHON, b: Run = CPP) -> dict[str, float]:
    """What explains the difference of two profiles of one row each."""
    return deltas(explain(profile(a, [line]), profile(b, [other])))


names = st.sampled_from(["a", "b", "c"])
lines = st.builds(
    Line,
    layer=st.none() | names,
    phase=st.none() | st.sampled_from(["forward", "backward", "data"]),
    operator=st.none() | st.sampled_from(["aten::addmm", "aten::relu", "aten::t"]),
    category=st.sampled_from(CATEGORIES),
    costs=st.lists(st.integers(0, 10**12), min_size=6, max_size=6),
    kind=st.sampled_from(["operator", "scope", "native"]),
    symbol=st.none() | names,
    count=st.none() | st.integers(0, 100),
    flop=st.none() | st.integers(0, 10**9),
)
tables = st.lists(lines, min_size=1, max_size=20)
plain = st.one_of(st.just([]), st.lists(st.integers(0, 10**13), min_size=1, max_size=8)).map(tuple)


@given(
    tables, tables, st.sampled_from(["self_ns", "self_instructions"]), plain, plain, st.sampled_from(["numba", None])
)
def test_the_causes_of_any_two_tables_sum_to_their_gap(
    left: list[Line],
    right: list[Line],
    metric: str,
    before: tuple[int, ...],
    after: tuple[int, ...],
    implementation: str | None,
) -> None:
    found = explain(
        profile(PYTHON, left, metric, step_ns=before, repeats=2),
        profile(replace(CPP, implementation=implementation), right, metric, step_ns=after),
    )
    largest = max(*map(abs, found.costs), *(abs(cause.delta) for cause in found.causes), 1.0)
    assert sum(cause.delta for cause in found.causes) == pytest.approx(found.gap, abs=1e-9 * largest)
    assert [cause.name for cause in found.causes] == list(CAUSES)
    if not found.cause("work").places:  # else A's cost is also what B's work would cost it
        for side, cost in zip(("baseline", "candidate"), found.costs, strict=True):
            assert sum(getattr(cause, side) for cause in found.causes) == pytest.approx(cost, abs=1e-9 * largest)


@given(tables)
def test_nothing_explains_the_difference_of_a_table_from_itself(table: list[Line]) -> None:
    same = profile(PYTHON, table, step_ns=STEPS)
    found = explain(same, same)
    assert found.gap == 0
    assert deltas(found) == {}


@pytest.mark.parametrize(
    ("category", "cause"),
    [
        ("interpreter", "interpreter"),
        ("binding", "binding"),
        ("dispatch", "dispatch"),
        ("memory", "memory"),
        ("data", "data loading"),
        ("runtime", "runtime and idle"),
        ("kernel", "same kernel"),
        ("other", "unexplained"),
    ],
)
def test_a_row_belongs_to_what_its_cost_is_spent_on(category: str, cause: str) -> None:
    line = Line("conv1", "forward", "aten::conv2d", category, (10, 12))
    assert one(line, line._replace(costs=(20, 22))) == {cause: 10}


def test_whatever_runs_in_the_data_phase_is_data_loading() -> None:
    line = Line(None, "data", "aten::stack", "kernel", (10, 12))
    assert one(line, line._replace(costs=(20, 22))) == {"data loading": 10}


def test_a_compiled_programs_own_code_stands_against_the_interpreter() -> None:
    python = Line(None, "backward", None, "interpreter", (50, 50), "scope")
    cpp = Line(None, "backward", None, "other", (20, 20), "scope")
    assert one(python, cpp) == {"interpreter": -30}
    assert one(cpp, cpp._replace(costs=(25, 25)), CPP) == {"unexplained": 5}


def test_kernels_of_one_name_are_the_same_kernel_wherever_the_tools_place_them() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (10, 12))
    assert one(line, line._replace(layer=None, costs=(20, 22))) == {"same kernel": 10}


def test_what_a_layer_does_with_other_operators_is_another_kernel() -> None:
    line = Line("conv1", "forward", "aten::_slow_conv2d_forward", "kernel", (10, 12))
    found = explain(
        profile(PYTHON, [line]),
        profile(CPP, [line._replace(operator="aten::mkldnn_convolution", costs=(20, 22))]),
    )
    assert deltas(found) == {"other kernel": 10}
    (place,) = found.cause("other kernel").places
    assert place.operator == "aten::_slow_conv2d_forward | aten::mkldnn_convolution"


def test_a_hand_written_kernel_has_but_the_name_of_the_framework_s() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (10, 12))
    assert one(line, line._replace(costs=(20, 22)), b=replace(PYTHON, implementation="numba")) == {"other kernel": 10}


def test_the_same_kernel_for_another_instruction_set_is_told_apart() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (10, 12))
    avx2 = replace(CPP, settings={**CPP.settings, "cpu_capability": "AVX2"})
    assert one(line, line._replace(costs=(20, 22)), b=avx2) == {"other ISA": 10}


def test_kernels_without_a_counterpart_are_only_on_their_side() -> None:
    both = Line("conv1", "forward", "aten::conv2d", "kernel", (10, 12))
    a = Line("bn1", "forward", "aten::native_batch_norm", "kernel", (5, 5))
    b = Line("drop1", "forward", "aten::native_dropout", "kernel", (3, 3))
    found = explain(profile(PYTHON, [both, a]), profile(CPP, [both, b]))
    assert deltas(found) == {"only in A": -5, "only in B": 3}


def test_instructions_of_one_operator_are_matched_by_symbol() -> None:
    def kernel(symbol: str, cost: int) -> Line:
        return Line("conv1", "forward", "aten::conv2d", "kernel", (cost, cost), "native", symbol)

    found = explain(
        profile(PYTHON, [kernel("gemm", 100), kernel("pack", 10), kernel("jit_a", 50)], "self_instructions"),
        profile(CPP, [kernel("gemm", 90), kernel("pack", 10), kernel("jit_b", 70)], "self_instructions"),
    )
    assert deltas(found) == {"same kernel": -10, "other kernel": 20}


def test_other_symbols_of_one_operator_are_another_kernel_wherever_the_tools_place_them() -> None:
    def kernel(layer: str, symbol: str, cost: int) -> Line:
        return Line(layer, "forward", "aten::conv2d", "kernel", (cost, cost), "native", symbol)

    found = explain(
        profile(PYTHON, [kernel("conv1", "gemm", 100), kernel("conv1", "jit_a", 50)], "self_instructions"),
        profile(CPP, [kernel("0", "gemm", 90), kernel("0", "jit_b", 70)], "self_instructions"),
    )
    assert deltas(found) == {"same kernel": -10, "other kernel": 20}


WORK = Line("fc", "forward", "aten::addmm", "kernel", (100, 100), flop=2000)


def test_more_work_is_told_first_at_the_speed_of_the_baseline() -> None:
    found = explain(profile(PYTHON, [WORK]), profile(CPP, [WORK._replace(costs=(450, 450), flop=6000)]))
    assert deltas(found) == {"work": 200, "same kernel": 150}
    assert found.cause("work").confidence == "estimated"
    assert found.macs == (500, 1500)


def test_a_layer_that_only_one_side_has_work_for_is_work() -> None:
    extra = WORK._replace(layer="fc2", costs=(70, 70), flop=4000)
    found = explain(profile(PYTHON, [WORK]), profile(CPP, [WORK, extra]))
    assert deltas(found) == {"work": 70}
    assert deltas(explain(profile(PYTHON, [WORK, extra]), profile(CPP, [WORK]))) == {"work": -70}


def test_work_that_nobody_counted_is_taken_to_be_the_same() -> None:
    unknown = WORK._replace(flop=None, costs=(450, 450))
    found = explain(profile(PYTHON, [WORK]), profile(CPP, [unknown]))
    assert deltas(found) == {"same kernel": 350}
    assert found.macs == (500, None)


def test_a_layer_of_another_name_keeps_the_ratio_of_its_work() -> None:
    other = WORK._replace(layer="linear1", costs=(450, 450), flop=6000)
    same = WORK._replace(layer="conv1", operator="aten::conv2d")
    found = explain(profile(PYTHON, [same, WORK]), profile(CPP, [same, other]))
    assert deltas(found) == {"work": 200, "same kernel": 150}


def test_what_lies_outside_of_layers_is_held_against_the_work_of_all_of_them() -> None:
    conv = Line("conv1", "forward", "aten::conv2d", "kernel", (100, 100), flop=2000)
    placed = Line("fc", "backward", "aten::mm", "kernel", (10, 10), flop=200)
    left = [conv, WORK, placed]
    right = [line._replace(layer=None, costs=(200, 200), flop=4000) for line in (conv, WORK)] + [placed]
    assert deltas(explain(profile(PYTHON, left), profile(CPP, right))) == {"work": 200}


def test_a_further_operator_of_a_layer_with_the_same_work_is_no_work() -> None:
    extra = WORK._replace(operator="aten::relu", costs=(30, 30), flop=None, kind="native")
    more = WORK._replace(layer="fc2", costs=(300, 300), flop=6000)
    less = more._replace(costs=(100, 100), flop=2000)
    found = explain(profile(PYTHON, [WORK, extra, less]), profile(CPP, [WORK, more]))
    assert deltas(found) == {"work": 200, "only in A": -30}


def test_of_recordings_with_steps_on_one_side_alone_the_whole_is_compared() -> None:
    a = profile(PYTHON, [WORK._replace(costs=(100, 100, 100, 100), flop=8000)])
    b = without_steps(profile(CPP, [WORK._replace(costs=(500,), flop=8000)]))
    found = explain(a, b)
    assert not found.per_step
    assert found.costs == (400, 500)
    assert deltas(found) == {"same kernel": 100}
    assert found.macs == (4000, 4000)


KERNEL = Line("conv1", "forward", "aten::conv2d", "kernel", (60_000, 60_000), count=2)
CALLS = Line(None, "forward", "aten::view", "dispatch", (40_000, 40_000), count=40)


def test_the_gap_is_that_of_the_steps_without_the_tool() -> None:
    a = profile(PYTHON, [KERNEL, CALLS], step_ns=(80_000, 80_000))
    b = profile(CPP, [KERNEL, CALLS], step_ns=(100_000, 100_000))
    found = explain(a, b)
    assert found.costs == (80_000, 100_000)
    assert found.gap == pytest.approx(sum(deltas(found).values()))
    assert found.cause("dispatch").confidence == "estimated"


def test_a_tool_s_cost_is_taken_off_by_calls_and_never_below_zero() -> None:
    (a, b) = (profile(PYTHON, [KERNEL, CALLS], step_ns=step_ns) for step_ns in ((79_000,) * 2, (10_000,) * 2))
    found = explain(a, b)
    # 21 calls a step cost 21 us more: 1 us each.
    assert found.sides[0].per_call == pytest.approx(1000)
    assert found.cause("dispatch").baseline == pytest.approx(20_000)
    assert found.cause("same kernel").baseline == pytest.approx(59_000)
    # A call cannot cost the tool more than the cheapest of them took.
    assert found.sides[1].per_call == pytest.approx(2000)
    assert found.cause("dispatch").candidate == 0
    assert found.cause("same kernel").candidate == pytest.approx(10_000)


def test_what_lies_outside_of_every_row_is_unexplained() -> None:
    a = profile(PYTHON, [KERNEL], step_ns=(60_000, 60_000), tool_step_ns=(60_000, 60_000))
    b = profile(CPP, [KERNEL], step_ns=(80_000, 80_000), tool_step_ns=(80_000, 80_000))
    assert deltas(explain(a, b)) == {"unexplained": pytest.approx(20_000)}


def test_without_steps_without_the_tool_on_both_sides_times_are_the_tool_s() -> None:
    a = profile(PYTHON, [KERNEL], step_ns=(30_000, 30_000))
    b = profile(CPP, [KERNEL._replace(costs=(50_000, 50_000))])
    found = explain(a, b)
    assert found.basis == "recorded"
    assert deltas(found) == {"same kernel": -10_000}
    assert found.cause("same kernel").confidence == "measured"


def test_a_slow_first_step_is_its_own_cause() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (100,) * 6)
    cold = (1100, 100, 101, 99, 100, 100)
    found = explain(profile(PYTHON, [line], step_ns=cold), profile(CPP, [line], step_ns=(100,) * 6))
    assert found.cause("first iterations").delta == pytest.approx(100 - sum(cold) / 6)
    assert sum(deltas(found).values()) == pytest.approx(found.gap)
    assert abs(found.cause("same kernel").delta) < 1e-9


def test_single_slow_steps_are_nobody_s_but_unexplained() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (100,) * 8)
    steady = (100, 101, 99, 100, 100, 100, 100, 100)
    disturbed = (100, 101, 99, 900, 100, 100, 100, 100)
    found = explain(profile(PYTHON, [line], step_ns=steady), profile(CPP, [line], step_ns=disturbed))
    assert found.gap == 100
    assert deltas(found) == {"unexplained": pytest.approx(100)}


def test_samples_are_shares_of_the_step_without_the_tool() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (6, 0), "native")
    python = Line(None, "forward", None, "interpreter", (2, 0), "native")
    a = profile(PYTHON, [line, python], "samples", step_ns=(800, 800))
    b = profile(CPP, [line._replace(costs=(300, 300))], step_ns=(500, 500))
    found = explain(a, b)
    assert found.unit == "ns"
    assert deltas(found) == {"interpreter": pytest.approx(-200), "same kernel": pytest.approx(-100)}


def test_units_that_cannot_be_subtracted_are_compared_by_shares() -> None:
    found = explain(profile(PYTHON, [KERNEL, CALLS], "self_instructions"), profile(CPP, [KERNEL, CALLS]))
    assert found.unit == "share"
    assert found.gap == pytest.approx(0)
    assert {cause.share for cause in found.causes} == {None}


def test_samples_of_different_periods_are_compared_by_shares() -> None:
    one = profile(PYTHON, [KERNEL], "samples", sampling_period_ns=1000)
    other = profile(CPP, [KERNEL], "samples", sampling_period_ns=2000)
    assert (explain(one, one).unit, explain(one, other).unit) == ("samples", "share")


def test_processes_of_a_single_time_are_left_out_of_what_follows_a_cold_first_step() -> None:
    cold = (1000, 100, 101, 99, 100, 100, 500, 0, 0, 0, 0, 0)
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (100,) * 12)
    found = explain(
        profile(PYTHON, [line], step_ns=cold, repeats=2), profile(CPP, [line], step_ns=(100,) * 12, repeats=2)
    )
    assert found.sides[0].steps.samples.tolist() == [100, 101, 99, 100, 100]
    assert sum(deltas(found).values()) == pytest.approx(found.gap)


def test_equal_marks_are_one_process() -> None:
    run = Run(tool="torch", step_ns=(100,) * 6, evidence=Evidence(processes=("p", "p")))
    assert [len(part) for part in plain_times(run)] == [6]
    assert [len(part) for part in plain_times(replace(run, evidence=Evidence(processes=("p", "q"))))] == [3, 3]


def test_zero_times_and_a_single_step_are_got_along_with() -> None:
    line = Line("conv1", "forward", "aten::conv2d", "kernel", (100,))
    found = explain(profile(PYTHON, [line], step_ns=(0, 80)), profile(CPP, [line], step_ns=(0, 0)))
    assert found.basis == "recorded"
    assert found.low is None
    assert deltas(found) == {}
    empty = Line("conv1", "forward", "aten::conv2d", "kernel", (0, 0))
    assert deltas(explain(profile(PYTHON, [empty]), profile(CPP, [empty]))) == {}


def test_intervals_are_of_processes_where_there_are_several() -> None:
    steps = (100, 102, 98, 100, 130, 128, 132, 130)
    line = Line("conv1", "forward", "aten::conv2d", "kernel", steps)
    slower = line._replace(costs=tuple(cost + 15 for cost in steps))
    single = explain(profile(PYTHON, [line]), profile(CPP, [slower])).cause("same kernel")
    both = explain(profile(PYTHON, [line], repeats=2), profile(CPP, [slower], repeats=2)).cause("same kernel")
    assert single.low is not None
    assert both.low is not None
    assert both.low < single.low < 15
    assert both.confidence == "within noise"


def trace(implementation: str, tool: str) -> Profile:
    return load(TRACES / implementation / tool / "profile.json")


def test_the_python_tax_of_the_callgrind_traces_is_exact() -> None:
    a, b = trace("pytorch", "callgrind"), trace("libtorch", "callgrind")
    found = explain(a, b)
    whole = [
        sum(sum(costs) for costs in side.operators["self_instructions_per_step"].to_pylist()) / (side.run.steps or 1)
        for side in (a, b)
    ]
    assert list(found.costs) == whole
    assert sum(cause.delta for cause in found.causes) == whole[1] - whole[0]
    assert {cause.confidence for cause in found.causes} == {"exact"}
    tax = sum(found.cause(name).delta for name in PYTHON_TAX)
    assert tax < 0.8 * found.gap
    for column in ("layer", "operator"):
        assert sum(place.delta for place in found.python_tax(column)) == tax
    by_operator = {place.operator: place.delta for place in found.python_tax("operator")}
    assert by_operator["aten::conv2d"] < 0
    by_layer = {(place.layer, place.phase): place.delta for place in found.python_tax("layer")}
    assert by_layer["conv1", "forward"] < 0


def test_the_torch_traces_are_explained_by_steps_that_sum_to_the_gap_without_the_tool() -> None:
    a, b = trace("pytorch", "torch"), trace("libtorch", "torch")
    found = explain(a, b)
    means = [sum(side.run.step_ns) / len(side.run.step_ns) for side in (a, b)]
    assert found.gap == pytest.approx(means[1] - means[0])
    assert sum(cause.delta for cause in found.causes) == pytest.approx(found.gap)
    assert found.cause("interpreter").delta < 0
    assert found.cause("work").delta == 0
    assert found.macs[0] == found.macs[1]
