"""Softmax and losses with their gradients; `reduction` is torch's number: 0 none, 1 mean, 2 sum."""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, broadcast, traffic
from profkit.costs.element_types import arithmetic, promoted, requested

_NONE, _MEAN, _SUM = 0, 1, 2


def _reduction(inputs: Inputs, place: int) -> int:
    found = inputs.whole(place)
    if found not in (_NONE, _MEAN, _SUM):
        raise CostUnknownError(f"a reduction {found}")
    return found


def softmax(inputs: Inputs) -> Cost:
    """`aten::softmax`, `aten::log_softmax` and the like, of (x, dimension, type or whether half becomes float).

    5 FLOP an element: the largest, subtract it, exp, the sum, and divide by it (or subtract its logarithm, one a row,
    which is left out).

    >>> from profkit.costs import call
    >>> softmax(call((8, 10), 1, False)), softmax(call((8, 10), 1, True, dtype="float16"))
    (Cost(flop=400, traffic_bytes=640), Cost(flop=400, traffic_bytes=480))
    """
    x = inputs.tensor(0)
    asked = inputs.values[2] if len(inputs) > 2 else None
    dtype = ("float32" if asked else x.dtype) if isinstance(asked, bool) else requested(inputs, 2, x.dtype)
    return Cost(5 * arithmetic(x, x.elements), traffic(x, Tensor(x.shape, dtype)))


def softmax_backward(inputs: Inputs) -> Cost:
    """`aten::_softmax_backward_data` and that of the logarithm, of (gradient, result, dimension, type of x).

    4 FLOP an element: g y, its sum, and (g - sum) y; of the logarithm the sum of g, exp(y), and g - exp(y) sum.

    >>> from profkit.costs import call
    >>> softmax_backward(call((8, 10), (8, 10), 1, 6))
    Cost(flop=320, traffic_bytes=960)
    """
    gradient, y = inputs.tensor(0), inputs.tensor(1)
    if gradient.shape != y.shape:
        raise CostUnknownError(f"a gradient {gradient.shape} does not go with {y.shape}")
    dtype = requested(inputs, 3, y.dtype)
    return Cost(4 * arithmetic(y, y.elements), traffic(gradient, y, Tensor(y.shape, dtype)))


def pairwise(count: int, reduction: int, *others: int) -> Formula:
    """A loss of two tensors, element by element: `count` FLOP an element, 1 more to add up, and 1 for a mean.

    Args:
        count: FLOP an element.
        reduction: its place.
        others: places of factors an element, each 1 FLOP more where it is given.

    >>> from profkit.costs import call
    >>> pairwise(2, 2)(call((8, 3), (8, 3), 1)), pairwise(2, 2)(call((8, 3), (8, 3), 0))
    (Cost(flop=73, traffic_bytes=196), Cost(flop=48, traffic_bytes=288))
    """

    def cost(inputs: Inputs) -> Cost:
        read = [inputs.tensor(0), inputs.tensor(1)]
        factors = [tensor for place in others if (tensor := inputs.optional(place)) is not None]
        whole = Tensor(broadcast(*(tensor.shape for tensor in read + factors)), promoted(*read))
        kind = _reduction(inputs, reduction)
        operations = whole.elements * (count + len(factors) + (kind != _NONE)) + (kind == _MEAN)
        out = whole if kind == _NONE else Tensor((), whole.dtype)
        return Cost(arithmetic(whole, operations), traffic(*read, *factors, out))

    return cost


def pairwise_backward(count: int, *others: int) -> Formula:
    """The gradient of such a loss, of (gradient, x, target, ...): `count` FLOP an element, 1 more for each factor.

    The scale of a mean is one number with the gradient, so it counts no FLOP an element.

    >>> from profkit.costs import call
    >>> pairwise_backward(3)(call((), (8, 3), (8, 3), 1))
    Cost(flop=72, traffic_bytes=292)
    """

    def cost(inputs: Inputs) -> Cost:
        read = [inputs.tensor(0), inputs.tensor(1), inputs.tensor(2)]
        factors = [tensor for place in others if (tensor := inputs.optional(place)) is not None]
        out = Tensor(broadcast(*(tensor.shape for tensor in read + factors)), promoted(*read[1:]))
        return Cost(arithmetic(out, out.elements * (count + len(factors))), traffic(*read, *factors, out))

    return cost


