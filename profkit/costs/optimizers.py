"""Steps of optimizers: operators over lists of tensors, and the fused ones.

Their gradients and states are as large as the parameters. Traces do not say the types of tensors in lists: they are
taken for floating-point numbers, and the traffic is unknown.
"""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic


def _parameters(inputs: Inputs) -> tuple[Tensor, ...]:
    found = inputs.tensors(0)
    if not found:
        raise CostUnknownError("the trace does not list the tensors")
    return found


def _over(tensors: tuple[Tensor, ...], count: int) -> int:
    return sum(arithmetic(tensor, count * tensor.elements) for tensor in tensors)


def for_each(count: int, *, factor: int | None = None, reads: bool = True, shrinks: bool = False) -> Formula:
    """The formula of `aten::_foreach_*`: `count` operations for each element of the tensors in the first list.

    Args:
        count: FLOP an element.
        factor: place of a number, or of several, that is 1 FLOP an element more where it is not 1.
        reads: whether the first list is read.
        shrinks: whether each tensor gives one number.

    >>> from profkit.costs import call
    >>> for_each(1, factor=2)(call([(8, 3), (3,)], [(8, 3), (3,)], -0.1))
    Cost(flop=54, traffic_bytes=324)
    """

    def cost(inputs: Inputs) -> Cost:
        tensors = _parameters(inputs)
        more = 0
        if factor is not None and factor < len(inputs):
            several = isinstance(inputs.values[factor], tuple | Tensor)
            more = 1 if several or inputs.number(factor) != 1 else 0
        read = inputs.all_tensors()[0 if reads else len(tensors) :]
        written = [Tensor((), tensor.dtype) for tensor in tensors] if shrinks else tensors
        return Cost(_over(tensors, count + more), traffic(*read, *written))

    return cost


def _fused(inputs: Inputs, each: int, read: int, written: int) -> Cost:
    """`each` FLOP an element; of the lists in front, so many are read and the parameters and so many states written."""
    tensors = _parameters(inputs)
    lists = (inputs.tensors(place) for place in range(read))
    moved = [tensor for one in lists for tensor in one]
    states = (inputs.tensors(place) for place in range(read - written, read))
    moved += [tensor for one in states for tensor in one]
    return Cost(_over(tensors, each), traffic(*moved, *tensors))


def _scaled(inputs: Inputs, place: int) -> int:
    """1 FLOP an element where gradients are divided by a scale."""
    return 0 if inputs.optional(place) is None else 1


def fused_sgd(inputs: Inputs) -> Cost:
    """`aten::_fused_sgd_`, of (parameters, gradients, momenta, decay, momentum, rate, dampening, nesterov, ...).

    2 FLOP an element for the step, 2 more with a decay of weights, 2 with momentum and 3 with dampening (none in its
    first step), 2 more with that of Nesterov, 1 to maximize, 1 with a scale of the gradients.

    >>> from profkit.costs import call
    >>> lists = ([(8, 3)], [(8, 3)], [(8, 3)])
    >>> fused_sgd(call(*lists, 0.0, 0.9, 0.1, 0.0, False, False, False))
    Cost(flop=96, traffic_bytes=480)
    """
    momentum, first = inputs.number(4) != 0, inputs.flag(9)
    each = 2 + 2 * (inputs.number(3) != 0) + inputs.flag(8) + _scaled(inputs, 10)
    each += ((2 + (inputs.number(6) != 0)) * (not first) + 2 * inputs.flag(7)) * momentum
    return _fused(inputs, each, 3 if momentum else 2, 1 if momentum else 0)


def _fused_adam(decay: int) -> Formula:
    """`aten::_fused_adam_` and `aten::_fused_adamw_`, of (parameters, gradients, means, squares, largest, steps, ...).

    13 FLOP an element: the mean (3), the squares (4), the root with its correction and epsilon (3), the step (3); with
    a decay of weights `decay` more, with the largest squares, to maximize and with a scale of the gradients 1 each.

    >>> from profkit.costs import call
    >>> lists = ([(8, 3)], [(8, 3)], [(8, 3)], [(8, 3)], [], [()])
    >>> _fused_adam(2)(call(*lists, 0.001, 0.9, 0.999, 0.0, 1e-8, False, False))
    Cost(flop=312, traffic_bytes=672)
    """

    def cost(inputs: Inputs) -> Cost:
        largest = inputs.flag(11)
        each = 13 + decay * (inputs.number(9) != 0) + largest + inputs.flag(12) + _scaled(inputs, 13)
        return _fused(inputs, each, 5 if largest else 4, 3 if largest else 2)

    return cost


def fused_adagrad(inputs: Inputs) -> Cost:
    """`aten::_fused_adagrad_`, of (parameters, gradients, sums, steps, rate, its decay, decay of weights, ...).

    7 FLOP an element: the squares (2), the root, epsilon, and the step (3); 2 with a decay of weights, 1 to maximize.

    >>> from profkit.costs import call
    >>> fused_adagrad(call([(8, 3)], [(8, 3)], [(8, 3)], [()], 0.1, 0.0, 0.0, 1e-10, False))
    Cost(flop=168, traffic_bytes=480)
    """
    each = 7 + 2 * (inputs.number(6) != 0) + inputs.flag(8) + _scaled(inputs, 9)
    return _fused(inputs, each, 3, 1)


_ONE = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "div", "erf", "erfc", "exp", "expm1", "floor", "frac",
    "lgamma", "log", "log10", "log1p", "log2", "max", "maximum", "minimum", "clamp_min", "clamp_max", "mul", "neg",
    "pow", "reciprocal", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
_FOR_EACH: dict[str, Formula] = (
    dict.fromkeys(_ONE, for_each(1))
    | dict.fromkeys(("add", "sub"), for_each(1, factor=2))
    | dict.fromkeys(("addcmul", "addcdiv"), for_each(2, factor=3))
    | {
        "lerp": for_each(3),
        "sigmoid": for_each(4),
        "norm": for_each(2, shrinks=True),
        "max": for_each(1, shrinks=True),
        "zero": for_each(0, reads=False),
        "copy": for_each(0, reads=False),
    }
)

OPTIMIZERS = CostFamily(
    name="optimizers",
    formulas={f"aten::_foreach_{name}": formula for name, formula in _FOR_EACH.items()}
    | {
        "aten::_fused_sgd": fused_sgd,
        "aten::_fused_adam": _fused_adam(2),
        "aten::_fused_adamw": _fused_adam(1),
        "aten::_fused_adagrad": fused_adagrad,
    },
)
