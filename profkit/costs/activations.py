"""Activations and their gradients, dropout: as many FLOP an element as their usual formulas have operations.

A sigmoid, 1 / (1 + exp(-x)), is 4 FLOP; `tanh`, `erf` and `exp` are 1. Where a formula has branches, that of negative
(or unbounded) elements counts, with the comparison that chooses.
"""

from __future__ import annotations

from profkit.costs import NOTHING, Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic
from profkit.costs.pointwise import elementwise, over_elements


def _is_tanh(inputs: Inputs, place: int) -> bool:
    """Traces do not say the approximation of `gelu`: then it is the default, none."""
    return place < len(inputs) and inputs.values[place] == "tanh"


def gelu(inputs: Inputs) -> Cost:
    """`aten::gelu`: x (1 + erf(x / sqrt 2)) / 2 is 5 FLOP; by tanh, x (1 + tanh(c (x + d x x x))) / 2 is 9.

    >>> from profkit.costs import call
    >>> gelu(call((8, 3), "none")), gelu(call((8, 3), "tanh"))
    (Cost(flop=120, traffic_bytes=192), Cost(flop=216, traffic_bytes=192))
    """
    return over_elements(inputs, 9 if _is_tanh(inputs, 1) else 5, 0)


def gelu_backward(inputs: Inputs) -> Cost:
    """`aten::gelu_backward`, of (gradient, x): g (cdf + x pdf), cdf 4, pdf 4 and 3 to put together; by tanh 18.

    >>> from profkit.costs import call
    >>> gelu_backward(call((8, 3), (8, 3), "none"))
    Cost(flop=264, traffic_bytes=288)
    """
    return over_elements(inputs, 18 if _is_tanh(inputs, 2) else 11, 0, 1)


def dropout(inputs: Inputs) -> Cost:
    """`aten::dropout`, of (x, probability, whether training): a mask and a scale, 2 FLOP; not training, nothing.

    Random numbers count no FLOP, and the mask is no compulsory traffic.

    >>> from profkit.costs import call
    >>> dropout(call((8, 3), 0.5, True)), dropout(call((8, 3), 0.5, False))
    (Cost(flop=48, traffic_bytes=192), Cost(flop=0, traffic_bytes=0))
    """
    return over_elements(inputs, 2, 0) if inputs.flag(2) and inputs.number(1) else NOTHING


def native_dropout(inputs: Inputs) -> Cost:
    """`aten::native_dropout`, `aten::_fused_dropout`: as dropout, and the mask is written, a byte an element.

    >>> from profkit.costs import call
    >>> native_dropout(call((8, 3), 0.5, True))
    Cost(flop=48, traffic_bytes=216)
    """
    x = inputs.tensor(0)
    return Cost(2 * arithmetic(x, x.elements), traffic(x, x, Tensor(x.shape, "bool")))


def dropout_backward(inputs: Inputs) -> Cost:
    """`aten::native_dropout_backward`, of (gradient, mask, scale): 2 FLOP an element.

    >>> from profkit.costs import Tensor, call
    >>> dropout_backward(call((8, 3), Tensor((8, 3), "bool"), 2.0))
    Cost(flop=48, traffic_bytes=216)
    """
    return over_elements(inputs, 2, 0, 1)


def _half(whole: Tensor, inputs: Inputs, place: int) -> int:
    dim = inputs.whole(place)
    if not -len(whole.shape) <= dim < len(whole.shape) or whole.shape[dim] % 2:
        raise CostUnknownError(f"dimension {dim} of {whole.shape} cannot be halved")
    return whole.elements // 2


def glu(inputs: Inputs) -> Cost:
    """`aten::glu`: the first half times the sigmoid of the second, 5 FLOP an element of the result.

    >>> from profkit.costs import call
    >>> glu(call((8, 4), -1))
    Cost(flop=80, traffic_bytes=192)
    """
    x = inputs.tensor(0)
    half = _half(x, inputs, 1)
    return Cost(5 * arithmetic(x, half), traffic(x, Tensor((half,), x.dtype)))


def glu_backward(inputs: Inputs) -> Cost:
    """`aten::glu_backward`, of (gradient, x): g s, and g s a (1 - s), 8 FLOP an element of the gradient.

    >>> from profkit.costs import call
    >>> glu_backward(call((8, 2), (8, 4), -1))
    Cost(flop=128, traffic_bytes=320)
    """
    gradient, x = inputs.tensor(0), inputs.tensor(1)
    return Cost(8 * arithmetic(x, _half(x, inputs, 2)), traffic(gradient, x, x))


def gates(count: int, *, states: int) -> Formula:
    """`aten::_thnn_fused_lstm_cell`, `aten::_thnn_fused_gru_cell`, of (gates of the input, of the state, state).

    An element of an LSTM's state: 4 sums of gates, 3 sigmoids (12), 2 `tanh`, 3 for the cell and 1 for the state: 22.
    Of a GRU's: 2 sums, 2 sigmoids (8), 3 for the new state and 3 to mix it with the old: 16.

    >>> from profkit.costs import call
    >>> gates(22, states=2)(call((2, 20), (2, 20), (2, 5), None, None))
    Cost(flop=220, traffic_bytes=440)
    """

    def cost(inputs: Inputs) -> Cost:
        state = inputs.tensor(2)
        read = (inputs.tensor(0), inputs.tensor(1), state)
        return Cost(arithmetic(state, count * state.elements), traffic(*read, *[state] * states))

    return cost


_COUNTS = {
    "relu": 1, "relu6": 2, "hardtanh": 2, "threshold": 1, "leaky_relu": 2, "elu": 4, "selu": 4, "celu": 4,
    "sigmoid": 4, "tanh": 1, "silu": 4, "hardsigmoid": 4, "hardswish": 5, "softplus": 5, "mish": 4,
    "log_sigmoid": 6, "log_sigmoid_forward": 6, "softsign": 3, "softshrink": 2, "hardshrink": 2, "tanhshrink": 2,
}  # fmt: skip
_BACKWARD_COUNTS = {
    "threshold_backward": 1, "hardtanh_backward": 2, "leaky_relu_backward": 2, "sigmoid_backward": 3,
    "tanh_backward": 3, "silu_backward": 9, "hardsigmoid_backward": 3, "hardswish_backward": 5,
    "softplus_backward": 6, "mish_backward": 13, "log_sigmoid_backward": 9, "softshrink_backward": 2,
    "hardshrink_backward": 2,
}  # fmt: skip
"""Of (gradient, input or result, ...)."""

_FORMULAS: dict[str, Formula] = (
    {name: elementwise(count, floats=name in ("sigmoid", "tanh")) for name, count in _COUNTS.items()}
    | {name: elementwise(count, 0, 1) for name, count in _BACKWARD_COUNTS.items()}
    | {
        "elu_backward": elementwise(4, 0, 5),
        "prelu": elementwise(2, 0, 1),
        "_prelu_kernel": elementwise(2, 0, 1),
        "_prelu_kernel_backward": elementwise(3, 0, 1, 2, results=2),
        "gelu": gelu,
        "gelu_backward": gelu_backward,
        "glu": glu,
        "glu_backward": glu_backward,
        "dropout": dropout,
        "native_dropout": native_dropout,
        "_fused_dropout": native_dropout,
        "native_dropout_backward": dropout_backward,
        "_thnn_fused_lstm_cell": gates(22, states=2),
        "_thnn_fused_gru_cell": gates(16, states=1),
    }
)

ACTIVATIONS = CostFamily(name="activations", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()})
