"""A call graph as trees: every function keeps its cost to the last instruction, whatever paths it is split over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import calltree
from profkit.flame_graph.places import ESTIMATED, of_recordings
from profkit.flame_graph.unroll import unroll
from profkit.loader import recordings
from profkit.profile import Recording
from profkit.run import Run
from profkit.schema import CALLS, RECORDS, table_from

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
Calls = list[tuple[int, int, int, int]]


def graph(own: list[int], total: list[int], calls: Calls, names: str = "abcdefgh") -> Recording:
    """Functions `a`, `b`, ... and their calls: caller, callee, count, inclusive cost."""
    rows = len(own)
    records = table_from(
        RECORDS,
        {
            "symbol": list(names[:rows]),
            "kind": ["native"] * rows,
            "self_instructions": own,
            "total_instructions": total,
        },
        rows,
    )
    columns = ("caller_id", "callee_id", "count", "total_instructions")
    edges = {name: pa.array([call[place] for call in calls], pa.int64()) for place, name in enumerate(columns)}
    return Recording(Run(tool="test"), records, table_from(CALLS, edges, len(calls)))


def paths(recording: Recording) -> dict[str, int]:
    """Self cost of each path that has some, as `a;b;c`."""
    forest = of_recordings([recording], "self_instructions")
    texts: list[str] = []
    for above, frame in zip(forest.parent.tolist(), forest.frame.tolist(), strict=True):
        name = forest.frames[frame].name
        texts.append(f"{texts[above]};{name}" if above >= 0 else name)
    found: Counter[str] = Counter()
    for text, cost in zip(texts, forest.costs[forest.metric].tolist(), strict=True):
        found[text] += cost
    return {text: cost for text, cost in found.items() if cost}


def test_a_callee_is_split_between_its_callers_by_the_cost_of_their_calls() -> None:
    recording = graph([10, 20, 30, 41], [101, 50, 41, 41], [(0, 1, 1, 50), (0, 2, 1, 41), (1, 3, 1, 30), (2, 3, 1, 11)])
    assert paths(recording) == {"a": 10, "a;b": 20, "a;b;d": 30, "a;c": 30, "a;c;d": 11}
    assert of_recordings([recording], "self_instructions").notes == (ESTIMATED,)


def test_what_a_function_cost_beyond_its_recorded_calls_is_a_root() -> None:
    assert paths(graph([10, 40], [20, 40], [(0, 1, 1, 10)])) == {"a": 10, "a;b": 10, "b": 30}


def test_of_a_cycle_the_call_back_up_is_cut() -> None:
    recording = graph([5, 30, 20], [55, 50, 50], [(0, 1, 1, 50), (1, 2, 3, 45), (2, 1, 2, 40), (1, 1, 4, 10)])
    assert paths(recording) == {"a": 5, "a;b": 30, "a;b;c": 20}


def test_a_cycle_that_nobody_is_known_to_call_is_drawn_all_the_same() -> None:
    assert sum(paths(graph([7, 8], [15, 15], [(0, 1, 1, 15), (1, 0, 1, 15)])).values()) == 15


def test_functions_of_small_branches_keep_their_cost_below_their_dearest_caller() -> None:
    recording = graph(
        [1_000_000, 500_000, 40, 3], [1_500_043, 500_040, 40, 3], [(0, 1, 1, 500_040), (1, 2, 1, 40), (0, 3, 1, 3)]
    )
    assert paths(recording) == {"a": 1_000_000, "a;b": 500_000, "a;b;c": 40, "a;d": 3}


@given(st.data())
def test_the_pieces_of_every_function_sum_to_its_own_cost(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 7))
    own = data.draw(st.lists(st.integers(0, 1000), min_size=rows, max_size=rows))
    places = st.integers(0, rows - 1)
    calls = data.draw(st.lists(st.tuples(places, places, st.integers(1, 9), st.integers(0, 5000)), max_size=12))
    total = [cost + sum(call[3] for call in calls if call[0] == row) for row, cost in enumerate(own)]
    total[0] += 1
    recording = graph([own[0] + 1, *own[1:]], total, calls)
    pieces: Counter[str] = Counter()
    for path, cost in paths(recording).items():
        names = path.split(";")
        assert len(set(names)) == len(names), "a path runs in a circle"
        pieces[names[-1]] += cost
    assert pieces == Counter(
        {name: cost for name, cost in zip("abcdefg", [own[0] + 1, *own[1:]], strict=False) if cost}
    )


@pytest.mark.parametrize("language", ["pytorch", "libtorch"])
def test_real_call_graphs_keep_every_functions_cost_and_stay_small(language: str) -> None:
    (recording,) = recordings(TRACES / language / "callgrind" / "profile.json")
    trees = unroll(recording, "self_instructions")
    assert set(trees.record.tolist()) == set(range(recording.records.num_rows))
    assert len(trees.parent) < 3 * recording.records.num_rows
    assert np.all(trees.parent < np.arange(len(trees.parent)))
    forest = of_recordings([recording], "self_instructions")
    assert forest.costs["self_instructions"].sum() == sum(recording.records["self_instructions"].to_pylist())
    assert calltree.depths(forest.parent).max() < 100


@pytest.mark.parametrize(
    "sample", ["gprof2dot/bool.callgrind", "gprof2dot/selinux.callgrind", "speedscope/example.log"]
)
def test_call_graphs_of_other_tools_keep_their_sum(samples: Path, sample: str) -> None:
    (recording,) = recordings(samples / "callgrind" / sample)
    metric = "self_instructions" if recording.records["self_instructions"].null_count == 0 else "self_ns"
    forest = of_recordings([recording], metric)
    assert forest.costs[metric].sum() == sum(recording.records[metric].to_pylist())
