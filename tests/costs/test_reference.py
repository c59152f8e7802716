"""The costs of a vision transformer on an H100, row by row beside what TraceLens computed from the same trace."""

from __future__ import annotations

import ast
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from profkit.loader import load

MIB = 2**20

BIAS = "TraceLens counts an addition for each element of a GEMM with bias; torch.utils.flop_counter and profkit do not"


@dataclass(frozen=True)
class Reference:
    """One row of TraceLens.

    Attributes:
        operator: name in the trace.
        dims: shapes of its inputs.
        flop: of one call, with what `difference` says that we leave out.
        traffic_bytes: of one call.
        kernel_ns: time of its kernels, of all calls.
        calls: number of them.
        difference: FLOP of a call that TraceLens counts and profkit does not.
        why: there is a difference.
    """

    operator: str
    dims: list[list[int]]
    flop: int
    traffic_bytes: int
    kernel_ns: int
    calls: int
    difference: int = 0
    why: str = ""


def references(folder: Path) -> list[Reference]:
    found = []
    for name in ("GEMM.csv", "CONV_fwd.csv", "SDPA_fwd.csv"):
        with (folder / name).open() as file:
            found += [reference(row) for row in csv.DictReader(file)]
    return found


def reference(row: dict[str, Any]) -> Reference:
    bias = int(row["param: M"]) * int(row["param: N"]) if row.get("param: bias") == "True" and "param: M" in row else 0
    return Reference(
        operator=row["name"],
        dims=ast.literal_eval(row["Input Dims_first"]),
        flop=round(float(row["GFLOPS_first"]) * 1e9),
        traffic_bytes=round(float(row["Data Moved (MB)_first"]) * MIB),
        kernel_ns=round(float(row["Kernel Time (µs)_sum"]) * 1000),
        calls=int(row["name_count"]),
        difference=bias,
        why=BIAS if bias else "",
    )


LEAVES = {
    "aten::convolution": "aten::cudnn_convolution",
    "aten::_scaled_dot_product_flash_attention": "aten::_flash_attention_forward",
}
"""Where TraceLens names an operator, the one below it that launches the kernel."""


@pytest.fixture(scope="module")
def rows(samples: Path) -> list[dict[str, Any]]:
    """What profkit makes of the kernels of the trace."""
    table = load(samples / "kineto" / "tracelens" / "vit_h100.json.gz").operators
    return [row for row in table.to_pylist() if row["kind"] == "kernel"]


def test_gemm_convolution_and_attention_are_those_of_the_reference(rows: list[dict[str, Any]], samples: Path) -> None:
    expected = references(samples / "kineto" / "tracelens" / "vit_h100_reference")
    assert len(expected) == 6
    for one in expected:
        own = [row for row in rows if row["operator"] == LEAVES.get(one.operator, one.operator) and alike(row, one)]
        assert sum(row["flop"] for row in own) == one.calls * (one.flop - one.difference), one
        assert sum(row["traffic_bytes"] for row in own) == one.calls * one.traffic_bytes, one
        if one.operator not in LEAVES:  # the times of the others are of more kernels than the one below
            assert sum(row["self_ns"] for row in own) == pytest.approx(one.kernel_ns, abs=one.calls), one


def alike(row: dict[str, Any], one: Reference) -> bool:
    """Whether a row is of the operator's shapes; of those below it the order of the dimensions differs."""
    if one.operator in LEAVES:
        return True
    return str(one.dims).replace(" ", "") == row["input_shapes"]
