"""Normalisation and its gradients.

What there is once a channel or a row (roots, running statistics) counts no FLOP: it is the smaller the more elements
are normalised together. A scale and a shift by weight and bias count 1 FLOP an element each, where they are given.
"""

from __future__ import annotations

import math

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic

_STATISTICS = 4
"""FLOP an element: an addition for the mean; a subtraction, a multiplication and an addition for the variance."""
_NORMALISE = 2
"""FLOP an element: subtract the mean, multiply by the inverse of the deviation."""


def _affine(inputs: Inputs, *places: int) -> list[Tensor | None]:
    return [inputs.optional(place) for place in places]


def _cost(x: Tensor, each: int, given: list[Tensor | None], *others: Tensor | None) -> Cost:
    count = each + sum(one is not None for one in given)
    return Cost(arithmetic(x, count * x.elements), traffic(x, *given, x, *others))


def _channels(x: Tensor) -> int:
    if len(x.shape) < 2:
        raise CostUnknownError(f"{x.shape} has no channels")
    return x.shape[1]


def _statistics(like: Tensor, elements: int) -> Tensor:
    """Kept of the mean or the deviation; of short floating-point numbers as float32."""
    return Tensor((elements,), "float32" if like.dtype in ("float16", "bfloat16") else like.dtype)


def batch_norm(training: int, running: int | None = 3, *, keeps: bool = True) -> Formula:
    """Batch normalisation, of (x, weight, bias, running mean, running variance, ...).

    Training: 4 FLOP an element for the statistics, 2 to normalise; evaluating: 2, with the running statistics. And 1
    each with weight and bias. Training writes the running statistics too, and where it keeps them those of the batch.

    Args:
        training: place of the flag.
        running: place of the running mean; None without.
        keeps: whether the statistics of the batch are results.

    >>> from profkit.costs import call
    >>> channels = ((3,), (3,), (3,), (3,))
    >>> batch_norm(5)(call((8, 3, 5), *channels, True, 0.1, 1e-5))
    Cost(flop=960, traffic_bytes=1056)
    >>> batch_norm(5)(call((8, 3, 5), *channels, False, 0.1, 1e-5))
    Cost(flop=480, traffic_bytes=1008)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        channels, train = _channels(x), inputs.flag(training)
        kept = [_statistics(x, channels)] * 2 if train and keeps else []
        means = _affine(inputs, running, running + 1) if running is not None else []
        each = _NORMALISE + _STATISTICS * train
        return _cost(x, each, _affine(inputs, 1, 2), *means, *(means if train else []), *kept)

    return cost


def _always(*, running: bool) -> Formula:
    """Batch normalisation of a form that has no flag: with running statistics it evaluates, else it trains.

    >>> from profkit.costs import call
    >>> _always(running=True)(call((8, 3, 5), (3,), (3,), (3,), (3,), 0.1, 1e-5))
    Cost(flop=480, traffic_bytes=1008)
    """

    def cost(inputs: Inputs) -> Cost:
        told = Inputs((*inputs.values[:5], not running))
        return batch_norm(5, keeps=not running)(told)

    return cost


def _without_running(inputs: Inputs) -> Cost:
    """`aten::_native_batch_norm_legit` without running statistics, of (x, weight, bias, training, ...), or with.

    >>> from profkit.costs import call
    >>> _without_running(call((8, 3, 5), None, None, True, 0.1, 1e-5))
    Cost(flop=720, traffic_bytes=984)
    """
    bare = len(inputs) > 3 and isinstance(inputs.values[3], bool)
    return batch_norm(3, None)(inputs) if bare else batch_norm(5)(inputs)


def _batch_backward(gradient: int, x: int, weight: int, training: bool | int, wanted: int | None) -> Formula:
    """Gradients of batch normalisation; the arguments are places, or the flag itself.

    Training, 9 FLOP an element: two sums with the normalised input (5), and what they take off the gradient (4).
    Evaluating: 1 for that by the input, 4 for that by the weight, 1 for that by the bias.

    >>> from profkit.costs import call
    >>> rest = ((3,), (3,), (3,), (3,), (3,))
    >>> backward = _batch_backward(0, 1, 2, 7, 9)
    >>> backward(call((8, 3, 5), (8, 3, 5), *rest, True, 1e-5, [True, True, True]))
    Cost(flop=1080, traffic_bytes=1500)
    >>> backward(call((8, 3, 5), (8, 3, 5), *rest, False, 1e-5, [True, False, False]))
    Cost(flop=120, traffic_bytes=1476)
    """

    def cost(inputs: Inputs) -> Cost:
        g, y, scale = inputs.tensor(gradient), inputs.tensor(x), inputs.optional(weight)
        channels = _channels(y)
        train = training if isinstance(training, bool) else inputs.flag(training)
        by_input, by_weight, by_bias = (True, True, True) if wanted is None else inputs.flags(wanted, 3)
        trained = 9 if by_input else 5
        each = trained if train else by_input + 4 * by_weight + by_bias
        results = [Tensor((channels,), y.dtype)] * (by_weight + by_bias)
        statistics = [_statistics(y, channels)] * 2
        moved = traffic(g, y, scale, *statistics, *([y] if by_input else []), *results)
        return Cost(arithmetic(y, each * y.elements), moved)

    return cost


def layer_norm(*, keeps: bool) -> Formula:
    """`aten::layer_norm`, and `aten::native_layer_norm` with the statistics, of (x, sizes, weight, bias, ...).

    6 FLOP an element, and 1 each with weight and bias.

    >>> from profkit.costs import call
    >>> layer_norm(keeps=True)(call((8, 4, 16), [16], (16,), (16,), 1e-5))
    Cost(flop=4096, traffic_bytes=4480)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        kept = [_statistics(x, _rows(inputs, x, 1, 2))] * 2 if keeps else []
        return _cost(x, _STATISTICS + _NORMALISE, _affine(inputs, 2, 3), *kept)

    return cost


