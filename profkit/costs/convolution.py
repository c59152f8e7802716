"""Convolutions, transposed ones and their gradients, under every name that torch had or has for them.

A bias, and the activation that some kernels apply at once, count no FLOP of their own. Multiply-adds with the padding
count, as they do for `torch.utils.flop_counter` and for published tables.
"""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor
from profkit.costs.convolution_shapes import Convolution, Sizes, backward, forward


def _space(weight: Tensor) -> int:
    if len(weight.shape) < 3:
        raise CostUnknownError(f"weights {weight.shape} have no kernel")
    return len(weight.shape) - 2


def _padding(inputs: Inputs, place: int, space: int) -> Sizes | None:
    text = inputs.values[place] if place < len(inputs) else None
    if text == "same":
        return None
    return (0,) * space if text == "valid" else inputs.wholes(place, space)


def convolution(inputs: Inputs) -> Cost:
    """`aten::convolution`, of (x, weight, bias, stride, padding, dilation, transposed, output_padding, groups).

    Each weight is multiplied once at every place of the result, of a transposed one at every place of the input:
    2 batch places weights.

    >>> from profkit.costs import call
    >>> convolution(call((8, 1, 28, 28), (8, 1, 3, 3), (8,), [1, 1], [0, 0], [1, 1], False, [0, 0], 1))
    Cost(flop=778752, traffic_bytes=198464)
    >>> convolution(call((2, 4, 5), (4, 3, 3), None, [2], [1], [1], True, [1], 1))
    Cost(flop=720, traffic_bytes=544)
    """
    x, weight = inputs.tensor(0), inputs.tensor(1)
    space = _space(weight)
    transposed = inputs.flag(6)
    return forward(
        Convolution(
            x,
            weight,
            stride=inputs.wholes(3, space),
            padding=inputs.wholes(4, space),
            dilation=inputs.wholes(5, space),
            groups=inputs.whole(8),
            transposed=transposed,
            output_padding=inputs.wholes(7, space) if transposed else (),
        ),
        inputs.optional(2),
    )


def conv_nd(inputs: Inputs) -> Cost:
    """`aten::conv1d` to `aten::conv3d`, of (x, weight, bias, stride, padding, dilation, groups).

    The input may lack the batch, and the padding be `same` or `valid`.

    >>> from profkit.costs import call
    >>> conv_nd(call((4, 9), (6, 2, 3), (6,), [1], "same", [1], 2))
    Cost(flop=648, traffic_bytes=528)
    """
    x, weight = inputs.tensor(0), inputs.tensor(1)
    space = _space(weight)
    padding = _padding(inputs, 4, space)
    return forward(
        Convolution(x, weight, inputs.wholes(3, space), padding, inputs.wholes(5, space), inputs.whole(6)),
        inputs.optional(2),
    )


def _of_places(**place: int) -> Formula:
    """A convolution whose lists of numbers are at these places; 1 or 0 stands for what has none.

    `bias` and `other` are tensors that are read besides; `transposed` is 1 for a transposed one; without `groups`
    there is one, and with `depthwise` as many as channels.

    >>> from profkit.costs import call
    >>> _of_places(padding=2, stride=3, dilation=4, groups=5)(call((1, 2, 6), (4, 2, 3), [0], [1], [1], 1))
    Cost(flop=192, traffic_bytes=208)
    """

    def cost(inputs: Inputs) -> Cost:
        x, weight = inputs.tensor(0), inputs.tensor(1)
        space = _space(weight)

        def numbers(name: str, otherwise: int) -> Sizes:
            return inputs.wholes(place[name], space) if name in place else (otherwise,) * space

        groups = inputs.whole(place["groups"]) if "groups" in place else 1
        if "depthwise" in place and len(x.shape) > space:
            groups = x.shape[-space - 1]
        described = Convolution(
            x,
            weight,
            stride=numbers("stride", 1),
            padding=numbers("padding", 0),
            dilation=numbers("dilation", 1),
            groups=groups,
            transposed="transposed" in place,
            output_padding=numbers("output_padding", 0),
        )
        read = [inputs.optional(place[name]) for name in ("bias", "other") if name in place]
        return forward(described, *read)

    return cost


