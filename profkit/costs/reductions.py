"""Sums, means, extremes and norms; what they reduce over changes the traffic alone.

An addition or a comparison an element of the input, so that the largest element costs as much as the sum. Sorting and
`topk` have no formula: their comparisons depend on the method and on the numbers.
"""

from __future__ import annotations

from profkit.costs import UNTOLD, Cost, CostFamily, CostUnknownError, Formula, Inputs, Shape, Tensor, Untold, traffic
from profkit.costs.element_types import arithmetic, requested
from profkit.costs.pointwise import over_elements


def reduced(shape: Shape, dims: tuple[int, ...] | None) -> int:
    """Number of elements after a reduction over some dimensions, over all where none are given.

    >>> reduced((8, 3, 5), (0, -1)), reduced((8, 3), None)
    (3, 1)
    """
    rank = len(shape)
    if not dims or not rank:
        return 1
    if any(not -rank <= dim < rank for dim in dims):
        raise CostUnknownError(f"{shape} has no dimension {dims}")
    gone = {dim % rank for dim in dims}
    left = 1
    for place, size in enumerate(shape):
        left *= 1 if place in gone else size
    return left


def _dims(inputs: Inputs, place: int) -> tuple[int, ...] | Untold | None:
    """Of old traces a missing value means nothing if other values are not told either."""
    value = inputs.values[place] if place < len(inputs) else None
    if isinstance(value, Untold) or (value is None and any(isinstance(one, Untold) for one in inputs.values)):
        return UNTOLD
    if value is None or value == ():
        return None
    return inputs.wholes(place, len(value) if isinstance(value, tuple) else 1)


def reduction(
    count: int, *, dims: int | None = 1, each: int = 0, dtype: int | None = None, indices: bool = False
) -> Formula:
    """The formula of a reduction: `count` operations an element of the input and `each` one of the result.

    Args:
        count: FLOP an element of the input.
        dims: place of what is reduced over; None for everything.
        each: FLOP an element of the result.
        dtype: place of the type of the result.
        indices: whether places are a second result.

    >>> from profkit.costs import call
    >>> reduction(1, each=1, dtype=3)(call((8, 3), [0], True, None))
    Cost(flop=27, traffic_bytes=108)
    >>> reduction(1, indices=True)(call((8, 3), -1, False))
    Cost(flop=24, traffic_bytes=192)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        over = None if dims is None else _dims(inputs, dims)
        if isinstance(over, Untold):
            if each and x.floating:
                raise CostUnknownError("the trace does not say what is reduced over")
            return Cost(arithmetic(x, x.elements * count), None)
        left = reduced(x.shape, over)
        kind = _sum_of(x.dtype) if dtype is not None else x.dtype
        out = Tensor((left,), kind if dtype is None else requested(inputs, dtype, kind))
        places = Tensor((left,), "int64") if indices else None
        return Cost(arithmetic(x, x.elements * count + left * each), traffic(x, out, places))

    return cost


def _sum_of(dtype: str | None) -> str | None:
    return "int64" if dtype is not None and dtype.startswith(("int", "uint", "bool")) else dtype


def _of_all_or_dims(count: int, *, each: int = 0) -> Formula:
    """Of (x, type) it reduces everything, of (x, dimensions, kept, type) some.

    >>> from profkit.costs import call
    >>> _of_all_or_dims(1)(call((8, 3), 6)), _of_all_or_dims(1)(call((8, 3), [0], True, None))
    (Cost(flop=24, traffic_bytes=100), Cost(flop=24, traffic_bytes=108))
    """
    whole, some = reduction(count, dims=None, each=each, dtype=1), reduction(count, each=each, dtype=3)

    def cost(inputs: Inputs) -> Cost:
        return whole(inputs) if len(inputs) <= 2 else some(inputs)

    return cost


def extreme(inputs: Inputs) -> Cost:
    """`aten::max`, `aten::min`: of x, of (x, dimension, kept) with places, or the larger of two; 1 FLOP an element.

    >>> from profkit.costs import call
    >>> extreme(call((8, 3))), extreme(call((8, 3), 0, False)), extreme(call((8, 3), (3,)))
    (Cost(flop=24, traffic_bytes=100), Cost(flop=24, traffic_bytes=132), Cost(flop=24, traffic_bytes=204))
    """
    if inputs.optional(1) is not None:
        return over_elements(inputs, 1, 0, 1)
    if len(inputs) == 1:
        return reduction(1, dims=None)(inputs)
    return reduction(1, indices=True)(inputs)


def told_of(dtype: str) -> Formula:
    """The formula of `aten::argmax`, `aten::any` and the like, of (x, dimension, kept): what is written has a type.

    1 FLOP an element of floating-point numbers, none of truth values.

    >>> from profkit.costs import call
    >>> told_of("int64")(call((8, 3), 1, False)), told_of("bool")(call((8, 3), dtype="bool"))
    (Cost(flop=24, traffic_bytes=160), Cost(flop=0, traffic_bytes=25))
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        over = _dims(inputs, 1)
        written = None if isinstance(over, Untold) else traffic(x, Tensor((reduced(x.shape, over),), dtype))
        return Cost(arithmetic(x, x.elements), written)

    return cost


