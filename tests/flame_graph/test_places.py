"""Call trees as they are drawn: frames of their places, times that nest, and trees of the operator table alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from profkit.errors import DataError
from profkit.export import material
from profkit.flame_graph.forest import Forest, in_time, merged
from profkit.flame_graph.places import TABLE, of_profile, of_recordings
from profkit.layers import place
from profkit.loader import load, recordings
from profkit.profile import Recording
from profkit.run import Run
from profkit.schema import RECORDS, table_from

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"


def recording(**columns: Any) -> Recording:
    rows = len(columns["symbol"])
    return place(Recording(Run(tool="test"), table_from(RECORDS, {"kind": ["operator"] * rows, **columns}, rows)))


def tree(forest: Forest) -> list[str]:
    """Every row as its indented name."""
    depth: list[int] = []
    for above in forest.parent.tolist():
        depth.append(depth[above] + 1 if above >= 0 else 0)
    names = [forest.frames[frame].name for frame in forest.frame.tolist()]
    return [f"{'  ' * level}{name}" for level, name in zip(depth, names, strict=True)]


def test_a_backward_operator_gets_the_frame_of_its_forward_operators_layer() -> None:
    forest = of_recordings(
        [
            recording(
                symbol=["layer/conv1", "aten::conv2d", "autograd::engine::evaluate_function: ConvolutionBackward0"],
                kind=["scope", "operator", "operator"],
                parent_id=[None, 0, None],
                thread=["1", "1", "1"],
                sequence=[None, 4, 4],
                forward_thread=[None, None, 0],
                start_ns=[100, 110, 200],
                count=[1, 1, 1],
                self_ns=[10, 40, 30],
                total_ns=[50, 40, 30],
            )
        ],
        "self_ns",
    )
    assert tree(forest) == [
        "phase/forward",
        "  layer/conv1",
        "    aten::conv2d",
        "phase/backward",
        "  layer/conv1",
        "    autograd::engine::evaluate_function: ConvolutionBackward0",
    ]
    assert forest.start is not None
    assert forest.start.tolist() == [0, 0, 10, 100, 100, 100]
    assert forest.costs["self_ns"].tolist() == [0, 10, 40, 0, 0, 30]


def test_the_module_rows_of_torch_show_their_layer_themselves() -> None:
    forest = of_recordings(
        [
            recording(
                symbol=["nn.Module: Conv2d_0", "aten::conv2d"], kind=["python", "operator"], parent_id=[None, 0],
                start_ns=[0, 1], count=[1, 1], self_ns=[3, 2], total_ns=[5, 2],
            )
        ],
        "self_ns",
    )  # fmt: skip
    assert tree(forest) == ["phase/forward", "  nn.Module: Conv2d_0", "    aten::conv2d"]


def test_labelled_parts_of_a_call_graph_lie_below_their_step_phase_and_layer() -> None:
    (read,) = recordings(TRACES / "libtorch" / "callgrind" / "profile.json")
    drawn = tree(merged(of_recordings([read], "self_instructions"), steps=True))
    roots = [name for name in drawn if not name.startswith(" ")]
    assert {"ProfilerStep#0", "ProfilerStep#1"} <= set(roots)
    assert "  phase/backward" in drawn
    assert "    layer/conv2" in drawn


def test_kernels_that_run_at_once_on_one_stream_go_to_lanes_beside_each_other() -> None:
    forest = of_recordings(
        [
            recording(
                symbol=["one", "two", "three"], kind=["kernel"] * 3, thread=["stream 7"] * 3, start_ns=[0, 5, 20],
                count=[1] * 3, self_ns=[10, 10, 10], total_ns=[10, 10, 10],
            )
        ],
        "self_ns",
    )  # fmt: skip
    apart, start, end = in_time(forest)
    assert apart.threads == ("stream 7", "stream 7 (2)")
    assert [apart.threads[code] for code in apart.thread] == ["stream 7", "stream 7", "stream 7 (2)"]
    assert (start.tolist(), end.tolist()) == ([0, 20, 5], [10, 30, 15])
    assert set(merged(forest).thread.tolist()) == {0}


def test_children_that_overlap_are_cut_to_their_parent_and_their_neighbour() -> None:
    forest = of_recordings(
        [
            recording(
                symbol=["a", "b", "c", "d"], parent_id=[None, 0, 0, 2], start_ns=[0, 2, 5, 7], count=[1] * 4,
                self_ns=[1, 4, 4, 1], total_ns=[10, 4, 5, 1],
            )
        ],
        "self_ns",
    )  # fmt: skip
    assert forest.start is not None
    assert forest.end is not None
    assert list(zip(forest.start.tolist(), forest.end.tolist(), strict=True)) == [(0, 10), (2, 6), (6, 10), (7, 8)]


def test_without_times_a_unit_of_cost_is_drawn_as_a_nanosecond() -> None:
    forest = of_recordings(
        [recording(symbol=["a", "b", "b", "c"], parent_id=[None, 0, 0, None], samples=[1, 2, 3, 4])], "samples"
    )
    drawn, start, end = in_time(forest)
    assert tree(drawn) == ["a", "  b", "c"]
    assert (start.tolist(), end.tolist()) == ([0, 1, 6], [6, 6, 10])


def test_repeats_are_threads_of_their_own() -> None:
    read = recordings(TRACES / "libtorch" / "torch" / "profile.json")
    once, twice = of_recordings(read, "self_ns"), of_recordings([*read, *read], "self_ns")
    assert twice.threads == tuple(f"run {number}: {name}" for number in (1, 2) for name in once.threads)
    assert twice.costs["self_ns"].sum() == 2 * once.costs["self_ns"].sum()
    second = np.where(once.parent < 0, -1, once.parent + len(once.parent))
    assert np.array_equal(twice.parent, np.concatenate((once.parent, second)))
    assert len(merged(twice).parent) == 2 * len(merged(once).parent)


@pytest.mark.parametrize("trace", ["pytorch/torch", "libtorch/callgrind"])
def test_the_operator_table_alone_gives_trees_of_the_same_cost(trace: str) -> None:
    profile = load(TRACES / trace / "profile.json")
    forest = of_profile(profile)
    assert forest.notes == (TABLE,)
    assert forest.costs[profile.metric].sum() == profile.cost().sum()
    assert "phase/backward" in tree(forest)
    assert "  layer/conv2" in tree(forest)
    assert forest.total[forest.parent < 0].sum() == profile.cost().sum()


def test_a_cost_that_the_recording_lacks_is_a_data_error() -> None:
    with pytest.raises(DataError, match="has no self_ns"):
        of_recordings([recording(symbol=["a"], samples=[1])], "self_ns")


def test_every_sample_that_is_read_can_be_drawn(samples: Path) -> None:
    drawn = 0
    for file in sorted((samples / "kineto" / "hta").iterdir()):
        what = material(file)
        assert what.forest.costs[what.profile.metric].sum() == what.profile.cost().sum()
        forest, start, end = in_time(what.forest)
        inner = np.flatnonzero(forest.parent >= 0)
        assert np.all(start[inner] >= start[forest.parent[inner]])
        assert np.all(end[inner] <= end[forest.parent[inner]])
        drawn += 1
    assert drawn > 5
    assert pa.types.is_integer(pa.array(start).type)