def _target(x: Tensor, target: Tensor) -> int:
    """Number of classes asked for: one an element of the target, which has no dimension of classes."""
    without = x.shape[:-1] if len(x.shape) == 1 else (*x.shape[:1], *x.shape[2:])
    if not x.shape or target.shape not in (without, (1,) * (not without)):
        raise CostUnknownError(f"a target {target.shape} does not go with {x.shape}")
    return target.elements


def _nll(x: Tensor, target: Tensor, weight: Tensor | None, kind: int) -> int:
    each = 1 + (weight is not None) + (kind != _NONE) * (1 + (weight is not None))
    return arithmetic(x, _target(x, target) * each + (kind == _MEAN))


def nll_loss(inputs: Inputs) -> Cost:
    """`aten::nll_loss_forward` and the like, of (logarithms, target, weights of classes, reduction, ignored class).

    1 FLOP a target to negate, 1 to add up, 1 for a mean; with weights 1 to multiply and 1 to add them up. Only what the
    target picks is read; a target that is ignored counts too.

    >>> from profkit.costs import Tensor, call
    >>> nll_loss(call((8, 10), Tensor((8,), "int64"), None, 1, -100))
    Cost(flop=17, traffic_bytes=104)
    """
    x, target, weight = inputs.tensor(0), inputs.tensor(1), inputs.optional(2)
    kind = _reduction(inputs, 3)
    picked = Tensor((_target(x, target),), x.dtype)
    one = Tensor((), x.dtype)
    out = picked if kind == _NONE else one
    return Cost(_nll(x, target, weight, kind), traffic(picked, target, weight, out, one))


def nll_loss_backward(inputs: Inputs) -> Cost:
    """`aten::nll_loss_backward`, of (gradient, logarithms, target, weights, reduction, ignored class, sum of weights).

    1 FLOP a target to negate, 1 with weights, 1 for a mean; all of the result is written, and the logarithms not read.

    >>> from profkit.costs import Tensor, call
    >>> nll_loss_backward(call((), (8, 10), Tensor((8,), "int64"), None, 1, -100, ()))
    Cost(flop=16, traffic_bytes=392)
    """
    gradient, x, target, weight = inputs.tensor(0), inputs.tensor(1), inputs.tensor(2), inputs.optional(3)
    each = 1 + (weight is not None) + (_reduction(inputs, 4) == _MEAN)
    operations = arithmetic(x, _target(x, target) * each)
    return Cost(operations, traffic(gradient, target, weight, inputs.optional(6), x))


def cross_entropy(inputs: Inputs) -> Cost:
    """`aten::cross_entropy_loss` of classes, not of probabilities: the logarithm of softmax, then nll_loss.

    >>> from profkit.costs import Tensor, call
    >>> cross_entropy(call((8, 10), Tensor((8,), "int64"), None, 1, -100, 0.0))
    Cost(flop=417, traffic_bytes=388)
    """
    x, target, weight = inputs.tensor(0), inputs.tensor(1), inputs.optional(2)
    if target.floating or (len(inputs) > 5 and inputs.number(5) != 0):
        raise CostUnknownError("a target of probabilities, or smoothed")
    kind = _reduction(inputs, 3)
    operations = 5 * arithmetic(x, x.elements) + _nll(x, target, weight, kind)
    out = Tensor(target.shape if kind == _NONE else (), x.dtype)
    return Cost(operations, traffic(x, target, weight, out))


_FORMULAS: dict[str, Formula] = (
    dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax", "_safe_softmax"), softmax)
    | dict.fromkeys(("_softmax_backward_data", "_log_softmax_backward_data"), softmax_backward)
    | dict.fromkeys(("nll_loss", "nll_loss_forward", "nll_loss2d", "nll_loss2d_forward", "nll_loss_nd"), nll_loss)
    | dict.fromkeys(("nll_loss_backward", "nll_loss2d_backward"), nll_loss_backward)
    | {
        "cross_entropy_loss": cross_entropy,
        "mse_loss": pairwise(2, 2),
        "l1_loss": pairwise(2, 2),
        "smooth_l1_loss": pairwise(6, 2),
        "huber_loss": pairwise(5, 2),
        "binary_cross_entropy": pairwise(9, 3, 2),
        "binary_cross_entropy_with_logits": pairwise(9, 4, 2, 3),
        "kl_div": pairwise(4, 2),
        "mse_loss_backward": pairwise_backward(3),
        "smooth_l1_loss_backward": pairwise_backward(6),
        "huber_loss_backward": pairwise_backward(5),
        "binary_cross_entropy_backward": pairwise_backward(6, 3),
    }
)

LOSSES = CostFamily(name="losses", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()})
