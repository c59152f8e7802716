"""Costs of a million records, beside what the rest of making their operator table takes.

pytest tests/benchmarks/test_costs_speed.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from profkit.aggregate import aggregate
from profkit.columns import from_integers, to_integers
from profkit.importers.kineto import KINETO
from profkit.layers import place
from profkit.operator_costs import record_costs
from profkit.profile import Recording

TRACE = Path(__file__).parents[2] / "traces" / "mnist_cnn" / "pytorch" / "torch" / "trace.json.gz"
ROWS = 1_000_000


@pytest.fixture(scope="module")
def recording() -> Recording:
    """A real trace repeated until it has a million records."""
    once = place(KINETO.load(TRACE))
    parts = []
    for repeat in range(-(-ROWS // once.records.num_rows)):
        parent = to_integers(once.records["parent_id"])
        moved = np.where(parent >= 0, parent + repeat * len(parent), parent).astype(np.int32)
        place_of = once.records.schema.get_field_index("parent_id")
        parts.append(once.records.set_column(place_of, once.records.schema.field(place_of), from_integers(moved)))
    return Recording(once.run, pa.concat_tables(parts).combine_chunks())


@pytest.mark.benchmark(group="costs of a million records")
def test_costs_of_a_million_records(benchmark: BenchmarkFixture, recording: Recording) -> None:
    costs = benchmark(record_costs, recording.records)
    benchmark.extra_info["rows"] = recording.records.num_rows
    assert (costs["flop"] > 0).sum() > 10_000


@pytest.mark.benchmark(group="costs of a million records")
def test_the_operator_table_of_a_million_records(benchmark: BenchmarkFixture, recording: Recording) -> None:
    profile = benchmark.pedantic(aggregate, args=([recording],), rounds=3, iterations=1)
    assert profile.operators["flop"].null_count < profile.operators.num_rows