def _rows(inputs: Inputs, x: Tensor, sizes: int, weight: int) -> int:
    """Number of rows that are normalised; traces that do not say the sizes may have the weights."""
    scale, value = inputs.optional(weight), inputs.values[sizes] if sizes < len(inputs) else None
    if scale is not None:
        width = scale.elements
    else:
        width = math.prod(inputs.wholes(sizes, len(value) if isinstance(value, tuple) else 1))
    if width < 0 or (width and x.elements % width) or (x.elements and not width):
        raise CostUnknownError(f"{x.shape} has no rows of {width}")
    return x.elements // width if width else 0


def rms_norm(*, keeps: bool) -> Formula:
    """`aten::rms_norm`, and `aten::_fused_rms_norm` with the statistics, of (x, sizes, weight, ...).

    The sum of squares, 2 FLOP an element, and 1 to multiply by the inverse root; 1 with a weight.

    >>> from profkit.costs import call
    >>> rms_norm(keeps=True)(call((8, 4, 16), [16], (16,), None))
    Cost(flop=2048, traffic_bytes=4288)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        kept = _statistics(x, _rows(inputs, x, 1, 2)) if keeps else None
        return _cost(x, 3, _affine(inputs, 2), kept)

    return cost


def group_norm(inputs: Inputs) -> Cost:
    """`aten::group_norm`, `aten::native_group_norm`, of (x, ..., weight, bias, ...): as layer_norm.

    The statistics, one a group of channels, are left out of the traffic.

    >>> from profkit.costs import call
    >>> group_norm(call((8, 4, 16), 2, (4,), (4,), 1e-5, True))
    Cost(flop=4096, traffic_bytes=4128)
    """
    first = 1 if inputs.optional(1) is not None or len(inputs) > 6 else 2
    return _cost(inputs.tensor(0), _STATISTICS + _NORMALISE, _affine(inputs, first, first + 1))


def instance_norm(inputs: Inputs) -> Cost:
    """`aten::instance_norm`, of (x, weight, bias, running mean, running variance, whether by the input, ...).

    6 FLOP an element with the statistics of the input, 2 with the running ones, 1 each with weight and bias.

    >>> from profkit.costs import call
    >>> instance_norm(call((8, 3, 5), None, None, None, None, True, 0.1, 1e-5, True))
    Cost(flop=720, traffic_bytes=960)
    """
    return batch_norm(5, keeps=False)(inputs)


def _row_backward(weight: int, wanted: int, statistics: tuple[int, ...], *, mean: bool = True) -> Formula:
    """Gradients of layer, group and RMS normalisation, of (gradient, x, ...); the arguments are places.

    By the input 10 FLOP an element: the normalised input (2), the gradient by weight (1), two sums (3), and what they
    take off (4); without a mean 7. By the weight 2 more, or 4 alone; by the bias 1.

    >>> from profkit.costs import call
    >>> x, row = (8, 4, 16), (8, 4, 1)
    >>> backward = _row_backward(5, 7, (3, 4))
    >>> backward(call(x, x, [16], row, row, (16,), (16,), [True, True, True]))
    Cost(flop=6656, traffic_bytes=6592)
    >>> backward(call(x, x, [16], row, row, (16,), (16,), [False, False, True]))
    Cost(flop=512, traffic_bytes=4480)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, x, scale = inputs.tensor(0), inputs.tensor(1), inputs.optional(weight)
        flags = inputs.flags(wanted, 3 if mean else 2)
        by_input, by_weight, by_bias = flags[0], flags[1], mean and flags[2]
        alone = (4 if mean else 3) if by_weight else 0
        each = (10 if mean else 7) + 2 * by_weight if by_input else alone
        results = [x if by_input else None, scale if by_weight else None, scale if by_bias else None]
        kept = [inputs.optional(place) for place in statistics]
        return Cost(arithmetic(x, (each + by_bias) * x.elements), traffic(gradient, x, scale, *kept, *results))

    return cost