def cudnn_convolution(inputs: Inputs) -> Cost:
    """`aten::cudnn_convolution`, of (x, weight, padding, stride, dilation, groups, ...).

    In old traces a bias is third.

    >>> from profkit.costs import call
    >>> cudnn_convolution(call((1, 2, 6), (4, 2, 3), [0], [1], [1], 1, False, False, True))
    Cost(flop=192, traffic_bytes=208)
    """
    third = inputs.values[2] if len(inputs) > 2 else None
    return (_BIASED if third is None or isinstance(third, Tensor) else _UNBIASED)(inputs)


_BIASED = _of_places(bias=2, padding=3, stride=4, dilation=5, groups=6)
_UNBIASED = _of_places(padding=2, stride=3, dilation=4, groups=5)
_TRANSPOSED = _of_places(bias=2, padding=3, output_padding=4, stride=5, dilation=6, groups=7, transposed=1)
_RELU = _of_places(bias=2, stride=3, padding=4, dilation=5, groups=6)
_ADD_RELU = _of_places(other=2, bias=4, stride=5, padding=6, dilation=7, groups=8)


def pointwise_convolution(inputs: Inputs) -> Cost:
    """`mkldnn::_convolution_pointwise`: a convolution, and an activation or another tensor in the same kernel.

    Of (x, weight, bias, padding, stride, dilation, groups, ...), with another tensor before the weights.

    >>> from profkit.costs import call
    >>> pointwise_convolution(call((1, 2, 6), (4, 2, 3), None, [0], [1], [1], 1, "relu", [], ""))
    Cost(flop=192, traffic_bytes=208)
    """
    if inputs.optional(2) is not None and len(inputs) > 10:
        order = (0, 2, 1, *range(3, len(inputs)))
        inputs = Inputs(tuple(inputs.values[place] for place in order))
        return _of_places(other=2, bias=3, padding=4, stride=5, dilation=6, groups=7)(inputs)
    return _BIASED(inputs)


def convolution_backward(inputs: Inputs) -> Cost:
    """`aten::convolution_backward`, of (gradient, x, weight, sizes of bias, ..., transposed at 7, ..., wanted at 10).

    The gradients by input and by weights are as many multiply-adds as the convolution, each.

    >>> from profkit.costs import call
    >>> x, weight, gradient = (8, 8, 13, 13), (16, 8, 3, 3), (8, 16, 11, 11)
    >>> rest = ([16], [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    >>> convolution_backward(call(gradient, x, weight, *rest, [True, True, True]))
    Cost(flop=4460544, traffic_bytes=157760)
    >>> convolution_backward(call(gradient, x, weight, *rest, [False, True, False]))
    Cost(flop=2230272, traffic_bytes=109824)
    """
    by_input, by_weight, by_bias = inputs.flags(10, 3)
    return backward(
        inputs.tensor(0),
        inputs.tensor(1),
        inputs.tensor(2),
        (by_input, by_weight, by_bias),
        transposed=inputs.flag(7),
    )


def _backward_of(x: int, gradient: int, *, transposed: bool = False) -> Formula:
    """Gradients of old traces: x and the gradient at these places, the weights at 2, what is wanted last.

    >>> from profkit.costs import call
    >>> _backward_of(0, 1)(call((1, 2, 6), (1, 4, 4), (4, 2, 3), [0], [1], [1], 1, [True, False]))
    Cost(flop=192, traffic_bytes=208)
    """

    def cost(inputs: Inputs) -> Cost:
        wanted = inputs.values[-1] if len(inputs) > 3 else None
        count = len(wanted) if isinstance(wanted, tuple) and len(wanted) in (2, 3) else 3
        by_input, by_weight, *rest = inputs.flags(max(len(inputs) - 1, 0), count)
        by_bias = bool(rest and rest[0])
        return backward(
            inputs.tensor(gradient),
            inputs.tensor(x),
            inputs.tensor(2),
            (by_input, by_weight, by_bias),
            transposed=transposed,
        )

    return cost


