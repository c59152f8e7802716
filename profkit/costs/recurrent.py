"""Recurrent layers: the products of their weights alone; what the gates do besides, element by element, is left out."""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic


def _cost(x: Tensor, weights: tuple[Tensor, ...], states: tuple[Tensor, ...], width: int) -> Cost:
    """Every matrix is multiplied once at every time of every sequence."""
    matrices = [weight for weight in weights if len(weight.shape) == 2]
    if not matrices or not x.shape:
        raise CostUnknownError("the trace does not list the weights")
    times = x.elements // x.shape[-1] if x.shape[-1] else 0
    count = times * sum(matrix.elements for matrix in matrices)
    out = Tensor((times, width), x.dtype)
    return Cost(2 * arithmetic(x, count), traffic(x, *weights, *states, out, *states))


def _directions(inputs: Inputs, place: int) -> int:
    return 2 if inputs.flag(place) else 1


def layers(inputs: Inputs) -> Cost:
    """`aten::lstm`, `aten::gru`, `aten::rnn_tanh`, of (x, states, weights, biased, layers, dropout, train, both ways).

    Packed sequences have their sizes before the states. 2 FLOP for each weight at each time of each sequence. States
    are read and written.

    >>> from profkit.costs import call
    >>> weights = [(20, 3), (20, 5), (20,), (20,)]
    >>> layers(call((7, 2, 3), [(1, 2, 5), (1, 2, 5)], weights, True, 1, 0.0, True, False, False))
    Cost(flop=4480, traffic_bytes=1408)
    """
    first = 2 if len(inputs) > 3 and isinstance(inputs.values[3], bool) else 3
    weights = inputs.tensors(first)
    state = inputs.optional(first - 1)
    states = (state,) if state is not None else inputs.tensors(first - 1)
    if not states or not states[0].shape:
        raise CostUnknownError("the trace does not list the states")
    return _cost(inputs.tensor(0), weights, states, states[0].shape[-1] * _directions(inputs, first + 5))


def cudnn_rnn(inputs: Inputs) -> Cost:
    """`aten::_cudnn_rnn`, of (x, weights, stride, buffer, state, cell state, mode, hidden size, ...).

    >>> from profkit.costs import call
    >>> weights, state = [(20, 3), (20, 5), (20,), (20,)], (1, 2, 5)
    >>> cudnn_rnn(call((7, 2, 3), weights, 4, None, state, state, 2, 5, 0, 1, False, 0.0, True, False, [], None))
    Cost(flop=4480, traffic_bytes=1408)
    """
    state, cell = inputs.tensor(4), inputs.optional(5)
    if not state.shape:
        raise CostUnknownError("a state without sizes")
    states = (state,) if cell is None else (state, cell)
    return _cost(inputs.tensor(0), inputs.tensors(1), states, state.shape[-1] * _directions(inputs, 13))


def mkldnn_rnn(inputs: Inputs) -> Cost:
    """`aten::mkldnn_rnn_layer`: one layer in one direction, of (x, two weights, two biases, two states, ...).

    >>> from profkit.costs import call
    >>> mkldnn_rnn(call((7, 2, 3), (20, 3), (20, 5), (20,), (20,), (1, 2, 5), (1, 2, 5)))
    Cost(flop=4480, traffic_bytes=1408)
    """
    weights = tuple(inputs.tensor(place) for place in range(1, 5))
    states = (inputs.tensor(5), inputs.tensor(6))
    if not states[0].shape:
        raise CostUnknownError("a state without sizes")
    return _cost(inputs.tensor(0), weights, states, states[0].shape[-1])


def _backward(weights: int, states: int) -> Formula:
    """Gradients of the two above, of all that they got, their results and the gradients of those.

    Twice the FLOP, of input and weights; all tensors are read, the gradients of input, weights and states written.

    >>> from profkit.costs import call
    >>> weights, state, out = [(20, 3), (20, 5), (20,), (20,)], (1, 2, 5), (7, 2, 5)
    >>> _backward(1, 4)(call((7, 2, 3), weights, 4, None, state, state, out, out))
    Cost(flop=8960, traffic_bytes=2656)
    """

    def cost(inputs: Inputs) -> Cost:
        x, first = inputs.tensor(0), inputs.values[weights] if weights < len(inputs) else None
        several = isinstance(first, tuple)
        given = inputs.tensors(weights) if several else tuple(inputs.tensor(weights + one) for one in range(4))
        kept = [inputs.tensor(states), inputs.optional(states + 1)]
        return Cost(2 * _cost(x, given, (), 0).flop, traffic(*inputs.all_tensors(), x, *given, *kept))

    return cost


_FORMULAS: dict[str, Formula] = {
    "lstm": layers,
    "gru": layers,
    "rnn_tanh": layers,
    "rnn_relu": layers,
    "_cudnn_rnn": cudnn_rnn,
    "_cudnn_rnn_backward": _backward(1, 4),
    "mkldnn_rnn_layer": mkldnn_rnn,
    "mkldnn_rnn_layer_backward": _backward(1, 5),
}

RECURRENT = CostFamily(
    name="recurrent",
    formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()},
    multiply_adds=True,
)
