"""FLOP and bytes of an operator that profkit does not know: a formula, and how a package would bring it along.

    [project.entry-points."profkit.costs"]
    mine = "my_package.costs:MINE"
"""

from profkit import Cost, CostFamily, Inputs
from profkit.costs import call, traffic


def scaled_add(inputs: Inputs) -> Cost:
    """`mine::scaled_add`, of (x, y, scale): x + scale * y is two operations an element.

    >>> scaled_add(call((64, 128), (64, 128), 0.5))
    Cost(flop=16384, traffic_bytes=98304)
    """
    x, y = inputs.tensor(0), inputs.tensor(1)
    return Cost(2 * x.elements, traffic(x, y, x))  # the result is as large as x


MINE = CostFamily("mine", {"mine::scaled_add": scaled_add})

cost = scaled_add(call((64, 128), (64, 128), 0.5))
print(f"{cost.flop} FLOP, {cost.traffic_bytes} bytes")
