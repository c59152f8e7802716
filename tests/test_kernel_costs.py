"""Costs of hand-written kernels: of the network's calls of the same names, as often as each ran."""

from __future__ import annotations

from typing import Any

import pytest

from profkit import schema
from profkit.kernel_costs import with_kernel_costs
from profkit.profile import Profile
from profkit.run import Run

RUN = Run(tool="torch", workload="mnist_cnn", implementation="numba", batch_size=8, steps=3)
LINEAR1 = 2 * 8 * 400 * 128
"""FLOP of one product of the first linear layer, of eight samples."""


def profile(run: Run, *rows: dict[str, Any]) -> Profile:
    names = {name for row in rows for name in row} | {"self_ns", "kind"}
    plain = {"self_ns": 1, "kind": "operator"}
    columns = {name: [(plain | row).get(name) for row in rows] for name in names}
    return Profile(run, schema.table_from(schema.OPERATORS, columns, len(rows)))


def place(operator: str, phase: str, count: int, **more: Any) -> dict[str, Any]:
    return {"layer": "linear1", "phase": phase, "operator": operator, "count": count} | more


def column(found: Profile, name: str) -> list[Any]:
    return found.operators[name].to_pylist()


def test_an_operator_without_shapes_has_the_cost_of_its_calls_of_all_steps() -> None:
    found = with_kernel_costs(profile(RUN, place("aten::addmm", "forward", 3), place("aten::mm", "backward", 6)))
    assert column(found, "flop") == [3 * LINEAR1, 6 * LINEAR1]
    assert column(found, "dtype") == ["float32", "float32"]
    weights, inputs, outputs = 400 * 128, 8 * 400, 8 * 128
    assert column(found, "traffic_bytes")[0] == 3 * 4 * (weights + 128 + inputs + outputs)


@pytest.mark.parametrize(
    "row",
    [
        place("aten::addmm", "forward", 3, kind="scope"),
        place("aten::addmm", "forward", 3, input_shapes="[[1]]"),
        place("aten::addmm", "optimizer", 3),
        place("aten::mine", "forward", 3),
        {**place("aten::addmm", "forward", 3), "count": None, "samples": 5},
    ],
    ids=["a scope", "with shapes", "another phase", "another operator", "of a sampler, which counts no calls"],
)
def test_what_is_no_call_of_the_network_stays_as_it_is(row: dict[str, Any]) -> None:
    found = with_kernel_costs(profile(RUN, row))
    assert column(found, "flop") == column(found, "dtype") == [None]


@pytest.mark.parametrize("changed", [{"implementation": "pytorch"}, {"workload": "unknown"}, {"batch_size": None}])
def test_other_runs_stay_as_they_are(changed: dict[str, Any]) -> None:
    one = profile(
        Run(**({"tool": "torch", "workload": "mnist_cnn", "implementation": "numba", "batch_size": 8} | changed))
    )
    assert with_kernel_costs(one) == one