def _order(inputs: Inputs) -> tuple[int, int]:
    """FLOP of a norm, an element and a result, by its order, at 1; 2 where none is given."""
    order = inputs.number(1) if len(inputs) > 1 and inputs.values[1] is not None else 2.0
    by_order = {2.0: (2, 1), 1.0: (2, 0), 0.0: (2, 0), float("inf"): (2, 0), float("-inf"): (2, 0)}
    return by_order.get(float(order), (3, 1))


def norm(inputs: Inputs) -> Cost:
    """`aten::norm`, `aten::linalg_vector_norm`, of (x, order, dimensions, ...).

    The square and a sum, 2 FLOP an element, and a root; of orders 0, 1 and inf the amount and a sum or comparison; of
    others amount, power and sum.

    >>> from profkit.costs import call
    >>> norm(call((8, 3), 2)), norm(call((8, 3), 1, [1]))
    (Cost(flop=49, traffic_bytes=100), Cost(flop=48, traffic_bytes=128))
    """
    count, each = _order(inputs)
    return reduction(count, dims=2, each=each)(inputs)


def _spread(*, root: bool, mean: bool = False) -> Formula:
    """Variance or deviation, of (x, dimensions, ...): 4 FLOP an element, 1 for the mean and 3 for the squares.

    And for each result 2 divisions, 1 root; of `var_mean` and `std_mean` the mean is written too.

    >>> from profkit.costs import call
    >>> _spread(root=True)(call((8, 3), [0], None, False))
    Cost(flop=105, traffic_bytes=108)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        # Of (x, unbiased) everything is reduced.
        second = inputs.values[1] if len(inputs) > 1 else None
        over = None if isinstance(second, bool) else _dims(inputs, 1)
        if isinstance(over, Untold):
            raise CostUnknownError("the trace does not say what is reduced over")
        out = Tensor((reduced(x.shape, over),), x.dtype)
        operations = 4 * x.elements + (2 + root) * out.elements
        return Cost(arithmetic(x, operations), traffic(x, out, out if mean else None))

    return cost


def _running(count: int, *, results: int = 1) -> Formula:
    """The formula of what gives a result for each element, of those before it.

    >>> from profkit.costs import call
    >>> _running(1)(call((8, 3), 0, None))
    Cost(flop=24, traffic_bytes=192)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        dtype = _sum_of(x.dtype) if results > 1 else requested(inputs, 2, _sum_of(x.dtype))
        places = Tensor(x.shape, "int64") if results > 1 else None
        out = Tensor(x.shape, x.dtype if results > 1 else dtype)
        return Cost(arithmetic(x, count * x.elements), traffic(x, out, places))

    return cost


_FORMULAS: dict[str, Formula] = {
    "sum": _of_all_or_dims(1), "nansum": _of_all_or_dims(2), "mean": _of_all_or_dims(1, each=1),
    "prod": _of_all_or_dims(1), "max": extreme, "min": extreme, "amax": reduction(1), "amin": reduction(1),
    "argmax": told_of("int64"), "argmin": told_of("int64"), "any": told_of("bool"), "all": told_of("bool"),
    "norm": norm, "linalg_vector_norm": norm,
    "var": _spread(root=False), "std": _spread(root=True), "var_mean": _spread(root=False, mean=True),
    "std_mean": _spread(root=True, mean=True), "logsumexp": reduction(4, each=2), "cumsum": _running(1),
    "cumprod": _running(1), "cummax": _running(1, results=2), "cummin": _running(1, results=2),
    "logcumsumexp": _running(3),
}  # fmt: skip

REDUCTIONS = CostFamily(name="reductions", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()})
