"""FLOP equal those of `torch.utils.flop_counter`, operator by operator over random shapes, and network by network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from profkit.costs import cost_of
from profkit.importers.kineto import KINETO
from profkit.operator_costs import parse_inputs
from profkit.runner.operator_inputs import inputs_of
from tests.costs.dispatched import calls_of
from tests.costs.flop_cases import ASKED, ASKED_BACKWARD, CASES, SIZES, any_qkv, counted, gradient_of, meta

_HIGHER = torch.ops.higher_order
HIGHER = {_HIGHER.flex_attention, _HIGHER.flex_attention_backward}
"""No operators with a schema; they have a test of their own."""


def test_every_operator_that_torch_counts_is_compared() -> None:
    assert set(flop_registry) == {packet for packet, _ in CASES.values()} | HIGHER


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_operator_costs_what_torch_counts(name: str, data: st.DataObject) -> None:
    case = CASES[name][1](data.draw)
    assert case.flop == case.expected


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flexible_attention_costs_what_torch_counts(data: st.DataObject) -> None:
    tensors = any_qkv(data.draw)
    gradient = gradient_of(tensors)
    inputs = inputs_of(ASKED.default, tensors, {})
    assert cost_of("higher_order::flex_attention", inputs).flop == counted(_HIGHER.flex_attention, *tensors)
    args = (*tensors, gradient, None, gradient)
    back = inputs_of(ASKED_BACKWARD.default, args, {})
    expected = counted(_HIGHER.flex_attention_backward, *args)
    assert cost_of("higher_order::flex_attention_backward", back).flop == expected


class _Attending(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(2).transpose(1, 2))


def _networks(width: int) -> dict[str, nn.Module]:
    return {
        "convolutions": nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, stride=2, dilation=2, padding="valid"), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(2 * width, 10),
        ),
        "transposed": nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(width, 3, 4, stride=2, output_padding=1),
        ),
        "attention": nn.Sequential(nn.Conv2d(3, 2 * width, 4, stride=4), _Attending(2 * width)),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["convolutions", "transposed", "attention"])
@settings(max_examples=10, deadline=None)
@given(width=SIZES, batch=SIZES, size=st.integers(12, 24))
def test_a_network_costs_what_torch_counts_operator_by_operator(name: str, width: int, batch: int, size: int) -> None:
    network = _networks(width)[name].to("meta")

    def step() -> None:
        network(meta(batch, 3, size, size)).sum().backward()

    with FlopCounterMode(display=False) as counter:
        step()
    found: dict[Any, int] = {}
    for call in calls_of(step):
        if call.packet in flop_registry:
            found[call.packet] = found.get(call.packet, 0) + call.cost.flop
    assert found == counter.get_flop_counts()["Global"]
    assert found


def test_a_real_trace_gives_what_torch_counts(tmp_path: Path) -> None:
    network = _networks(4)["convolutions"]
    x = torch.randn(2, 3, 16, 16)

    def step() -> None:
        network(x).sum().backward()

    with FlopCounterMode(display=False) as counter:
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        step()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    records = KINETO.load(tmp_path / "trace.json").records.select(["operator", "inputs"]).to_pylist()
    counts = counter.get_flop_counts()["Global"]
    assert len(counts) == 4
    for packet, flop in counts.items():
        name = f"aten::{packet.__name__}"
        assert flop == sum(
            cost_of(name, parse_inputs(row["inputs"])).flop for row in records if row["operator"] == name
        )
