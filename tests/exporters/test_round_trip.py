"""What is exported and imported again keeps self and total cost, name by name, on real and on random recordings."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import calltree
from profkit.aggregate import aggregate
from profkit.export import material, write
from profkit.exporters import Exporter, Material
from profkit.flame_graph.forest import in_time, merged
from profkit.flame_graph.places import of_recordings
from profkit.flame_graph.text import label, with_source
from profkit.frames import frame_of
from profkit.layers import place
from profkit.loader import recordings
from profkit.profile import Recording
from profkit.registry import discover, find
from profkit.run import Run
from profkit.schema import RECORDS, table_from
from tests.exporters.conftest import RECORDED, TRACES, Sums, sums_of_forest, sums_of_recording

READ_AGAIN = ("collapsed", "perfetto", "speedscope")
EVERY_FORMAT = pytest.mark.parametrize("name", READ_AGAIN)


def written(name: str, what: Material, directory: Path) -> Recording:
    """Export, and read the file as any file."""
    exporter = find("profkit.exporters", Exporter, name)
    output = directory / f"exported{exporter.suffix}"
    write(exporter, what, output)
    (recording,) = recordings(output)
    return recording


def expected(name: str, what: Material) -> Sums:
    """The sums of the forest under the names that the format gives its frames."""
    if name == "collapsed":
        forest = merged(what.forest)
        return sums_of_forest(forest, {frame: frame_of(with_source(frame)).symbol or "" for frame in forest.frames})
    forest = what.forest if what.forest.start is not None or name == "perfetto" else merged(what.forest)
    names = {frame: label(frame) for frame in forest.frames}
    if name == "perfetto":
        forest, _, _ = in_time(forest)
        names = {
            frame: frame_of(label(frame).replace("ProfilerStep#", "step ")).symbol or "" for frame in forest.frames
        }
    return sums_of_forest(forest, names)


@EVERY_FORMAT
def test_real_recordings_keep_self_and_total_of_every_name(name: str, recorded: Material, tmp_path: Path) -> None:
    again = sums_of_recording(written(name, recorded, tmp_path))
    wanted = expected(name, recorded)
    assert sum(own for own, _ in again.values()) == recorded.profile.cost().sum()
    assert again == wanted
    assert len(wanted) > 50


@pytest.mark.parametrize("trace", RECORDED)
@pytest.mark.parametrize("name", ["speedscope", "collapsed"])
def test_layers_and_phases_survive(name: str, trace: str, tmp_path: Path) -> None:
    what = material(TRACES / trace / "profile.json")
    again = aggregate([written(name, what, tmp_path)])
    before, after = (profile.operators for profile in (what.profile, again))
    for column in ("layer", "phase"):
        was, is_now = (dict.fromkeys(table[column].to_pylist(), 0) for table in (before, after))
        for profile, sums in ((what.profile, was), (again, is_now)):
            for value, cost in zip(profile.operators[column].to_pylist(), profile.cost().tolist(), strict=True):
                sums[value] += cost
        assert {key: cost for key, cost in is_now.items() if cost} == {key: cost for key, cost in was.items() if cost}


@st.composite
def call_trees(draw: st.DrawFn) -> Recording:
    """A thread or two of nested calls with times, whose names repeat."""
    rows = draw(st.integers(2, 12))
    parent = np.array([-1, 0, *(draw(st.integers(-1, row - 1)) for row in range(2, rows))], np.int64)
    own = np.array(draw(st.lists(st.integers(0, 50), min_size=rows, max_size=rows)), np.int64)
    own[1] += 1  # a stack of two frames with a cost: else collapsed stacks are not told from any text
    place_of, _ = calltree.preorder(parent)
    order = np.argsort(place_of)
    start = np.empty(rows, np.int64)
    start[order] = np.cumsum(own[order]) - own[order]
    root = calltree.inherit(parent, np.where(parent < 0, np.arange(rows), -1))
    names = draw(st.lists(st.sampled_from(["a", "b;c", "d (e)", "f\ng", "h"]), min_size=rows, max_size=rows))
    columns = {
        "parent_id": pa.array(parent, pa.int32(), mask=parent < 0),
        "symbol": names,
        "kind": ["native"] * rows,
        "thread": [f"thread {number % 2}" for number in root.tolist()],
        "start_ns": start + 1_700_000_000_000_000_000,
        "count": [1] * rows,
        "self_ns": own,
        "total_ns": calltree.total_from_self(parent, own),
    }
    return Recording(Run(tool="test"), table_from(RECORDS, columns, rows))


@EVERY_FORMAT
@given(recording=call_trees())
def test_random_call_trees_keep_self_and_total_of_every_name(name: str, recording: Recording) -> None:
    placed = place(recording)
    what = Material(aggregate([placed]), of_recordings([placed], "self_ns"))
    clean = {"b;c": "b:c", "f\ng": "f g"} if name == "collapsed" else {}
    with TemporaryDirectory() as directory:
        again = sums_of_recording(written(name, what, Path(directory)))
    wanted = sums_of_recording(recording)
    assert again == {frame_of(clean.get(symbol, symbol)).symbol: sums for symbol, sums in wanted.items()}


def test_every_exporter_has_a_name_a_summary_and_a_way_to_write() -> None:
    exporters = discover("profkit.exporters", Exporter)
    assert set(exporters) == {"collapsed", "csv", "parquet", "perfetto", "pprof", "speedscope", "tensorboard"}
    for exporter in exporters.values():
        assert (exporter.render is None) != (exporter.write_directory is None)
        assert exporter.summary
        assert bool(exporter.suffix) == (exporter.render is not None)
