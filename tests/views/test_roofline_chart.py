"""The chart of a roofline: what is drawn where, that names do not hide each other, and that files are whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import UsageError
from profkit.roofline import Roofline, rooflines
from profkit.views.label_places import Box, place_labels
from profkit.views.roofline_chart import chart, check_format, points, save_chart
from tests.small_roofline import GIGA, MEGA, PEAKS, RUN, profile, row
from tests.views.whole_charts import assert_whole

ROWS = (
    row(flop=GIGA // 2, traffic_bytes=MEGA, layer="conv"),
    row("aten::mm", flop=GIGA // 4, traffic_bytes=MEGA, layer="conv", phase="backward", dtype="float64"),
    row("aten::relu", flop=MEGA // 8, traffic_bytes=MEGA, layer="relu"),
    row("aten::relu", flop=10, traffic_bytes=80, layer="tiny"),
    row("aten::copy_", traffic_bytes=20 * MEGA, layer="copy"),
    row("aten::mm", flop=2 * GIGA, traffic_bytes=MEGA, layer="fast"),
)


@pytest.fixture
def one() -> list[Roofline]:
    return list(rooflines(profile(*ROWS), PEAKS, ("layer", "phase")))


@pytest.fixture
def two(one: list[Roofline]) -> list[Roofline]:
    slower = [{**each, "self_ns": 40 * MEGA} for each in ROWS]
    return [*one, *rooflines(profile(*slower, run=replace(RUN, implementation="libtorch")), PEAKS, ("layer", "phase"))]


def specification(found: list[Roofline]) -> Any:
    return json.loads(chart(found).to_json())


def layers(found: list[Roofline], mark: str, field: str) -> list[dict[str, Any]]:
    """The data of the layers with a mark and a field."""
    drawn = specification(found)
    data = [drawn["datasets"][each["data"]["name"]] for each in drawn["layer"] if each["mark"]["type"] == mark]
    return [value for values in data for value in values if field in value]


def test_each_place_with_flop_bytes_and_time_is_a_point_at_its_intensity_and_rate(one: list[Roofline]) -> None:
    found = {each["place"]: each for each in points(one)}
    assert set(found) == {"conv forward", "conv backward", "relu forward", "tiny forward", "fast forward"}
    conv = found["conv forward"]
    assert (conv["x"], conv["y"], conv["phase"]) == (500, pytest.approx(50e9), "forward")
    assert (conv["time"], conv["left"]) == (pytest.approx(5), pytest.approx(2.5))
    assert conv["share of roof"] == "50.0 %"
    assert conv["bound by"] == "compute"
    assert found["tiny forward"]["outline"] == "bound by dispatch"
    assert found["fast forward"]["outline"] == "above the roof"


def test_every_roof_that_occurs_is_a_line_with_its_name(one: list[Roofline]) -> None:
    lines = layers(one, "line", "line")
    assert {each["line"] for each in lines} == {"float32", "float64", "L2", "memory"}
    for level, rate in (("L2", 100e9), ("memory", 10e9)):
        ends = [each for each in lines if each["line"] == level]
        assert all(math.isclose(each["y"], rate * each["x"]) for each in ends)
        assert max(each["y"] for each in ends) == pytest.approx(100e9)  # up to the ridge
    assert {each["y"] for each in lines if each["line"] == "float64"} == {50e9}
    texts = {each["text"] for each in layers(one, "text", "turned")}
    assert texts == {"float32 100 GFLOP/s", "float64 50.0 GFLOP/s", "L2 100 GB/s", "memory 10.0 GB/s"}


def test_axes_are_logarithmic_have_units_and_hold_every_point(one: list[Roofline]) -> None:
    encodings = [each["encoding"] for each in specification(one)["layer"]]
    for encoding in encodings:
        assert encoding["x"]["title"] == "arithmetic intensity [FLOP/byte]"
        assert encoding["y"]["title"] == "achieved [FLOP/s]"
        assert encoding["x"]["scale"]["type"] == encoding["y"]["scale"]["type"] == "log"
    (low, high), (floor, ceiling) = (encodings[0][axis]["scale"]["domain"] for axis in "xy")
    assert all(low < each["x"] < high and floor < each["y"] < ceiling for each in points(one))
    assert high > 10  # the ridge of the memory is in sight


def test_tooltips_say_everything(one: list[Roofline]) -> None:
    [marks] = [each for each in specification(one)["layer"] if "tooltip" in each["encoding"]]
    assert {each["field"] for each in marks["encoding"]["tooltip"]} >= {
        "layer", "phase", "time of it", "FLOP", "bytes", "achieved", "share of roof", "bound by", "time left"
    }  # fmt: skip


def test_two_profiles_have_a_shape_each_and_arrows_from_the_first_to_the_second(two: list[Roofline]) -> None:
    [marks] = [each for each in specification(two)["layer"] if "tooltip" in each["encoding"]]
    assert marks["encoding"]["shape"]["scale"]["domain"] == ["A pytorch", "B libtorch"]
    arrows = layers(two, "rule", "to_y")
    assert len(arrows) == 5
    for arrow in arrows:
        assert arrow["to_y"] == pytest.approx(arrow["y"] / 4)
        assert arrow["angle"] == pytest.approx(180)  # straight down
    assert layers([two[0], two[0]], "rule", "to_y") == []


def test_by_operator_and_without_phases_there_is_a_chart_too() -> None:
    found = list(rooflines(profile(*ROWS), PEAKS, ("operator",)))
    assert {each["place"] for each in points(found)} == {"aten::addmm", "aten::mm", "aten::relu"}
    assert {each["phase"] for each in points(found)} == {"(no phase)"}
    assert "vega-lite" in chart(found).to_json()


def test_where_nothing_has_flop_bytes_and_time_there_is_nothing_to_draw() -> None:
    found = list(rooflines(profile(row("aten::copy_", traffic_bytes=MEGA)), PEAKS, ("layer",)))
    with pytest.raises(UsageError, match="nothing to draw"):
        chart(found)


def test_one_point_alone_is_drawn() -> None:
    found = list(rooflines(profile(row(flop=GIGA, traffic_bytes=MEGA)), PEAKS, ("layer",)))
    assert len(points(found)) == 1
    assert "vega-lite" in chart(found).to_json()


def test_devices_are_drawn_where_most_of_the_work_is(tmp_path: Path) -> None:
    kernel = row(kind="kernel", device="cuda:0", dtype="float16", flop=100 * GIGA, traffic_bytes=MEGA, layer="kernel")
    found = rooflines(profile(*ROWS, kernel), PEAKS, ("layer",))
    save_chart([found], tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert "float16 100 TFLOP/s" in drawn
    assert "on the device" in drawn


@pytest.mark.parametrize("suffix", ["png", "svg", "html"])
def test_every_format_is_a_whole_file(tmp_path: Path, two: list[Roofline], suffix: str) -> None:
    path = tmp_path / f"chart.{suffix}"
    save_chart([two[:1], two[1:]], path)
    assert_whole(path, 1500)
    if suffix == "svg":
        assert "conv forward" in path.read_text()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_other_formats_are_refused() -> None:
    assert check_format(Path("a.PNG")) == "png"
    for name in ("chart.pdf", "chart"):
        with pytest.raises(UsageError, match="a chart cannot be written as"):
            check_format(Path(name))


PLACES = st.tuples(st.text("ab", min_size=1, max_size=20), st.floats(0, 500), st.floats(0, 300))


@given(st.lists(PLACES, max_size=10), st.lists(st.tuples(st.floats(0, 480), st.floats(0, 280)), max_size=5))
def test_names_hide_neither_each_other_nor_what_is_taken_nor_the_frame(
    names: list[tuple[str, float, float]], corners: list[tuple[float, float]]
) -> None:
    taken = [Box(x, y, x + 20, y + 20) for x, y in corners]
    placed = place_labels(names, taken, (500, 300))
    boxes = [each.box for each in placed]
    for index, box in enumerate(boxes):
        assert box.lies_in((500, 300))
        assert not any(box.overlaps(each) for each in (*taken, *boxes[:index]))
        assert not any(box.holds(each.line) for place, each in enumerate(placed) if place != index)


def test_a_name_with_room_stands_right_beside_its_point() -> None:
    [label] = place_labels([("conv1", 100, 100)], [], (500, 300))
    assert label.at[0] > label.edge[0] > 100
    assert label.at[1] == pytest.approx(100)
