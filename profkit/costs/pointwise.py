"""Arithmetic element by element, with broadcasting; a number in place of a tensor costs the same.

An addition, multiplication, division, comparison or elementary function (`exp`, `sqrt`, `erf`, `pow`) is 1 FLOP; on
complex numbers too. Operators of integers and truth values cost traffic alone.
"""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, Untold, broadcast, traffic
from profkit.costs.element_types import promoted


def elementwise(count: int, *places: int, gives: str | None = None, floats: bool = False, results: int = 1) -> Formula:
    """The formula of an operator that does `count` operations for each element of its result.

    Args:
        count: FLOP an element.
        places: of the tensors among the inputs, the first alone if none are given; a number may stand there.
        gives: type of the result; else what arithmetic on the inputs gives.
        floats: whether integers become floating-point numbers first.
        results: how many tensors of this shape are written.

    >>> from profkit.costs import call
    >>> elementwise(1, 0, 1)(call((8, 3), (3,)))
    Cost(flop=24, traffic_bytes=204)
    >>> elementwise(1, 0, 1, gives="bool")(call((8, 3), 2.5))
    Cost(flop=24, traffic_bytes=120)
    """

    def cost(inputs: Inputs) -> Cost:
        return over_elements(inputs, count, *(places or (0,)), gives=gives, floats=floats, results=results)

    return cost


def over_elements(
    inputs: Inputs, count: int, *places: int, gives: str | None = None, floats: bool = False, results: int = 1
) -> Cost:
    """As `elementwise`, for an operator whose count depends on its inputs."""
    read = [tensor for place in places if (tensor := inputs.optional(place)) is not None]
    if not read:
        raise CostUnknownError("no tensor among the inputs")
    dtype = promoted(*read)
    computed = Tensor(broadcast(*(tensor.shape for tensor in read)), dtype)
    if floats and not computed.floating:
        computed = Tensor(computed.shape, "float32")
    written = Tensor(computed.shape, gives or computed.dtype)
    return Cost(
        count * computed.elements if computed.floating else 0,
        traffic(*read, *(written for _ in range(results))),
    )


def scaled(inputs: Inputs, place: int, count: int) -> int:
    """`count` operations, and one more if a factor at a place is other than 1, which it is by default.

    Old traces do not say it: then the cost is the least that it can be.

    >>> from profkit.costs import UNTOLD, call
    >>> [scaled(call((3,), (3,), factor), 2, 1) for factor in (1, -0.1, UNTOLD)]
    [1, 2, 1]
    """
    untold = place >= len(inputs) or isinstance(inputs.values[place], Untold)
    if untold or not all(tensor.floating for tensor in inputs.all_tensors()):
        return count
    factor = inputs.number(place)
    return count if factor == 1 else count + 1


def add(inputs: Inputs) -> Cost:
    """`aten::add`, `aten::sub`, `aten::rsub`: a + alpha b, 1 FLOP an element, 2 with an alpha other than 1.

    >>> from profkit.costs import call
    >>> add(call((8, 3), (8, 3), 1)), add(call((8, 3), (8, 3), -0.1))
    (Cost(flop=24, traffic_bytes=288), Cost(flop=48, traffic_bytes=288))
    """
    return over_elements(inputs, scaled(inputs, 2, 1), 0, 1)


def addcmul(inputs: Inputs) -> Cost:
    """`aten::addcmul`, `aten::addcdiv`: a + value b c, 2 FLOP an element, 3 with a value other than 1.

    >>> from profkit.costs import call
    >>> addcmul(call((8, 3), (8, 3), (8, 3), 0.001))
    Cost(flop=72, traffic_bytes=384)
    """
    return over_elements(inputs, scaled(inputs, 3, 2), 0, 1, 2)


def divide(inputs: Inputs) -> Cost:
    """`aten::div`: 1 FLOP an element, 2 if the quotient is rounded; integers are divided as floating-point numbers.

    >>> from profkit.costs import Tensor, call
    >>> divide(call((8, 3), 4)), divide(call((8, 3), 4, "floor"))
    (Cost(flop=24, traffic_bytes=192), Cost(flop=48, traffic_bytes=192))
    """
    rounded = len(inputs) > 2 and inputs.values[2] is not None
    return over_elements(inputs, 2 if rounded else 1, 0, 1, floats=not rounded)


def clamp(inputs: Inputs) -> Cost:
    """`aten::clamp`: a comparison an element for each bound that is given, at 1 and 2.

    >>> from profkit.costs import call
    >>> clamp(call((8, 3), 0, None)), clamp(call((8, 3), 0, 1))
    (Cost(flop=24, traffic_bytes=192), Cost(flop=48, traffic_bytes=192))
    """
    bounds = sum(bound is not None for bound in inputs.values[1:3])
    return over_elements(inputs, bounds, 0, 1, 2)


_ONE_OF_ONE = (
    "neg", "abs", "sgn", "sign", "ceil", "floor", "round", "trunc", "frac", "square",
)  # fmt: skip
_FUNCTIONS = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "lgamma",
    "digamma", "special_erf", "special_expm1", "deg2rad", "rad2deg", "logit",
)  # fmt: skip
_ONE_OF_TWO = (
    "mul", "multiply", "maximum", "minimum", "fmax", "fmin", "pow", "float_power", "fmod", "remainder",
    "copysign", "clamp_min", "clamp_max", "ldexp",
)  # fmt: skip
_BITS = (
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "__and__",
    "__or__", "__xor__", "__lshift__", "__rshift__", "gcd", "lcm",
)  # fmt: skip
_COMPARISONS = (
    "eq", "ne", "lt", "le", "gt", "ge", "greater", "less", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip
_TESTS = (
    "isnan", "isinf", "isfinite", "isposinf", "isneginf", "logical_not", "signbit",
)  # fmt: skip

_TABLE: dict[str, Formula] = (
    dict.fromkeys(_ONE_OF_ONE, elementwise(1))
    | dict.fromkeys(_FUNCTIONS, elementwise(1, floats=True))
    | dict.fromkeys(_ONE_OF_TWO, elementwise(1, 0, 1))
    | dict.fromkeys(_BITS, elementwise(0, 0, 1))
    | dict.fromkeys(_COMPARISONS, elementwise(1, 0, 1, gives="bool"))
    | dict.fromkeys(_TESTS, elementwise(1, gives="bool"))
    | dict.fromkeys(("add", "sub", "subtract", "rsub"), add)
    | dict.fromkeys(("addcmul", "addcdiv"), addcmul)
    | dict.fromkeys(("div", "divide", "true_divide"), divide)
    | {
        "bitwise_not": elementwise(0),
        "clamp": clamp,
        "clip": clamp,
        "floor_divide": elementwise(2, 0, 1),
        "atan2": elementwise(1, 0, 1, floats=True),
        "xlogy": elementwise(2, 0, 1, floats=True),
        "hypot": elementwise(4, 0, 1),
        "lerp": elementwise(3, 0, 1, 2),
        "nan_to_num": elementwise(3),
    }
)

POINTWISE = CostFamily(name="pointwise", formulas={f"aten::{name}": formula for name, formula in _TABLE.items()})