_FORMULAS: dict[str, Formula] = {
    "batch_norm": batch_norm(5, keeps=False), "_batch_norm_impl_index": batch_norm(5),
    "native_batch_norm": batch_norm(5), "_native_batch_norm_legit": _without_running,
    "_native_batch_norm_legit_functional": batch_norm(5), "cudnn_batch_norm": batch_norm(5),
    "miopen_batch_norm": batch_norm(5), "mkldnn_batch_norm": batch_norm(5),
    "_native_batch_norm_legit_no_training": _always(running=True), "_batch_norm_no_update": _always(running=True),
    "_batch_norm_with_update": _always(running=False), "_batch_norm_with_update_functional": _always(running=False),
    "native_batch_norm_backward": _batch_backward(0, 1, 2, 7, 9),
    "cudnn_batch_norm_backward": _batch_backward(1, 0, 2, training=True, wanted=None),
    "miopen_batch_norm_backward": _batch_backward(1, 0, 2, training=True, wanted=None),
    "batch_norm_backward": _batch_backward(0, 1, 2, 7, 9),
    "layer_norm": layer_norm(keeps=False), "native_layer_norm": layer_norm(keeps=True),
    "native_layer_norm_backward": _row_backward(5, 7, (3, 4)),
    "group_norm": group_norm, "native_group_norm": group_norm,
    "native_group_norm_backward": _row_backward(4, 9, (2, 3)),
    "instance_norm": instance_norm, "rms_norm": rms_norm(keeps=False), "_fused_rms_norm": rms_norm(keeps=True),
    "_fused_rms_norm_backward": _row_backward(4, 5, (3,), mean=False),
}  # fmt: skip

NORMALISATION = CostFamily(
    name="normalisation", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()}
)
