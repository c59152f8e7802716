"""What a user reads of a network: every layer, the totals, and lines that fit into eighty columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from profkit.options import Options
from profkit.registry import discover, find
from profkit.spec import Workload
from profkit.views.layers import network_json, network_view, workloads_json, workloads_markdown, workloads_view

NAMES = list(discover("profkit.workloads", Workload))
EVERY = list(discover("profkit.workloads", Workload).values())


def text_of(view: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(view)
    return out.getvalue()


def lines_of(name: str, options: Options | None = None) -> list[list[str]]:
    """The lines of a network in words."""
    view = network_view(find("profkit.workloads", Workload, name), options or {})
    return [line.split() for line in text_of(view).splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_network_is_wider_than_eighty_columns(name: str) -> None:
    text = text_of(network_view(find("profkit.workloads", Workload, name), {}))
    assert max(map(len, text.splitlines())) <= 80


def test_no_line_of_the_list_is_wider_than_eighty_columns() -> None:
    assert max(map(len, text_of(workloads_view(EVERY)).splitlines())) <= 80


def test_every_layer_has_its_line_and_the_totals_stand_below() -> None:
    lines = lines_of("mnist_cnn")
    assert ["conv1", "conv2d", "k3", "8x26x26", "80", "48,672"] in lines
    assert ["pool1", "max_pool2d", "k2", "s2", "8x13x13"] in lines
    assert ["linear2", "linear", "10", "1,290", "1,280"] in lines
    assert ["total", "53,866", "240,544"] in lines


def test_totals_are_sums_of_the_lines_above() -> None:
    workload = find("profkit.workloads", Workload, "resnet18")
    body = network_json(workload, {})
    for name in ("parameters", "macs"):
        assert body[name] == sum(layer[name] for layer in body["layers"])
        assert f"{body[name]:,}" in next(line for line in lines_of("resnet18") if line and line[0] == "total")


def test_a_layer_of_two_inputs_names_the_other_one() -> None:
    assert any(line[1:3] == ["add", "+"] and len(line) > 3 for line in lines_of("resnet18") if len(line) > 2)


def test_the_recipe_and_every_option_are_said_as_they_were_chosen() -> None:
    text = " ".join(" ".join(line) for line in lines_of("convnet", {"layers": "4", "optimizer": "sgd", "lr": "0.5"}))
    assert "convnet: 3x32x32 input, loss cross_entropy, sgd (lr 0.5, momentum 0, weight_decay 0.001), batch 8" in text
    assert "--option layers=4 number of stages (one of 3, 4, 5, 6)" in text
    assert "--option kernel_size=3 of every convolution" in text


def test_the_list_has_every_workload_with_its_size_and_what_it_is() -> None:
    text = text_of(workloads_view(EVERY))
    for workload in EVERY:
        assert f"{workload.name}: {workload.summary}"[:40] in text
        assert f"{workload.network({}).parameters:,}" in text


def test_json_and_markdown_have_the_same_workloads() -> None:
    body = workloads_json(EVERY)
    assert list(body) == NAMES
    rows = workloads_markdown(EVERY).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == NAMES
    for row, workload in zip(rows, body.values(), strict=True):
        assert f"| {workload['parameters']:,} |" in row
        assert all(f"`{name}={default}`" in row for name, default in workload["options"].items())


def test_json_has_every_setting_and_shape_of_a_layer() -> None:
    body = network_json(find("profkit.workloads", Workload, "mnist_cnn"), {"kernel_size": 5})
    assert body["options"] == {"filters1": 8, "filters2": 16, "hidden": 128, "kernel_size": 5}
    assert body["layers"][0] == {
        "path": "conv1",
        "kind": "conv2d",
        "settings": {
            "in_channels": 1, "out_channels": 8, "kernel_size": 5, "stride": 1, "padding": 0, "bias": 1
        },
        "inputs": [],
        "input_shape": (1, 28, 28),
        "output_shape": (8, 24, 24),
        "parameters": 208,
        "macs": 115_200,
    }  # fmt: skip
