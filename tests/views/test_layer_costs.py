"""Costs of layers as a table."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from profkit.network_costs import CostedNetwork, NetworkCost, NetworkCosts, Uncosted, costed_workload
from profkit.registry import discover
from profkit.spec import Workload
from profkit.views.layer_costs import costs_json, costs_view

WORKLOADS = discover("profkit.workloads", Workload)


def lines_of(network: CostedNetwork, *, macs: bool = False) -> list[str]:
    """The table as it is printed in eighty columns."""
    out = io.StringIO()
    Console(file=out, width=80).print(costs_view(network, macs=macs))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("macs", [False, True], ids=["FLOP", "MAC"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_layer_has_a_line_of_eighty_columns(name: str, training: bool, macs: bool) -> None:
    network = costed_workload(WORKLOADS[name], {}, 512, training=training)
    lines = lines_of(network, macs=macs)
    rows = lines[2 : lines.index("")]
    others = ["loss", "(no", "total"] if training else ["total"]
    assert [row.split()[0] for row in rows] == [*network.layers, *others]
    assert max(map(len, lines)) <= 80
    assert ("MMAC" in lines[1] or "GMAC" in lines[1]) == macs


def network_of(*costs: NetworkCost, uncosted: tuple[Uncosted, ...] = (), training: bool = True) -> CostedNetwork:
    return CostedNetwork("small", "input 2", 3, 12, ("one", "two"), training, NetworkCosts(costs, uncosted))


def test_the_totals_are_of_the_passes_and_the_rest_stands_below() -> None:
    network = network_of(
        NetworkCost("one", "forward", "aten::mm", "float32", 1, 4000, 2000),
        NetworkCost("one", "backward", "aten::mm", "float32", 2, 8000, 4000),
        NetworkCost(None, "optimizer", "aten::add_", "float32", 1, 500, 1000),
    )
    lines = lines_of(network)
    cells = [line.split() for line in lines]
    assert ["one", "4.00", "2.000", "2.00", "8.00", "4.000", "2.00"] in cells
    assert ["two"] in cells
    assert ["total", "4.00", "2.000", "2.00", "8.00", "4.000", "2.00"] in cells
    assert "optimizer: 0.50 kFLOP, 1.000 kB, 0.50 FLOP/byte" in lines
    assert "in all: 12.50 kFLOP, 7.000 kB, 1.79 FLOP/byte" in lines


def test_bytes_that_are_not_known_are_no_zero() -> None:
    network = network_of(NetworkCost("one", "forward", "aten::mm", None, 1, 4000, None), training=False)
    assert ["one", "4.00", "-"] in [line.split() for line in lines_of(network)]
    assert costs_json(network)["total"]["forward"]["traffic_bytes"] is None


def test_what_is_not_counted_is_listed_by_operator() -> None:
    uncosted = tuple(Uncosted(layer, "forward", "their::op", 2, "no formula") for layer in ("one", "two"))
    lines = lines_of(network_of(uncosted=uncosted))
    assert lines[-2:] == ["not counted: 4 calls, of which nobody knows the cost", "  their::op 4 (no formula)"]
