"""What each layer of a network costs: FLOP, compulsory bytes and arithmetic intensity, forward and backward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.network_costs import CostedNetwork, NetworkCost, NetworkCosts

PASSES = ("forward", "backward")
NOWHERE = "(no layer)"
UPDATE = "optimizer"
MOST_DIGITS = 7
"""Of a number, so that seven columns have room in eighty characters."""


@dataclass(frozen=True)
class _Sum:
    """Costs of several operators; bytes are None where those of one are not known."""

    flop: int
    macs: int
    traffic_bytes: int | None

    @property
    def intensity(self) -> float | None:
        """FLOP per byte; None without bytes."""
        return self.flop / self.traffic_bytes if self.traffic_bytes else None


@dataclass(frozen=True)
class _Scale:
    """A power of ten that all numbers of a column are divided by, so that they can be compared by eye."""

    prefix: str
    divisor: int
    digits: int

    def __call__(self, value: int | None) -> str:
        """The number in a cell."""
        return "-" if value is None else f"{value / self.divisor:.{self.digits}f}"


def _scale(largest: int, digits: int) -> _Scale:
    """Millions, unless the largest number has then more than six digits before its point or less than one."""
    steps = (("", 1, 1e3), ("k", 10**3, 1e6), ("M", 10**6, 1e12), ("G", 10**9, 1e15), ("T", 10**12, float("inf")))
    prefix, divisor, _ = next(step for step in steps if largest < step[2])
    room = MOST_DIGITS - len(str(largest // divisor))
    return _Scale(prefix, divisor, min(digits, max(room, 0)) if prefix else 0)


def costs_view(network: CostedNetwork, *, macs: bool = False) -> RenderableType:
    """One row a layer, the totals of each pass, those of the optimizer and of a step, and what is not counted."""
    passes = PASSES if network.training else PASSES[:1]
    totals = [_total(network.costs.costs, phase=phase) for phase in passes]
    step = _total(network.costs.costs)
    flop = _scale(max(total.flop for total in totals), 2)
    traffic = _scale(max(total.traffic_bytes or 0 for total in totals), 3)
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("\nlayer", "total", overflow="fold")
    with_intensity = not (macs and network.training)  # eighty characters have no room for both
    for phase, total in zip(passes, totals, strict=True):
        for head, cell in zip(
            _heads(flop, traffic, macs, with_intensity), _cells(total, flop, traffic, macs), strict=False
        ):
            above = phase if head.endswith("FLOP") else ""
            table.add_column(head if "\n" in head else f"{above}\n{head}", cell, justify="right", no_wrap=True)
    width = len(_heads(flop, traffic, macs, with_intensity))
    for layer in _rows(network):
        cells = []
        for phase in passes:
            total = _total(cost for cost in network.costs.costs if (cost.layer, cost.phase) == (layer, phase))
            worked = total.flop or total.traffic_bytes != 0
            cells += _cells(total, flop, traffic, macs)[:width] if worked else width * [""]
        table.add_row(NOWHERE if layer is None else layer, *cells)
    lines = [f"{network.name}: {network.sizes}, {'a step of training' if network.training else 'inference'}"]
    if network.training and any(cost.phase == UPDATE for cost in network.costs.costs):
        lines.append(f"optimizer: {_in_words(_total(network.costs.costs, phase=UPDATE), flop, traffic, macs)}")
    lines.append(f"in all: {_in_words(step, flop, traffic, macs)}")
    lines.append(f"parameters: {network.parameters:,}, {traffic(network.parameter_bytes)} {traffic.prefix}B")
    lines.append(_legend(macs))
    return Group(table, Text(), *(Text(line) for line in [*lines, *_uncosted_lines(network.costs)]))


def _heads(flop: _Scale, traffic: _Scale, macs: bool, with_intensity: bool) -> list[str]:
    heads = [f"{flop.prefix}FLOP", *([f"{flop.prefix}MAC"] if macs else []), f"{traffic.prefix}B"]
    return [*heads, "FLOP/\nbyte"] if with_intensity else heads


def _cells(total: _Sum, flop: _Scale, traffic: _Scale, macs: bool) -> list[str]:
    intensity = "" if total.intensity is None else f"{total.intensity:.2f}"
    return [flop(total.flop), *([flop(total.macs)] if macs else []), traffic(total.traffic_bytes), intensity]


def _in_words(total: _Sum, flop: _Scale, traffic: _Scale, macs: bool) -> str:
    multiply_adds = [f"{flop(total.macs)} {flop.prefix}MAC"] if macs else []
    intensity = [] if total.intensity is None else [f"{total.intensity:.2f} FLOP/byte"]
    words = [f"{flop(total.flop)} {flop.prefix}FLOP", *multiply_adds]
    return ", ".join([*words, f"{traffic(total.traffic_bytes)} {traffic.prefix}B", *intensity])


def _legend(macs: bool) -> str:
    counted = (
        "A multiply-add is 2 FLOP; MAC counts those of matrix products and convolutions."
        if macs
        else ("A multiply-add is 2 FLOP.")
    )
    return f"{counted} Bytes are compulsory: each input read once, each output written once."


def _uncosted_lines(costs: NetworkCosts) -> list[str]:
    """The operators that are not in the sums, most frequent first."""
    if not costs.uncosted:
        return []
    calls: Counter[tuple[str, str]] = Counter()
    for each in costs.uncosted:
        calls[each.operator, each.reason] += each.calls
    lines = [f"not counted: {calls.total():,} call{'s' * (calls.total() > 1)}, of which nobody knows the cost"]
    return lines + [f"  {operator} {count:,} ({reason})" for (operator, reason), count in calls.most_common()]


def _rows(network: CostedNetwork) -> list[str | None]:
    """The layers in order, then what else has a cost in a pass: the loss, and what lies outside every layer."""
    costs = [cost for cost in network.costs.costs if cost.phase in PASSES]
    others = [cost.layer for cost in costs if cost.flop or cost.traffic_bytes != 0]
    rows: dict[str | None, None] = dict.fromkeys([*network.layers, *others])
    if None in rows:
        rows.pop(None)
        rows[None] = None
    return list(rows)


def _total(costs: Iterable[NetworkCost], *, phase: str | None = None) -> _Sum:
    some = [cost for cost in costs if phase in (None, cost.phase)]
    traffic = [cost.traffic_bytes for cost in some]
    known = [value for value in traffic if value is not None]
    return _Sum(
        sum(cost.flop for cost in some),
        sum(cost.macs for cost in some),
        sum(known) if len(known) == len(traffic) else None,
    )


def costs_json(network: CostedNetwork, *, macs: bool = False) -> dict[str, Any]:
    """Every layer by pass, every operator, and the totals, for programs."""
    costs = network.costs.costs
    phases = (*PASSES, UPDATE) if network.training else PASSES[:1]
    return {
        "network": network.name,
        "sizes": network.sizes,
        "training": network.training,
        "parameters": network.parameters,
        "parameter_bytes": network.parameter_bytes,
        "layers": [
            {"layer": layer}
            | {
                phase: _plain([cost for cost in costs if (cost.layer, cost.phase) == (layer, phase)], macs)
                for phase in phases
                if phase != UPDATE
            }
            for layer in _rows(network)
        ],
        "total": {phase: _plain([cost for cost in costs if cost.phase == phase], macs) for phase in phases}
        | {"step": _plain(costs, macs)},
        "operators": [dict(zip(HEADS, row, strict=True)) for row in costs_rows(network)[1]],
        "uncosted": [asdict(each) for each in network.costs.uncosted],
    }


HEADS = ("layer", "phase", "operator", "dtype", "calls", "flop", "traffic_bytes", "intensity_flop_per_byte")


def costs_rows(network: CostedNetwork, *, macs: bool = False) -> tuple[Sequence[str], list[list[Any]]]:
    """Heads and rows for CSV: one row an operator of a layer and phase."""
    rows = []
    for cost in network.costs.costs:
        row: list[Any] = [cost.layer, cost.phase, cost.operator, cost.dtype, cost.calls, cost.flop, cost.traffic_bytes]
        rows.append([*row, _total([cost]).intensity, *([cost.macs] if macs else [])])
    return (*HEADS, "macs") if macs else HEADS, rows


def _plain(costs: Iterable[NetworkCost], macs: bool) -> dict[str, Any]:
    total = _total(costs)
    numbers: dict[str, Any] = {"flop": total.flop, "traffic_bytes": total.traffic_bytes}
    return numbers | {"intensity_flop_per_byte": total.intensity} | ({"macs": total.macs} if macs else {})
