"""A small machine and profiles on it, with round numbers."""

from __future__ import annotations

from typing import Any

from profkit.machine import Machine
from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, Rate
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from

HERE = Machine("Small CPU", "avx2", 2, 8 << 30, "Linux 6")
PEAKS = Peaks(
    name="Small CPU",
    compute=(
        ComputePeak("cpu", "float32", 1, Rate(100e9)),
        ComputePeak("cpu", "float64", 1, Rate(50e9)),
        ComputePeak("cuda", "float16", 0, Rate(100e12)),
    ),
    bandwidth=(
        Bandwidth("cpu", "memory", 1, Rate(10e9)),
        Bandwidth("cpu", "L2", 1, Rate(100e9), 1_000_000),
        Bandwidth("cuda", "memory", 0, Rate(1e12)),
    ),
    dispatch=(DispatchCost("cpu", "python", Rate(2000.0)), DispatchCost("cpu", "c++", Rate(1000.0))),
    machine=HERE,
)
"""100 GFLOP/s, an L2 of one megabyte with 100 GB/s, memory with 10 GB/s, 2 us a call from Python."""
RUN = Run(tool="torch", workload="tiny", implementation="pytorch", threads=1, machine=HERE, steps=2, step_ns=(10, 10))

MEGA, GIGA = 1_000_000, 1_000_000_000


def row(operator: str | None = "aten::addmm", **more: Any) -> dict[str, Any]:
    """One call of an operator in `fc` going forward that takes 10 ms for nothing, but for what is said of it."""
    plain = {
        "operator": operator,
        "kind": "operator" if operator else "scope",
        "layer": "fc",
        "phase": "forward",
        "device": "cpu",
        "dtype": "float32",
        "count": 1,
        "self_ns": 10 * MEGA,
        "flop": 0 if operator else None,
        "traffic_bytes": 0 if operator else None,
    }
    return {**plain, **more}


def profile(*rows: dict[str, Any], run: Run = RUN) -> Profile:
    """A profile of these rows."""
    names = dict.fromkeys(name for each in rows for name in each)
    columns = {name: [each.get(name) for each in rows] for name in names}
    return Profile(run, table_from(OPERATORS, columns, len(rows)))
