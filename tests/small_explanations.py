"""Profiles from literals for the tests of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa

from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from


class Line(NamedTuple):
    """One row: where, what, on what the cost is spent, and what it costs in each step."""

    layer: str | None
    phase: str | None
    operator: str | None
    category: str
    costs: Sequence[int]
    kind: str = "operator"
    symbol: str | None = None
    count: int | None = None
    flop: int | None = None


PYTHON = Run(tool="torch", implementation="pytorch", settings={"language": "python", "cpu_capability": "AVX512"})
CPP = Run(tool="torch", implementation="libtorch", settings={"language": "c++", "cpu_capability": "AVX512"})


def profile(run: Run, lines: Sequence[Line], metric: str = "self_ns", **more: Any) -> Profile:
    """A profile of these rows, a step for each of their costs."""
    columns: dict[str, list[Any]] = {
        name: [getattr(line, name) for line in lines]
        for name in ("layer", "phase", "operator", "category", "kind", "symbol", "count", "flop")
    }
    columns["device"] = ["cpu"] * len(lines)
    columns[metric] = [sum(line.costs) for line in lines]
    if metric != "samples":
        columns[f"{metric}_per_step"] = [list(line.costs) for line in lines]
    steps = len(lines[0].costs)
    return Profile(replace(run, steps=steps, **more), table_from(OPERATORS, columns, len(lines)))


def without_steps(made: Profile) -> Profile:
    """The same as a tool records it that knows of no steps."""
    table = made.operators
    for metric in ("self_ns", "self_instructions"):
        column = table.column_names.index(f"{metric}_per_step")
        field = table.schema.field(column)
        table = table.set_column(column, field, pa.nulls(table.num_rows, field.type))
    return Profile(replace(made.run, steps=None), table)
