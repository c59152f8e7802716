"""From records to the operator table: exact sums, nested calls once, steps, repeats and folding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import calltree, schema
from profkit.aggregate import aggregate
from profkit.columns import from_integers
from profkit.errors import DataError
from profkit.profile import Profile, Recording
from profkit.run import Run


def forest(rows: list[dict[str, Any]], steps: int | None = None, **run: Any) -> Recording:
    """A forest from literals; total is made from self."""
    parent = np.array([row.get("parent", -1) for row in rows], np.int32)
    own = np.array([row.get("self", 0) for row in rows], np.int64)
    names = ("layer", "phase", "operator", "symbol", "category", "input_shapes", "file", "library")
    columns: dict[str, Any] = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    columns |= {
        "kind": [row.get("kind", "operator") for row in rows],
        "parent_id": from_integers(parent),
        "step": from_integers(np.array([row.get("step", -1) for row in rows], np.int32)),
        "line": from_integers(np.array([row.get("line", -1) for row in rows], np.int32)),
        "count": np.ones(len(rows), np.int64),
        "self_ns": own,
        "total_ns": calltree.total_from_self(parent, own),
        "allocated_bytes": from_integers(np.array([row.get("allocated", -1) for row in rows], np.int64)),
        "peak_bytes": from_integers(np.array([row.get("peak", -1) for row in rows], np.int64)),
    }
    return Recording(
        Run(tool="test", steps=steps, **run), schema.table_from(schema.RECORDS, columns, len(rows)), notes=("a note",)
    )


def op(name: str, **values: Any) -> dict[str, Any]:
    return {"operator": name, "symbol": name, "category": "kernel", **values}


def table(profile: Profile, *columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(profile.operators[column].to_pylist() for column in columns), strict=True))


def test_files_of_packages_and_of_python_are_named_from_the_package_on() -> None:
    names = {
        "/home/a/.venv/lib/python3.11/site-packages/torch/_ops.py": "torch/_ops.py",
        "/usr/lib/python3/dist-packages/torch/_ops.py": "torch/_ops.py",
        "/usr/local/lib/python3.12/threading.py": "threading.py",
        "/home/a/train.py": "/home/a/train.py",
    }
    recording = forest([op("aten::add", kind="python", self=10, layer=str(index)) for index in range(len(names))])
    records = recording.records
    column = pa.array(list(names)).cast(records.schema.field("file").type)
    placed = records.set_column(records.schema.get_field_index("file"), records.schema.field("file"), column)
    assert aggregate([replace(recording, records=placed)]).operators["file"].to_pylist() == list(names.values())


def test_rows_of_one_place_and_operator_are_summed() -> None:
    profile = aggregate(
        [
            forest(
                [
                    op("aten::add", layer="a", self=3, allocated=8, peak=5),
                    op("aten::add", layer="a", self=4, peak=9),
                    op("aten::add", layer="b", self=5),
                    op("aten::add", layer="a", input_shapes="[[2]]", self=6),
                ]
            )
        ]
    )
    assert table(profile, "layer", "input_shapes", "count", "self_ns", "total_ns", "allocated_bytes", "peak_bytes") == [
        ("a", None, 2, 7, 7, 8, 9),
        ("b", None, 1, 5, 5, None, None),
        ("a", "[[2]]", 1, 6, 6, None, None),
    ]
    assert profile.notes == ("a note",)
    assert profile.operators["self_ns_per_step"].null_count == 3


def test_nested_calls_of_one_operator_count_once_in_its_total() -> None:
    profile = aggregate(
        [forest([op("aten::div", self=2), op("aten::div", self=5, parent=0), op("aten::mul", self=1, parent=1)])]
    )
    assert table(profile, "operator", "count", "self_ns", "total_ns") == [
        ("aten::div", 2, 7, 8),
        ("aten::mul", 1, 1, 1),
    ]


def test_a_nested_call_with_other_shapes_moves_its_total_to_its_own_row() -> None:
    profile = aggregate(
        [
            forest(
                [
                    op("aten::div", self=2),
                    op("aten::x", self=1, parent=0),
                    op("aten::div", self=5, parent=1, input_shapes="[]"),
                ]
            )
        ]
    )
    assert table(profile, "operator", "input_shapes", "self_ns", "total_ns") == [
        ("aten::div", None, 2, 3),
        ("aten::x", None, 1, 6),
        ("aten::div", "[]", 5, 5),
    ]


@st.composite
def random_forests(draw: st.DrawFn) -> Recording:
    rows = draw(st.integers(1, 30))
    return forest(
        [
            op(
                draw(st.sampled_from(["aten::a", "aten::b"])),
                parent=draw(st.integers(-1, row - 1)),
                self=draw(st.integers(0, 99)),
                layer=draw(st.sampled_from([None, "x", "y"])),
                step=draw(st.integers(-1, 2)),
                kind=draw(st.sampled_from(["operator", "python"])),
            )
            for row in range(rows)
        ],
        steps=3,
    )


@given(random_forests())
def test_sums_are_exact_and_totals_are_those_of_the_outermost_calls(recording: Recording) -> None:
    profile = aggregate([recording])
    rows = recording.records.to_pylist()
    assert sum(profile.operators["self_ns"].to_pylist()) == sum(row["self_ns"] for row in rows)
    for operator, kind in {(row["operator"], row["kind"]) for row in rows}:
        expected = 0
        for row in rows:
            above = row["parent_id"]
            while above is not None and (rows[above]["operator"], rows[above]["kind"]) != (operator, kind):
                above = rows[above]["parent_id"]
            if above is None and (row["operator"], row["kind"]) == (operator, kind):
                expected += row["total_ns"]
        found = [row for row in profile.operators.to_pylist() if (row["operator"], row["kind"]) == (operator, kind)]
        assert sum(row["total_ns"] for row in found) == expected
        assert all(row["total_ns"] >= row["self_ns"] for row in found)
        # Where no record has a step, nobody knows what a step cost.
        per_step = [sum((row["self_ns_per_step"] or [0, 0, 0])[step] for row in found) for step in range(3)]
        assert per_step == [
            sum(r["self_ns"] for r in rows if r["step"] == step and (r["operator"], r["kind"]) == (operator, kind))
            for step in range(3)
        ]


def test_steps_of_repeats_follow_each_other() -> None:
    first = forest(
        [op("aten::a", self=1, step=0), op("aten::a", self=2, step=1), op("aten::a", self=40)],
        steps=2,
        artefacts=("one",),
    )
    second = forest(
        [op("aten::b", self=7, step=0), op("aten::a", self=3, step=1, parent=0)], steps=2, artefacts=("two",)
    )
    profile = aggregate([first, second])
    assert table(profile, "operator", "count", "self_ns", "self_ns_per_step") == [
        ("aten::a", 4, 46, [1, 2, 0, 3]),
        ("aten::b", 1, 7, [0, 0, 7, 0]),
    ]
    assert (profile.run.steps, profile.run.repeats, profile.run.artefacts) == (4, 2, ("one", "two"))


def test_small_functions_of_one_place_share_a_row_and_operators_never_do() -> None:
    small = [
        {"symbol": f"f{k}", "kind": "python", "category": "interpreter", "file": "f.py", "line": k, "self": 1}
        for k in range(5)
    ]
    alone = {"symbol": "g", "kind": "python", "category": "interpreter", "layer": "x", "self": 1}
    big = {"symbol": "h", "kind": "python", "category": "interpreter", "self": 10**6}
    profile = aggregate([forest([*small, alone, big, op("aten::tiny", self=1)])])
    assert table(profile, "symbol", "file", "line", "layer", "count", "self_ns") == [
        (None, None, None, None, 5, 5),
        ("g", None, None, "x", 1, 1),
        ("h", None, None, None, 1, 10**6),
        ("aten::tiny", None, None, None, 1, 1),
    ]


def test_what_differs_from_step_to_step_does_not_split_a_row() -> None:
    rows = [{"symbol": f"ProfilerStep#{k}", "kind": "scope", "self": 1, "step": k} for k in range(3)]
    rows += [
        {"symbol": f"<built-in method f of X object at 0x7f{k}>", "kind": "python", "self": 10, "step": k}
        for k in range(3)
    ]
    profile = aggregate([forest(rows, steps=3)])
    assert table(profile, "symbol", "self_ns_per_step") == [
        ("ProfilerStep#*", [1, 1, 1]),
        ("<built-in method f of X object>", [10, 10, 10]),
    ]


def test_a_step_that_the_run_does_not_have_is_an_error() -> None:
    with pytest.raises(DataError, match="step 3"):
        aggregate([forest([op("aten::a", step=3)], steps=2)])
    with pytest.raises(DataError, match="no recording"):
        aggregate([])


def test_a_recording_without_rows_has_an_empty_table() -> None:
    assert aggregate([forest([])]).operators.num_rows == 0
