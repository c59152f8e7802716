"""FLOP and bytes of hand-written kernels, which tell a profiler no shapes: those of the network as data.

Their operators are exactly the calls that the network as data consists of, so a row of a layer, phase and operator has
the cost of those calls, as often as it ran.
"""

from __future__ import annotations

from dataclasses import replace

from profkit import schema
from profkit.network_costs import NetworkCost, network_costs
from profkit.profile import Profile

BY_NAME = ("numba",)
"""Implementations whose operators are named as the network's calls, one for one."""

_FILLED = ("flop", "traffic_bytes", "dtype")


def with_kernel_costs(profile: Profile) -> Profile:
    """The profile with costs and types for operators without shapes; the same where it is of other implementations."""
    if profile.run.implementation not in BY_NAME:
        return profile
    network = network_costs(profile.run)
    if network is None:
        return profile
    costs = {(each.layer, each.phase, each.operator): each for each in network}
    table = profile.operators
    keys = ("layer", "phase", "operator", "kind", "input_shapes", "count", *_FILLED)
    rows = list(zip(*(table[name].to_pylist() for name in keys), strict=True))
    filled: dict[str, list[object]] = {name: [] for name in _FILLED}
    for layer, phase, operator, kind, shapes, count, *told in rows:
        counted = kind == "operator" and shapes is None and count is not None
        cost = costs.get((layer, phase, operator)) if counted else None
        for name, value in zip(_FILLED, told if cost is None else _of(cost, count), strict=True):
            filled[name].append(value)
    columns = {name: table[name] for name in table.column_names} | filled
    return replace(profile, operators=schema.table_from(schema.OPERATORS, columns, table.num_rows))


def _of(cost: NetworkCost, count: int) -> tuple[int, int | None, str | None]:
    traffic = cost.traffic_bytes
    return cost.flop * count // cost.calls, None if traffic is None else traffic * count // cost.calls, cost.dtype
