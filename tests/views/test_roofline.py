"""What a user reads of a roofline: the sentences, tables of eighty columns, and every number for programs."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from profkit.roofline import FINEST, Roofline, rooflines
from profkit.views.roofline import (
    comparison_json,
    comparison_rows,
    comparison_view,
    roofline_json,
    roofline_rows,
    roofline_view,
)
from tests.small_roofline import GIGA, MEGA, PEAKS, RUN, profile, row

ROWS = (
    row(flop=GIGA, traffic_bytes=MEGA, layer="conv.0", self_ns=40 * MEGA),
    row("aten::copy_", traffic_bytes=20 * MEGA, phase="backward", self_ns=6 * MEGA),
    row(None, layer=None, self_ns=4 * MEGA),
    row("aten::mystery", flop=None, traffic_bytes=None, self_ns=10 * MEGA),
)
FASTER = (replace(RUN, implementation="libtorch"), row(**{**ROWS[0], "self_ns": 30 * MEGA}), *ROWS[1:3])


@pytest.fixture
def one() -> tuple[Roofline, ...]:
    return rooflines(profile(*ROWS), PEAKS, ("layer", "phase"))


@pytest.fixture
def other() -> tuple[Roofline, ...]:
    run, *rows = FASTER
    return rooflines(profile(*rows, run=run), PEAKS, ("layer", "phase"))


def text_of(view: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(view)
    return out.getvalue()


def test_the_answer_comes_first_and_the_list_of_what_to_optimise_next(one: tuple[Roofline, ...]) -> None:
    shown = text_of(roofline_view(one, 10, macs=False))
    said = " ".join(shown.split())
    assert "A step takes 30.0 ms, 25.0 ms of it in rows with a roof. At the roof that is 6.00 ms (24.0 %): " in said
    assert "19.0 ms is left on the table, 15.0 ms where arithmetic is the limit, 2.00 ms where memory is" in said
    assert "2.00 ms where dispatch is the limit." in said
    assert "roofs of 1 thread of Small CPU (measured): float32 100 GFLOP/s, memory 10.0 GB/s" in said
    lines = [line.split() for line in shown.splitlines()]
    places = [line[0] for line in lines if line and line[0] in ("conv.0", "fc", "forward", "all")]
    assert places == ["conv.0", "fc", "forward", "fc", "all"]
    assert "conv.0 forward 20.0 ms 15.0 ms 25.0 % 25.0 G 1.00 k compute" in said
    assert "fc backward 3.00 ms 2.00 ms 33.3 % 0 0 memory" in said
    assert "fc forward 5.00 ms - - - - unknown" in said
    assert said.endswith("coverage: 83.3 % of the time has a roof; none in aten::mystery 16.7 %")


def test_macs_are_shown_beside_flop_and_only_for_multiply_adds(one: tuple[Roofline, ...]) -> None:
    said = " ".join(text_of(roofline_view(one, 10, macs=True)).split())
    assert "time left of roof FLOP MAC bound by" in said
    assert "20.0 ms 15.0 ms 25.0 % 500 M 250 M compute" in said


def test_nothing_is_wider_than_eighty_columns(one: tuple[Roofline, ...], other: tuple[Roofline, ...]) -> None:
    for view in (roofline_view(one, 2, macs=False), comparison_view(one, other, 2, macs=False)):
        assert max(map(len, text_of(view).splitlines())) <= 80
    assert "(2 more)" in text_of(roofline_view(one, 2, macs=False))


def test_of_two_profiles_the_nearer_one_is_said_in_words(
    one: tuple[Roofline, ...], other: tuple[Roofline, ...]
) -> None:
    said = " ".join(text_of(comparison_view(one, other, 10, macs=False)).split())
    assert (
        "A is at 24.0 % of its roof, B at 30.0 %: B (libtorch) is nearer to its roof and leaves 5.00 ms less." in said
    )
    assert "Of 3 places with a roof in both, A is nearer in 0, B in 1, and 2 are the same within the noise." in said
    assert "A leaves most more than the other in: conv.0 forward 5.00 ms." in said
    assert "B leaves most" not in said
    assert "conv.0 forward 20.0 ms 15.0 ms 15.0 ms 10.0 ms 25 % 33 % B" in said
    assert "agreement unknown" in said
    with_macs = " ".join(text_of(comparison_view(one, other, 10, macs=True)).split())
    assert "A FLOP B FLOP A MAC B MAC" in with_macs
    assert "500 M 500 M 250 M 250 M 25 % 33 % B" in with_macs


def test_a_processor_and_a_device_are_not_compared(one: tuple[Roofline, ...]) -> None:
    kernel = row(kind="kernel", device="cuda:0", dtype="float16", flop=GIGA, traffic_bytes=1)
    device = rooflines(profile(kernel), PEAKS, ("layer", "phase"))
    assert "there is nothing to compare" in " ".join(text_of(comparison_view(one, device, 5, macs=False)).split())
    assert "on the device" in text_of(roofline_view(device, 5, macs=False))


def test_places_above_their_roof_and_slow_tools_are_noted() -> None:
    fast = profile(row(flop=4 * GIGA, traffic_bytes=1), run=replace(RUN, tool_step_ns=(15, 15)))
    said = " ".join(text_of(roofline_view(rooflines(fast, PEAKS, ("layer",)), 5, macs=False)).split())
    assert "1 of 1 places are above their roof (fc 400.0 %), by 15.0 ms in all: the peaks are too low, or" in said
    assert "times are those under torch, 1.5 times the plain ones: shares are too low" in said
    assert "fc 5.00 ms 0 ns 400.0 % 400 G" in said
    assert "At the roof that is 5.00 ms (100.0 %): 0 ns is left on the table." in said


def test_json_and_csv_have_every_number_and_operators_too(
    one: tuple[Roofline, ...], other: tuple[Roofline, ...]
) -> None:
    heads, rows = roofline_rows(one)
    assert len(rows) == 4
    assert {"device", "layer", "phase", "time_ns", "share_of_roof", "macs", "left_dispatch_ns", "level"} <= set(heads)
    body = roofline_json(one, rooflines(profile(*ROWS), PEAKS, FINEST))
    assert json.loads(json.dumps(body, allow_nan=False)) == json.loads(json.dumps(body))
    [side] = body["sides"]
    assert side["roofs"] == {"flop_per_s": {"float32": 100e9}, "bytes_per_s": {"memory": 10e9}}
    assert {each["operator"] for each in side["operators"]} == {"aten::addmm", "aten::copy_", None, "aten::mystery"}
    assert side["uncosted"] == [{"operator": "aten::mystery", "time_ns": 5 * MEGA}]
    assert side["rows"][0]["left_ns"] == pytest.approx(15 * MEGA)
    heads, rows = comparison_rows(one, other)
    assert [len(each) for each in rows] == [len(heads)] * 4
    both = comparison_json(one, other, body, body)
    assert [each["nearer"] for each in both["rows"]] == ["B", "same", "same", None]
    assert any("B (libtorch) is nearer" in line for line in both["answer"])
