"""Two call trees on one: nothing is lost, signs are right, and Python and C++ meet in their operators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from profkit.export import material
from profkit.flame_difference import difference_of
from profkit.flame_graph.difference import DEVICE, Difference, Side, difference, pruned
from profkit.flame_graph.forest import Forest, Frame
from profkit.flame_graph.places import of_recordings
from profkit.loader import load
from tests.flame_graph.test_places import recording

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
PYTHON, CPP = (TRACES / name / "profile.json" for name in ("pytorch/torch", "libtorch/torch"))
PYTHON_COUNTED, CPP_COUNTED = (TRACES / name / "profile.json" for name in ("pytorch/callgrind", "libtorch/callgrind"))

Calls = list[tuple[int, str, int]]


def side(calls: Calls, name: str = "one", steps: int | None = 2, unit: str = "ns", kind: str = "native") -> Side:
    """A side from (row of the caller or less than 0, label, self cost)."""
    frames = tuple(dict.fromkeys(label for _, label, _ in calls))
    rows = len(calls)
    none = np.full(rows, -1, np.int64)
    forest = Forest(
        parent=np.array([max(above, -1) for above, _, _ in calls], np.int64),
        frame=np.array([frames.index(label) for _, label, _ in calls], np.int64),
        frames=tuple(Frame(label, "operator" if label.startswith("aten::") else kind) for label in frames),
        thread=np.zeros(rows, np.int64),
        threads=("main",),
        costs={"self_ns": np.array([cost for _, _, cost in calls], np.int64)},
        metric="self_ns",
        layer=none,
        layers=(),
        phase=none,
    )
    return Side(name, forest, steps, "pytorch" if name == "one" else name, unit)


def paths(found: Difference) -> dict[tuple[str, ...], tuple[float, float]]:
    """Totals of A and B by path."""
    names: list[tuple[str, ...]] = []
    for above, label in zip(found.parent.tolist(), found.labels, strict=True):
        names.append((*names[above], label) if above >= 0 else (label,))
    assert len(set(names)) == len(names), "a path is in the tree once"
    return {name: (float(a), float(b)) for name, a, b in zip(names, *found.total, strict=True)}


@st.composite
def call_trees(draw: st.DrawFn) -> Calls:
    names = st.sampled_from(["phase/forward", "layer/fc", "aten::mm", "main", "ProfilerStep#3", "run"])
    size = draw(st.integers(1, 12))
    return [(draw(st.integers(-1, row - 1)), draw(names), draw(st.integers(0, 10**12))) for row in range(size)]


@given(call_trees(), call_trees(), st.sampled_from(["one", "other"]), st.floats(0, 0.5))
def test_no_cost_is_lost_whatever_meets_and_is_pruned(left: Calls, right: Calls, name: str, share: float) -> None:
    found = difference(side(left), side(right, name, steps=3))
    wanted = [sum(cost for _, _, cost in left) / 2, sum(cost for _, _, cost in right) / 3]
    assert found.whole.tolist() == pytest.approx(wanted)
    small = pruned(found, share)
    assert small.whole.tolist() == pytest.approx(wanted)
    assert len(small.labels) <= 2 * len(found.labels)
    whole = paths(found)
    large = {path: cost for path, cost in paths(small).items() if not path[-1].endswith(" smaller)")}
    assert [cost for pair in large.values() for cost in pair] == pytest.approx([
        cost for path in large for cost in whole[path]
    ])  # fmt: skip


@given(call_trees(), st.sampled_from(["one", "other"]))
def test_a_profile_differs_nowhere_from_itself(calls: Calls, name: str) -> None:
    assert not difference(side(calls, name), side(calls, name)).delta.any()


@given(call_trees(), call_trees(), st.sampled_from(["one", "other"]))
def test_the_other_way_round_every_difference_has_the_other_sign(left: Calls, right: Calls, name: str) -> None:
    there, back = difference(side(left), side(right, name)), difference(side(right, name), side(left))
    assert paths(back) == {path: (b, a) for path, (a, b) in paths(there).items()}


def test_equal_paths_meet_and_steps_are_no_part_of_them() -> None:
    left = side([(-1, "ProfilerStep#0", 5), (0, "main", 10), (-1, "ProfilerStep#1", 5), (2, "main", 20)])
    right = side([(-1, "ProfilerStep#7", 4), (0, "main", 2), (1, "run", 30)], steps=1)
    assert paths(difference(left, right)) == {
        ("ProfilerStep#*",): (5, 4),
        ("main",): (15, 32),
        ("main", "run"): (0, 30),
    }


def test_python_and_cpp_meet_in_the_operators_of_their_layers() -> None:
    python = side(
        [(-1, "phase/forward", 1), (0, "_PyEval", 7), (1, "layer/fc", 2), (2, "call", 3), (3, "aten::mm", 50)], steps=1
    )
    cpp = side([(-1, "phase/forward", 1), (0, "layer/fc", 2), (1, "aten::mm", 40)], "libtorch", steps=1)
    assert paths(difference(python, cpp)) == {
        ("phase/forward",): (63, 43),
        ("phase/forward", "_PyEval"): (7, 0),
        ("phase/forward", "layer/fc"): (55, 42),
        ("phase/forward", "layer/fc", "call"): (3, 0),
        ("phase/forward", "layer/fc", "aten::mm"): (50, 40),
    }


def test_one_implementation_keeps_the_stacks_that_it_has() -> None:
    calls = [(-1, "layer/fc", 2), (0, "call", 3), (1, "aten::mm", 50)]
    assert ("layer/fc", "call", "aten::mm") in paths(difference(side(calls), side(calls)))


def test_an_operator_within_an_operator_stays_there() -> None:
    calls = [(-1, "layer/fc", 2), (0, "aten::linear", 3), (1, "detail", 1), (2, "aten::mm", 50)]
    found = paths(difference(side(calls), side(calls, "libtorch")))
    assert ("layer/fc", "aten::linear", "detail", "aten::mm") in found


def test_costs_of_other_units_are_compared_as_shares_of_their_wholes() -> None:
    left, right = side([(-1, "a", 30), (-1, "b", 10)]), side([(-1, "a", 1), (-1, "b", 1)], unit="samples")
    found = difference(left, right)
    assert (found.unit, found.per_step) == ("share", False)
    assert paths(found) == {("a",): (0.75, 0.5), ("b",): (0.25, 0.5)}
    assert any("shares" in note for note in found.notes)


def test_without_steps_whole_recordings_are_compared() -> None:
    found = difference(side([(-1, "a", 30)]), side([(-1, "a", 20)], steps=None))
    assert (found.per_step, paths(found)) == (False, {("a",): (30, 20)})
    assert any("no steps" in note for note in found.notes)


def test_kernels_of_a_device_have_a_root_of_their_own() -> None:
    forest = of_recordings(
        [
            recording(
                symbol=["aten::mm", "gemm"], kind=["operator", "kernel"], thread=["1", "stream 7"], start_ns=[0, 5],
                count=[1, 1], self_ns=[10, 30], total_ns=[10, 30],
            )
        ],
        "self_ns",
    )  # fmt: skip
    one = Side("one", forest, 1, "pytorch", "ns")
    found = paths(difference(one, one))
    assert found[DEVICE,] == (30, 30)
    assert sum(a for path, (a, _) in found.items() if len(path) == 1) == 40


def test_small_paths_are_summed_up_below_their_caller() -> None:
    calls = [(-1, "main", 0), (0, "big", 1000), (0, "s", 2), (0, "t", 1), (3, "u", 1), (-1, "v", 1)]
    found = pruned(difference(side(calls, steps=1), side(calls[:-1], steps=1)), 0.01)
    assert paths(found) == {
        ("main",): (1004, 1004),
        ("main", "big"): (1000, 1000),
        ("main", "(3 smaller)"): (4, 4),
        ("(1 smaller)",): (1, 0),
    }


@pytest.mark.parametrize(("left", "right"), [(PYTHON, CPP), (PYTHON_COUNTED, CPP_COUNTED), (PYTHON, PYTHON)])
def test_real_profiles_keep_their_totals_a_step(left: Path, right: Path) -> None:
    found = difference_of(left, right)
    profiles = load(left), load(right)
    wanted = [int(profile.cost().sum()) / (profile.run.steps or 1) for profile in profiles]
    assert found.whole.tolist() == pytest.approx(wanted)
    assert pruned(found).whole.tolist() == pytest.approx(wanted)
    assert found.per_step


@pytest.mark.parametrize(("left", "right"), [(PYTHON, CPP), (PYTHON_COUNTED, CPP_COUNTED)])
def test_the_same_operators_of_python_and_cpp_share_their_rows(left: Path, right: Path) -> None:
    found = difference_of(left, right)
    inside = [
        (a, b)
        for path, (a, b) in paths(found).items()
        if path[:2] == ("phase/forward", "layer/conv1") and len(path) == 3
    ]
    a, b = (sum(cost[number] for cost in inside) for number in (0, 1))
    common = [cost for cost in inside if min(cost) > 0]
    assert sum(cost[0] for cost in common) > 0.7 * a
    assert sum(cost[1] for cost in common) > 0.9 * b


def test_of_different_tools_the_operator_tables_meet() -> None:
    found = difference_of(PYTHON, CPP_COUNTED)
    assert found.unit == "share"
    a, b = paths(found)["phase/forward", "layer/conv1", "aten::mkldnn_convolution"]
    assert min(a, b) > 0.01
    assert any("operator table" in note for note in found.notes)


def test_where_the_artefact_is_gone_the_tables_of_both_are_compared(tmp_path: Path) -> None:
    alone = tmp_path / "profile.json"
    alone.write_bytes(CPP.read_bytes())
    found = difference_of(PYTHON, alone)
    assert any("gone" in note for note in found.notes)
    assert not any("ProfilerStep" in label for label in found.labels)
    whole = material(PYTHON).profile.cost().sum() / 2
    assert found.whole[0] == pytest.approx(whole)


def test_a_difference_is_of_the_profiles_that_it_was_asked_of() -> None:
    found = difference_of(PYTHON, CPP)
    assert "pytorch" in found.names[0]
    assert "libtorch" in found.names[1]
    assert replace(found).delta.sum() != 0
