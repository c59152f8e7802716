"""Costs of records: each call once, however operators call each other, on the processor and on devices."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import calltree, schema
from profkit.aggregate import aggregate
from profkit.columns import from_integers
from profkit.costs import UNTOLD, CostUnknownError, Tensor, cost_of
from profkit.operator_costs import parse_inputs, record_costs
from profkit.profile import Recording
from profkit.run import Run

MM = '[[8,4],[4,2]],["float32","float32"],["",""]'  # 128 FLOP, 224 bytes
ADDMM = '[[2],[8,4],[4,2],[],[]],["float32","float32","float32","Scalar","Scalar"],["","","","1","1"]'
LINEAR = '[[8,4],[2,4],[2]],["float32","float32","float32"],["","",""]'
UNTYPED = "[[8,4],[4,2]],[],[]"


def records(*rows: dict[str, Any]) -> pa.Table:
    """Records from literals: operator, inputs, parent, launcher, kind and self time."""
    count = len(rows)
    parent = np.array([row.get("parent", -1) for row in rows], np.int32)
    own = np.array([row.get("self", 1) for row in rows], np.int64)
    columns: dict[str, Any] = {
        "parent_id": from_integers(parent),
        "launcher_id": from_integers(np.array([row.get("launcher", -1) for row in rows], np.int32)),
        "operator": pa.array([row.get("operator") for row in rows], pa.string()),
        "symbol": pa.array([row.get("symbol", row.get("operator")) for row in rows], pa.string()),
        "kind": ["kernel" if "launcher" in row else row.get("kind", "operator") for row in rows],
        "category": ["kernel"] * count,
        "device": ["cuda:0" if "launcher" in row else "cpu" for row in rows],
        "inputs": pa.array([row.get("inputs") for row in rows], pa.string()),
        "count": np.ones(count, np.int64),
        "self_ns": own,
        "total_ns": calltree.total_from_self(parent, own),
    }
    return schema.table_from(schema.RECORDS, columns, count)


def flop(*rows: dict[str, Any]) -> list[int]:
    return record_costs(records(*rows))["flop"].tolist()


def test_an_operator_has_the_cost_of_its_formula() -> None:
    costs = record_costs(records({"operator": "aten::mm", "inputs": MM}))
    assert (costs["flop"].tolist(), costs["traffic_bytes"].tolist()) == ([128], [224])


def test_an_operator_that_calls_another_counts_only_what_is_its_own() -> None:
    assert flop(
        {"operator": "aten::linear", "inputs": LINEAR},
        {"operator": "aten::addmm", "inputs": ADDMM, "parent": 0},
    ) == [0, 128]


def test_an_operator_keeps_what_its_callees_do_not_do() -> None:
    # A quarter of the product is done by a call of an operator that has a formula, the rest by itself.
    part = '[[2,4],[4,2]],["float32","float32"],["",""]'
    assert flop(
        {"operator": "aten::mm", "inputs": MM},
        {"operator": "aten::mm", "inputs": part, "parent": 0},
    ) == [96, 32]


def test_callees_behind_a_python_function_are_callees() -> None:
    assert flop(
        {"operator": "aten::mm", "inputs": MM},
        {"kind": "python", "operator": "aten::mm", "symbol": "f.py(1): f", "parent": 0},
        {"operator": "aten::mm", "inputs": MM, "parent": 1},
    ) == [0, -1, 128]


def test_an_operator_without_a_formula_is_unknown_unless_others_work_for_it() -> None:
    assert flop(
        {"operator": "mine::fused", "inputs": MM},
        {"operator": "mine::composed", "inputs": MM},
        {"operator": "aten::mm", "inputs": MM, "parent": 1},
    ) == [-1, 0, 128]


def test_nodes_of_the_graph_cost_nothing_themselves() -> None:
    assert flop(
        {"operator": "autograd::engine::evaluate_function: MmBackward0"},
        {"operator": "MmBackward0", "inputs": MM, "parent": 0},
        {"operator": "aten::mm", "inputs": MM, "parent": 1},
    ) == [0, 0, 128]


def test_the_longest_kernel_has_the_cost_of_the_operator_that_launched_it() -> None:
    assert flop(
        {"operator": "aten::mm", "inputs": MM},
        {"operator": "aten::mm", "symbol": "prepare", "launcher": 0, "self": 2},
        {"operator": "aten::mm", "symbol": "gemm", "launcher": 0, "self": 9},
        {"operator": "aten::mm", "symbol": "finish", "launcher": 0, "self": 3},
    ) == [0, 0, 128, 0]


def test_kernels_of_an_operator_without_a_formula_are_unknown_and_its_launch_costs_nothing() -> None:
    assert flop(
        {"operator": "mine::fused", "inputs": MM},
        {"operator": "mine::fused", "symbol": "k", "launcher": 0},
        {"operator": "aten::mm", "inputs": MM},
    ) == [0, -1, 128]


def test_a_kernel_that_nothing_launched_is_unknown() -> None:
    assert flop({"symbol": "k", "launcher": -1}, {"operator": "aten::mm", "inputs": MM}) == [-1, 128]


def test_without_types_the_flop_are_known_and_the_bytes_are_not() -> None:
    costs = record_costs(records({"operator": "aten::mm", "inputs": UNTYPED}))
    assert (costs["flop"].tolist(), costs["traffic_bytes"].tolist()) == ([128], [-1])


def test_a_product_of_sparse_tensors_is_unknown_whoever_asked_for_it() -> None:
    """As torch records `torch.mm(sparse, dense)`: nothing but what it calls tells that a tensor is sparse."""
    assert flop(
        {"operator": "aten::mm", "inputs": MM},
        {"operator": "aten::addmm", "inputs": ADDMM, "parent": 0},
        {"operator": "aten::_nnz", "inputs": '[[8,4]],["float32"],[""]', "parent": 1},
        {"operator": "aten::mm", "inputs": MM},
    )[1::2] == [-1, 128]


def test_a_tool_that_knows_no_inputs_gives_no_costs() -> None:
    assert record_costs(records({"operator": "aten::mm"})) == {}


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ('[["s0",4],[4,2]],["float32","float32"],["",""]', "a size is no number"),
        ('[[8,-1],[-1,2]],["float32","float32"],["",""]', "a size is -1"),
        ("[[8,4]],[],[]", "input 1 is no tensor"),
        ('[[8,4],[5,2]],["float32","float32"],["",""]', "cannot be multiplied"),
        ('[[8,4],[4,2]],["float32"],["",""]', "differ in number"),
        ('[[8,4],[4,2]],["float3","float3"],["",""]', "unknown type float3"),
        ('[[4000000000,4000000000],[4000000000,2]],["float32","float32"],["",""]', "63 bits"),
        ("[[8,4", "cannot be read"),
    ],
)
def test_inputs_that_make_no_sense_leave_the_cost_unknown(inputs: str, why: str) -> None:
    with pytest.raises(CostUnknownError, match=why):
        cost_of("aten::mm", parse_inputs(inputs))
    rows = records({"operator": "aten::mm", "inputs": inputs}, {"operator": "aten::mm", "inputs": MM})
    assert record_costs(rows)["flop"].tolist() == [-1, 128]


def test_an_operator_of_which_the_trace_says_nothing_is_unknown() -> None:
    assert flop({"operator": "aten::mm"}, {"operator": "aten::mm", "inputs": MM}) == [-1, 128]


def test_empty_tensors_cost_nothing() -> None:
    assert flop({"operator": "aten::mm", "inputs": '[[0,4],[4,2]],["float32","float32"],["",""]'}) == [0]


def test_numbers_and_lists_are_read_as_torch_writes_them() -> None:
    text = (
        "[[8,4],[],[],[],[],[],[[2],[3,4]],[[5]],[]],"
        '["float32","Scalar","Scalar","ScalarList","Scalar","","TensorList",["int64"],"Scalar"],'
        '["","0.","True","[1, 2]","sum","","","",""]'
    )
    assert parse_inputs(text).values == (
        Tensor((8, 4)), 0.0, True, (1, 2), "sum", None,
        (Tensor((2,), None), Tensor((3, 4), None)), (Tensor((5,), "int64"),), UNTOLD,
    )  # fmt: skip


_WORDS = ("", "float32", "Scalar", "ScalarList", "TensorList", "[1, 2]", "[", "1.", "True")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=4),
)


@given(st.lists(_JSON, max_size=4))
def test_no_inputs_break_the_reader(parts: list[Any]) -> None:
    with contextlib.suppress(CostUnknownError):
        parse_inputs(",".join(map(json.dumps, parts)))


_SIZES = st.integers(1, 6)


@st.composite
def _forests(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Products and operators without a formula that call each other."""
    rows: list[dict[str, Any]] = []
    for place in range(draw(st.integers(1, 12))):
        m, k, n = draw(_SIZES), draw(_SIZES), draw(_SIZES)
        name = draw(st.sampled_from(["aten::mm", "mine::other"]))
        inputs = f'[[{m},{k}],[{k},{n}]],["float32","float32"],["",""]'
        rows.append(
            {"operator": name, "inputs": inputs, "parent": draw(st.integers(-1, place - 1)), "flop": 2 * m * k * n}
        )
    return rows


@given(_forests())
def test_no_cost_is_counted_twice_and_none_is_lost(rows: list[dict[str, Any]]) -> None:
    def total(place: int) -> int:
        callees = sum(total(other) for other, row in enumerate(rows) if row["parent"] == place)
        return max(rows[place]["flop"], callees) if rows[place]["operator"] == "aten::mm" else callees

    own = record_costs(records(*rows))["flop"]
    assert np.maximum(own, 0).sum() == sum(total(place) for place, row in enumerate(rows) if row["parent"] < 0)


def test_the_operator_table_sums_the_costs_of_its_records_over_repeats() -> None:
    run = Run(tool="test")
    rows = records(
        {"operator": "aten::mm", "inputs": MM},
        {"operator": "aten::mm", "inputs": MM},
        {"operator": "mine::fused", "inputs": MM},
        {"kind": "scope", "symbol": "layer/a"},
    )
    profile = aggregate([Recording(run, rows), Recording(run, rows)])
    table = dict(zip(profile.operators["symbol"].to_pylist(), profile.operators["flop"].to_pylist(), strict=True))
    assert table == {"aten::mm": 4 * 128, "mine::fused": None, "layer/a": None}
