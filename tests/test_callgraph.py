"""Self cost by operator: graphs small enough to do by hand, random graphs against a dense solution, real recordings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import schema
from profkit.callgraph import ESTIMATED, attribute
from profkit.importers.callgrind import CALLGRIND
from profkit.profile import Recording
from profkit.propagate import nearest
from profkit.run import Run
from profkit.symbols import operator_of

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "own"
MM, ADD, ADD_AGAIN = "at::_ops::mm::call()", "at::_ops::add_Tensor::call()", "at::_ops::add_Tensor::redispatch()"

Function = tuple[str, int]
Call = tuple[int, int, int]


def graph(functions: list[Function], calls: list[Call], inlined: dict[int, int] | None = None) -> Recording:
    """Functions of (symbol, self cost), calls of (caller, callee, inclusive cost), inlined costs by function."""
    inlined = inlined or {}
    total = Counter({place: cost + inlined.get(place, 0) for place, (_, cost) in enumerate(functions)})
    for caller, callee, cost in calls:
        total[caller] += cost if caller != callee else 0
    rows = len(functions) + len(inlined)
    records = schema.table_from(
        schema.RECORDS,
        {
            "symbol": [symbol for symbol, _ in functions] + [functions[place][0] for place in inlined],
            "kind": ["native"] * rows,
            "parent_id": [None] * len(functions) + list(inlined),
            "self_instructions": [cost for _, cost in functions] + list(inlined.values()),
            "total_instructions": [total[place] for place in range(len(functions))] + list(inlined.values()),
        },
        rows,
    )
    edges = {
        "caller_id": [caller for caller, _, _ in calls],
        "callee_id": [callee for _, callee, _ in calls],
        "count": [1] * len(calls),
        "total_instructions": [cost for _, _, cost in calls],
    }
    return Recording(Run(tool="callgrind"), records, schema.table_from(schema.CALLS, edges, len(calls)))


def pieces(recording: Recording) -> list[tuple[Any, ...]]:
    """(symbol, operator, self, estimated) of every row."""
    table = attribute(recording)
    names = ("symbol", "operator", "self_instructions", ESTIMATED)
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def entries(recording: Recording) -> dict[str, tuple[int | None, int | None]]:
    """Total and count of the rows that have a total, by symbol."""
    table = attribute(recording).to_pylist()
    return {
        row["symbol"]: (row["total_instructions"], row["count"])
        for row in table
        if row["total_instructions"] is not None
    }


def test_a_function_belongs_to_the_nearest_operator_above_it() -> None:
    recording = graph(
        [("main", 1), (MM, 10), ("gemm", 100), (ADD, 5), ("malloc", 7)],
        [(0, 1, 122), (1, 2, 100), (1, 3, 12), (3, 4, 7)],
    )
    assert pieces(recording) == [
        ("main", None, 1, 0), (MM, "aten::mm", 10, 0), ("gemm", "aten::mm", 100, 0),
        (ADD, "aten::add", 5, 0), ("malloc", "aten::add", 7, 0),
    ]  # fmt: skip


def test_a_shared_function_is_split_by_inclusive_cost_and_marked() -> None:
    recording = graph([(MM, 1), (ADD, 1), ("malloc", 100)], [(0, 2, 33), (1, 2, 67)])
    assert sorted(pieces(recording)[2:]) == [("malloc", "aten::add", 67, 67), ("malloc", "aten::mm", 33, 33)]


def test_pieces_are_whole_instructions_by_largest_remainder() -> None:
    recording = graph([(MM, 0), (ADD, 0), ("main", 0), ("malloc", 10)], [(0, 3, 4), (1, 3, 4), (2, 3, 4)])
    found = [row for row in pieces(recording) if row[0] == "malloc"]
    assert sorted(cost for _, _, cost, _ in found) == [3, 3, 4]
    assert {operator for _, operator, _, _ in found} == {"aten::mm", "aten::add", None}
    assert all(cost == estimated for _, _, cost, estimated in found)


def test_costs_that_no_float_holds_are_split_exactly() -> None:
    cost = 2**62 + 1
    recording = graph([(MM, 0), (ADD, 0), ("malloc", cost)], [(0, 2, cost // 2), (1, 2, cost // 2 + 1)])
    assert sum(piece for symbol, _, piece, _ in pieces(recording) if symbol == "malloc") == cost


def test_a_share_below_half_an_instruction_vanishes() -> None:
    recording = graph([(MM, 0), (ADD, 0), ("malloc", 10)], [(0, 2, 1), (1, 2, 999)])
    assert pieces(recording)[-1] == ("malloc", "aten::add", 10, 10)


def test_cost_without_a_recorded_caller_has_no_operator() -> None:
    recording = graph([(MM, 0), ("malloc", 100)], [(0, 1, 25)])
    assert sorted(pieces(recording)[1:], key=str) == [("malloc", "aten::mm", 25, 25), ("malloc", None, 75, 75)]


def test_inlined_code_goes_with_its_function() -> None:
    recording = graph([(MM, 3), ("gemm", 5)], [(0, 1, 12)], inlined={1: 7})
    assert pieces(recording)[1:] == [("gemm", "aten::mm", 5, 0), ("gemm", "aten::mm", 7, 0)]


def test_redispatch_of_an_operator_is_counted_once() -> None:
    recording = graph(
        [("main", 1), (ADD, 2), ("dispatch", 3), (ADD_AGAIN, 4), ("kernel", 50)],
        [(0, 1, 59), (1, 2, 57), (2, 3, 54), (3, 4, 50)],
    )
    assert entries(recording) == {ADD: (59, 1)}
    assert {operator for _, operator, _, _ in pieces(recording)[1:]} == {"aten::add"}


def test_an_operator_within_another_within_itself_is_counted_once() -> None:
    recording = graph([("main", 0), (ADD, 1), (MM, 2), (ADD_AGAIN, 4)], [(0, 1, 7), (1, 2, 6), (2, 3, 4)])
    assert entries(recording) == {ADD: (7, 1), MM: (6, 1)}


def test_an_entry_reached_from_within_and_without_counts_its_outer_calls() -> None:
    recording = graph([("main", 0), (ADD, 10), (ADD_AGAIN, 40)], [(0, 1, 30), (1, 2, 20), (0, 2, 20)])
    assert entries(recording) == {ADD: (30, 1), ADD_AGAIN: (20, 1)}


def test_operators_that_call_each_other_settle() -> None:
    recording = graph([("main", 0), (ADD, 10), (MM, 10)], [(0, 1, 20), (1, 2, 10), (2, 1, 5)])
    found = entries(recording)
    assert found[ADD][0] is not None
    assert found[ADD][0] <= 20


def test_a_cycle_belongs_to_those_who_enter_it() -> None:
    recording = graph([(MM, 0), (ADD, 0), ("f", 100), ("g", 100)], [(0, 2, 75), (1, 3, 25), (2, 3, 50), (3, 2, 50)])
    # f = (75 mm + 50 g) / 125, g = (25 add + 50 f) / 75: f = 9/11 mm + 2/11 add, g = 6/11 mm + 5/11 add
    found = {(symbol, operator): cost for symbol, operator, cost, _ in pieces(recording) if cost}
    assert found == {("f", "aten::mm"): 82, ("f", "aten::add"): 18, ("g", "aten::mm"): 55, ("g", "aten::add"): 45}


def test_the_table_has_the_columns_of_records_and_the_estimate() -> None:
    table = attribute(graph([(MM, 1)], []))
    assert table.schema.equals(schema.arrow_schema(schema.RECORDS).append(pa.field(ESTIMATED, pa.int64())))
    assert table["category"].to_pylist() == ["dispatch"]


def test_a_graph_without_instructions_keeps_its_other_measures() -> None:
    recording = graph([("{main}", 0), ("strlen", 0)], [(0, 1, 0)])
    records = recording.records.set_column(
        recording.records.column_names.index("self_instructions"), "self_instructions", pa.nulls(2, pa.int64())
    )
    position = records.column_names.index("self_ns")
    records = records.set_column(position, "self_ns", pa.array([30, 70]))
    table = attribute(Recording(recording.run, records, recording.calls))
    assert table["self_ns"].to_pylist() == [30, 70]
    assert table["self_instructions"].null_count == 2


symbols = st.sampled_from(["f", "g", "malloc", MM, ADD, ADD_AGAIN])
costs = st.integers(0, 10_000)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Function], list[Call]]:
    functions = draw(st.lists(st.tuples(symbols, costs), min_size=1, max_size=12))
    place = st.integers(0, len(functions) - 1)
    pairs = draw(st.lists(st.tuples(place, place), max_size=30, unique=True))
    return functions, [(caller, callee, draw(costs)) for caller, callee in pairs]


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[Function], list[int]]:
    functions = draw(st.lists(st.tuples(symbols, costs), min_size=1, max_size=20))
    return functions, [draw(st.integers(-1, place - 1)) for place in range(len(functions))]


@given(graphs())
def test_every_graph_keeps_the_cost_of_every_record(case: tuple[list[Function], list[Call]]) -> None:
    recording = graph(*case)
    table = attribute(recording)
    assert pc.sum(table["self_instructions"]).as_py() == sum(cost for _, cost in case[0])
    by_symbol = Counter[str]()
    for symbol, _, cost, estimated in pieces(recording):
        assert 0 <= estimated <= cost
        by_symbol[symbol] += cost
    expected = Counter[str]()
    for symbol, cost in case[0]:
        expected[symbol] += cost
    assert +by_symbol == +expected


@given(trees())
def test_in_a_tree_nothing_is_estimated(case: tuple[list[Function], list[int]]) -> None:
    functions, parents = case
    total = [cost for _, cost in functions]
    for place in range(len(functions) - 1, -1, -1):
        if parents[place] >= 0:
            total[parents[place]] += total[place]
    recording = graph(functions, [(up, place, total[place]) for place, up in enumerate(parents) if up >= 0])
    expected = []
    for place, (symbol, cost) in enumerate(functions):
        above = place
        while above >= 0 and operator_of(functions[above][0]) is None:
            above = parents[above]
        expected.append((symbol, operator_of(functions[above][0]) if above >= 0 else None, cost, 0))
    assert pieces(recording) == expected


@given(graphs(), st.lists(st.booleans(), min_size=12, max_size=12))
def test_shares_solve_the_linear_system(case: tuple[list[Function], list[Call]], chosen: list[bool]) -> None:
    functions, calls = case
    rows = len(functions)
    used = [(caller, callee, cost) for caller, callee, cost in calls if cost and caller != callee]
    caller, callee, cost = (np.array([call[place] for call in used], np.int64) for place in range(3))
    into = np.bincount(callee, cost, minlength=rows) * 1.25  # a fifth of every call comes from nowhere
    weight = cost / into[callee]
    is_source = np.array(chosen[:rows])
    found = nearest(caller, callee, weight, is_source)
    shares = np.zeros((rows, rows))
    shares[found.row, found.source] = found.share
    up = np.zeros((rows, rows))
    np.add.at(up, (callee, caller), weight)
    up[is_source] = 0
    expected = np.linalg.solve(np.eye(rows) - up, np.diag(is_source.astype(float)))
    np.testing.assert_allclose(shares, expected, atol=1e-9)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent")
def test_max_pooling_costs_the_same_in_python_and_in_cpp() -> None:
    """52.8 M instructions in both, found when the two were recorded."""
    found = {}
    for language in ("python", "libtorch"):
        recording = CALLGRIND.load(SAMPLES / f"callgrind-{language}-3-steps.out.gz")
        table = attribute(recording)
        assert pc.sum(table["self_instructions"]).as_py() == recording.tool_totals["Ir"]
        own = table.filter(pc.equal(table["operator"].cast(pa.string()), "aten::max_pool2d_with_indices"))
        found[language] = pc.sum(own["self_instructions"]).as_py()
        total = pc.sum(own["total_instructions"]).as_py()
        assert total == pytest.approx(found[language], rel=1e-4)  # it calls no other operator
        assert pc.sum(own["count"]).as_py() == 6  # two layers, three steps
    assert found["python"] == pytest.approx(found["libtorch"], rel=2e-4)
    assert found["python"] == pytest.approx(52.8e6, rel=1e-3)