def _backward_of_one(*, by_weight: bool, transposed: bool) -> Formula:
    """One gradient of old traces: by the weights, of (their sizes, gradient, x, ...), or by x, with the weights third.

    >>> from profkit.costs import call
    >>> _backward_of_one(by_weight=False, transposed=False)(call([1, 2, 6], (1, 4, 4), (4, 2, 3), [0], [1], [1], 1))
    Cost(flop=192, traffic_bytes=208)
    >>> _backward_of_one(by_weight=True, transposed=False)(call([4, 2, 3], (1, 4, 4), (1, 2, 6), [0], [1], [1], 1))
    Cost(flop=192, traffic_bytes=208)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, read = inputs.tensor(1), inputs.tensor(2)
        rank = len(read.shape)
        sizes = inputs.values[0]
        if not isinstance(sizes, tuple) or len(sizes) != rank or rank < 3:
            raise CostUnknownError("the trace does not say the sizes of the gradient")
        wanted = Tensor(inputs.wholes(0, rank), read.dtype)
        x, weight = (read, wanted) if by_weight else (wanted, read)
        return backward(gradient, x, weight, (not by_weight, by_weight, False), transposed=transposed)

    return cost


_OLD_FORMS = {
    f"aten::{library}_convolution{form}_backward{part}": formula
    for library in ("cudnn", "miopen", "mkldnn")
    for form, transposed in (("", False), ("_transpose", True))
    for part, formula in (
        ("", _backward_of(0, 1, transposed=transposed)),
        ("_input", _backward_of_one(by_weight=False, transposed=transposed)),
        ("_weight", _backward_of_one(by_weight=True, transposed=transposed)),
        ("_weights", _backward_of_one(by_weight=True, transposed=transposed)),
    )
}
_BY_KERNEL = _of_places(bias=3, stride=4, padding=5)
_DILATED = _of_places(bias=3, stride=4, padding=5, dilation=6)
_CUDNN_TRANSPOSE = _of_places(padding=2, output_padding=3, stride=4, dilation=5, groups=6, transposed=1)
_BY_KERNEL_DEPTHWISE = _of_places(bias=3, stride=4, padding=5, dilation=6, depthwise=1)
_CONV_TRANSPOSE = _of_places(bias=2, stride=3, padding=4, output_padding=5, groups=6, dilation=7, transposed=1)
_SLOW_TRANSPOSE = _of_places(bias=3, stride=4, padding=5, output_padding=6, dilation=7, transposed=1)

CONVOLUTION = CostFamily(
    name="convolution",
    formulas=_OLD_FORMS | {
        "aten::convolution": convolution, "aten::_convolution": convolution,
        "aten::convolution_overrideable": convolution, "aten::convolution_backward": convolution_backward,
        "aten::convolution_backward_overrideable": _backward_of(1, 0), "aten::conv1d": conv_nd,
        "aten::conv2d": conv_nd, "aten::conv3d": conv_nd, "aten::_convolution_mode": conv_nd,
        "aten::conv_transpose1d": _CONV_TRANSPOSE, "aten::conv_transpose2d": _CONV_TRANSPOSE,
        "aten::conv_transpose3d": _CONV_TRANSPOSE, "aten::cudnn_convolution": cudnn_convolution,
        "aten::cudnn_convolution_relu": _RELU, "aten::cudnn_convolution_add_relu": _ADD_RELU,
        "aten::miopen_convolution_relu": _RELU, "aten::miopen_convolution_add_relu": _ADD_RELU,
        "aten::miopen_convolution": _BIASED, "aten::miopen_depthwise_convolution": _BIASED,
        "aten::miopen_convolution_transpose": _TRANSPOSED, "aten::mkldnn_convolution": _BIASED,
        "aten::cudnn_convolution_transpose": _CUDNN_TRANSPOSE,
        "mkldnn::_convolution_pointwise": pointwise_convolution, "aten::thnn_conv2d": _BY_KERNEL,
        "aten::_slow_conv2d_forward": _BY_KERNEL, "aten::slow_conv3d": _BY_KERNEL,
        "aten::slow_conv3d_forward": _BY_KERNEL, "aten::thnn_conv2d_forward": _BY_KERNEL,
        "aten::_slow_conv2d_backward": _backward_of(1, 0), "aten::thnn_conv2d_backward": _backward_of(1, 0),
        "aten::slow_conv_dilated2d": _DILATED, "aten::slow_conv_dilated3d": _DILATED,
        "aten::_conv_depthwise2d": _BY_KERNEL_DEPTHWISE, "aten::conv_depthwise3d": _BY_KERNEL_DEPTHWISE,
        "aten::thnn_conv_depthwise2d": _BY_KERNEL_DEPTHWISE,
        "aten::slow_conv_transpose2d": _SLOW_TRANSPOSE, "aten::slow_conv_transpose3d": _SLOW_TRANSPOSE,
    },
    multiply_adds=True,
)  # fmt: skip
