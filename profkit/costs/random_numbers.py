"""Random numbers: how they are made is nobody's formula, so they count no FLOP, only what is written."""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, Formula, Inputs, traffic
from profkit.costs.copies import clone


def in_place(inputs: Inputs) -> Cost:
    """`aten::normal_`, `aten::uniform_`, `aten::bernoulli_`: written; probabilities in a tensor are read.

    >>> from profkit.costs import call
    >>> in_place(call((8, 3), 0.0, 1.0, None)), in_place(call((8, 3), (8, 3), None))
    (Cost(flop=0, traffic_bytes=96), Cost(flop=0, traffic_bytes=192))
    """
    return Cost(0, traffic(inputs.tensor(0), inputs.optional(1)))


def of_any_size(_: Inputs) -> Cost:
    """`aten::randperm`, `aten::arange` and others that write as much as a trace does not always tell.

    >>> from profkit.costs import call
    >>> of_any_size(call(100))
    Cost(flop=0, traffic_bytes=None)
    """
    return Cost(0, None)


_IN_PLACE = ("normal_", "uniform_", "bernoulli_", "random_", "exponential_", "log_normal_", "cauchy_", "geometric_")
_FORMULAS: dict[str, Formula] = (
    dict.fromkeys(_IN_PLACE, in_place)
    | {"bernoulli": clone}  # the probability of each is read, and as much written
    | dict.fromkeys(("randperm", "arange", "linspace", "multinomial"), of_any_size)
)

RANDOM_NUMBERS = CostFamily(
    name="random numbers", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()}
)
