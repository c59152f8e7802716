"""Profiles of several tools side by side: shares of each one's own cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.loader import load
from profkit.views.shares import shares_rows, shares_table

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn" / "pytorch"
PATHS = [TRACES / tool / "profile.json" for tool in ("torch", "py-spy", "scalene", "callgrind")]


def test_the_shares_of_every_profile_sum_to_one() -> None:
    rows = shares_rows([load(path) for path in PATHS], ("layer", "phase"))
    assert [sum(shares[index] or 0 for _, shares in rows) for index in range(4)] == pytest.approx([1, 1, 1, 1])


def test_every_tool_sees_the_layers_and_what_one_cannot_know_is_no_zero() -> None:
    shares = dict(shares_rows([load(path) for path in PATHS], ("layer", "phase")))
    assert all(shares["conv1", "forward"])
    torch, py_spy, scalene, callgrind = shares["conv1", "backward"]
    assert torch
    assert callgrind
    assert (py_spy, scalene) == (None, None)  # a sampler knows no layer of the backward pass


def test_the_table_has_a_column_a_file() -> None:
    heads, rows = shares_table([load(path) for path in PATHS[:2]], [Path("a.json"), Path("b.json")], ("phase",))
    assert heads == ["phase", "share_a", "share_b"]
    assert {row[0] for row in rows} >= {"forward", "backward", "optimizer"}
