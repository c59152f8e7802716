"""Products of matrices and vectors; a bias is added by the same instructions and counts no FLOP of its own.

Nor do the scales of `_scaled_mm` and the activation of `_addmm_activation`. Operators that may multiply in several
orders (`einsum`, `bilinear`, `chain_matmul`) have no formula of their own: those that they call have.
"""

from __future__ import annotations

import math

from profkit.costs import Cost, CostFamily, CostUnknownError, Inputs, Shape, Tensor, broadcast, traffic
from profkit.costs.element_types import arithmetic, promoted, requested


def _cannot(a: Tensor, b: Tensor) -> CostUnknownError:
    return CostUnknownError(f"{a.shape} and {b.shape} cannot be multiplied")


def _cost(count: int, a: Tensor, b: Tensor, out: Shape, *others: Tensor | None, dtype: str | None = None) -> Cost:
    """`count` multiply-adds of a and b, and what is read and written once."""
    result = Tensor(out, dtype or a.dtype)
    return Cost(2 * arithmetic(a, count), traffic(a, b, *others, result))


def _product(a: Tensor, b: Tensor, *others: Tensor | None, dtype: str | None = None) -> Cost:
    """a[..., m, k] @ b[..., k, n], with what else is read."""
    if len(a.shape) < 2 or len(a.shape) != len(b.shape):
        raise _cannot(a, b)
    inner, n = b.shape[-2:]
    if a.shape[-1] != inner or a.shape[:-2] != b.shape[:-2]:
        raise _cannot(a, b)
    return _cost(math.prod(a.shape) * n, a, b, (*a.shape[:-1], n), *others, dtype=dtype)


def mm(inputs: Inputs) -> Cost:
    """`aten::mm` and `aten::bmm`: out[..., m, n] = a[..., m, k] @ b[..., k, n].

    A multiply-add is 2 FLOP: 2 m n k for each product.

    >>> from profkit.costs import call
    >>> mm(call((64, 128), (128, 10)))
    Cost(flop=163840, traffic_bytes=40448)
    """
    return _product(inputs.tensor(0), inputs.tensor(1))


def int_mm(inputs: Inputs) -> Cost:
    """`aten::_int_mm`: a product of 8-bit integers with 32-bit sums; no FLOP, as no number floats.

    >>> from profkit.costs import call
    >>> int_mm(call((32, 16), (16, 8), dtype="int8"))
    Cost(flop=0, traffic_bytes=1664)
    """
    return _product(inputs.tensor(0), inputs.tensor(1), dtype="int32")


def addmm(inputs: Inputs) -> Cost:
    """`aten::addmm` and `aten::baddbmm`: out[..., m, n] = bias + a[..., m, k] @ b[..., k, n].

    >>> from profkit.costs import call
    >>> addmm(call((10,), (64, 128), (128, 10)))
    Cost(flop=163840, traffic_bytes=40488)
    """
    return _product(inputs.tensor(1), inputs.tensor(2), inputs.tensor(0))


def addbmm(inputs: Inputs) -> Cost:
    """`aten::addbmm`: out[m, n] = bias + the sum over b of a[b, m, k] @ b[b, k, n].

    >>> from profkit.costs import call
    >>> addbmm(call((2, 3), (5, 2, 4), (5, 4, 3)))
    Cost(flop=240, traffic_bytes=448)
    """
    bias, a, b = inputs.tensor(0), inputs.tensor(1), inputs.tensor(2)
    if len(a.shape) != 3 or len(b.shape) != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise _cannot(a, b)
    return _cost(a.elements * b.shape[2], a, b, (a.shape[1], b.shape[2]), bias)


def _vector(matrix: Tensor, vector: Tensor, *others: Tensor | None) -> Cost:
    if len(matrix.shape) != 2 or len(vector.shape) != 1 or matrix.shape[1] != vector.shape[0]:
        raise _cannot(matrix, vector)
    return _cost(matrix.elements, matrix, vector, matrix.shape[:1], *others)


def mv(inputs: Inputs) -> Cost:
    """`aten::mv`: out[m] = a[m, k] @ v[k].

    >>> from profkit.costs import call
    >>> mv(call((3, 4), (4,)))
    Cost(flop=24, traffic_bytes=76)
    """
    return _vector(inputs.tensor(0), inputs.tensor(1))


def addmv(inputs: Inputs) -> Cost:
    """`aten::addmv`: out[m] = bias[m] + a[m, k] @ v[k].

    >>> from profkit.costs import call
    >>> addmv(call((3,), (3, 4), (4,)))
    Cost(flop=24, traffic_bytes=88)
    """
    return _vector(inputs.tensor(1), inputs.tensor(2), inputs.tensor(0))


def dot(inputs: Inputs) -> Cost:
    """`aten::dot` and `aten::vdot`: the sum of a[k] b[k].

    >>> from profkit.costs import call
    >>> dot(call((5,), (5,)))
    Cost(flop=10, traffic_bytes=44)
    """
    a, b = inputs.tensor(0), inputs.tensor(1)
    if len(a.shape) != 1 or a.shape != b.shape:
        raise _cannot(a, b)
    return _cost(a.elements, a, b, ())


def addr(inputs: Inputs) -> Cost:
    """`aten::addr`: out[m, n] = bias[m, n] + a[m] b[n].

    >>> from profkit.costs import call
    >>> addr(call((2, 3), (2,), (3,)))
    Cost(flop=12, traffic_bytes=68)
    """
    bias, a, b = inputs.tensor(0), inputs.tensor(1), inputs.tensor(2)
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise _cannot(a, b)
    return _cost(a.elements * b.elements, a, b, (a.elements, b.elements), bias)


def matmul(inputs: Inputs) -> Cost:
    """`aten::matmul`: a[..., m, k] @ b[..., k, n] with broadcasting.

    A vector is a row on the left, a column on the right.

    >>> from profkit.costs import call
    >>> matmul(call((6, 1, 2, 3), (5, 3, 4)))
    Cost(flop=1440, traffic_bytes=1344)
    >>> matmul(call((7, 3), (3,)))
    Cost(flop=42, traffic_bytes=124)
    """
    a, b = inputs.tensor(0), inputs.tensor(1)
    if not a.shape or not b.shape:
        raise _cannot(a, b)
    rows = a.shape[-2:-1]
    columns = b.shape[-1:] if len(b.shape) > 1 else ()
    inner = b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise _cannot(a, b)
    out = (*broadcast(a.shape[:-2], b.shape[:-2]), *rows, *columns)
    return _cost(math.prod(out) * inner, a, b, out)


def _linear(x: Tensor, weight: Tensor, *others: Tensor | None) -> Cost:
    if not x.shape or len(weight.shape) not in (1, 2) or x.shape[-1] != weight.shape[-1]:
        raise CostUnknownError(f"a layer of weights {weight.shape} cannot take {x.shape}")
    out = (*x.shape[:-1], *weight.shape[:-1])
    return _cost(math.prod(out) * x.shape[-1], x, weight, out, *others)


def linear(inputs: Inputs) -> Cost:
    """`aten::linear`, `aten::mkldnn_linear`: out[..., n] = x[..., k] @ weight[n, k] transposed, + bias[n].

    >>> from profkit.costs import call
    >>> linear(call((8, 4), (3, 4), (3,)))
    Cost(flop=192, traffic_bytes=284)
    """
    return _linear(inputs.tensor(0), inputs.tensor(1), inputs.optional(2))


def mkl_linear(inputs: Inputs) -> Cost:
    """`mkl::_mkl_linear`: as linear, of x, the packed weights, the weights[n, k] and a bias; the weights are read once.

    >>> from profkit.costs import call
    >>> mkl_linear(call((8, 4), (900, 1), (3, 4), (3,), 8))
    Cost(flop=192, traffic_bytes=284)
    """
    return _linear(inputs.tensor(0), inputs.tensor(2), inputs.optional(3))


def pointwise_linear(inputs: Inputs) -> Cost:
    """`mkldnn::_linear_pointwise`: linear, and an activation or another tensor in the same kernel.

    With one more tensor it is the third input: of (x, weight, bias, ...) and (x, other, weight, bias, activation).

    >>> from profkit.costs import call
    >>> pointwise_linear(call((8, 4), (3, 4), (3,), "relu", [], ""))
    Cost(flop=192, traffic_bytes=284)
    >>> pointwise_linear(call((8, 4), (8, 3), (3, 4), (3,), "add"))
    Cost(flop=192, traffic_bytes=380)
    """
    x, second, third = inputs.tensor(0), inputs.tensor(1), inputs.optional(2)
    if len(inputs) == 5 and third is not None:
        return _linear(x, third, second, inputs.optional(3))
    return _linear(x, second, third)


def linear_backward_input(inputs: Inputs) -> Cost:
    """`aten::mkldnn_linear_backward_input`: grad[..., k] = grad_out[..., n] @ weight[n, k].

    Of (sizes, grad_out, weight).

    >>> from profkit.costs import call
    >>> linear_backward_input(call([8, 4], (8, 3), (3, 4)))
    Cost(flop=192, traffic_bytes=272)
    """
    gradient, weight = inputs.tensor(1), inputs.tensor(2)
    if len(weight.shape) != 2 or not gradient.shape or gradient.shape[-1] != weight.shape[0]:
        raise _cannot(gradient, weight)
    out = (*gradient.shape[:-1], weight.shape[1])
    return _cost(math.prod(out) * weight.shape[0], gradient, weight, out)


def linear_backward_weights(inputs: Inputs) -> Cost:
    """`aten::mkldnn_linear_backward_weights`: grad[n, k] = grad_out[..., n] transposed @ x[..., k], of (grad_out, x).

    >>> from profkit.costs import call
    >>> linear_backward_weights(call((8, 3), (8, 4), (3, 4), False))
    Cost(flop=192, traffic_bytes=272)
    """
    gradient, x = inputs.tensor(0), inputs.tensor(1)
    if not x.shape or gradient.shape[:-1] != x.shape[:-1] or len(gradient.shape) != len(x.shape):
        raise _cannot(gradient, x)
    n, k = gradient.shape[-1], x.shape[-1]
    return _cost(gradient.elements * k, gradient, x, (n, k))


def scaled_mm(inputs: Inputs) -> Cost:
    """`aten::_scaled_mm`: a[m, k] @ b[k, n], both of 8 bits with scales, and a bias; the result of the type asked for.

    >>> from profkit.costs import Tensor, call
    >>> scale = Tensor((), "float32")
    >>> scaled_mm(call((32, 16), (16, 8), scale, scale, None, None, 15, False, dtype="float8_e4m3fn"))
    Cost(flop=8192, traffic_bytes=1160)
    """
    a, b = inputs.tensor(0), inputs.tensor(1)
    scales = [inputs.optional(place) for place in range(2, 6)]
    return _product(a, b, *scales, dtype=requested(inputs, 6, a.dtype))


def grouped_mm(inputs: Inputs) -> Cost:
    """`aten::_grouped_mm`: products of groups of a and b, of (a, b, ends of groups, bias, type).

    a[m, k] @ b[g, k, n] has its rows in groups, a[g, m, k] @ b[k, n] its columns, and a[m, k] @ b[k, n] what is summed
    over: then the result has a matrix for each group. Whole operands are taken to be in groups.

    >>> from profkit.costs import Tensor, call
    >>> ends = Tensor((4,), "int32")
    >>> grouped_mm(call((16, 8), (4, 8, 2), ends, dtype="bfloat16"))
    Cost(flop=512, traffic_bytes=464)
    """
    a, b, ends = inputs.tensor(0), inputs.tensor(1), inputs.optional(2)
    ranks = len(a.shape), len(b.shape)
    if ranks == (3, 3):
        return _product(a, b, ends)
    if ends is None or ranks not in ((2, 2), (2, 3), (3, 2)) or a.shape[-1] != b.shape[-2]:
        raise _cannot(a, b)
    (m, k), n = a.shape[-2:], b.shape[-1]
    out = (ends.elements, m, n) if ranks == (2, 2) else (m, n)
    return _cost(m * n * k, a, b, out, ends, dtype=requested(inputs, 4, promoted(a, b)))


MATMUL = CostFamily(
    name="matmul",
    formulas={
        "aten::mm": mm, "aten::bmm": mm, "aten::_int_mm": int_mm, "aten::addmm": addmm, "aten::baddbmm": addmm,
        "aten::_addmm_activation": addmm, "aten::addbmm": addbmm, "aten::mv": mv, "aten::addmv": addmv,
        "aten::dot": dot, "aten::vdot": dot, "aten::addr": addr, "aten::matmul": matmul, "aten::linear": linear,
        "aten::mkldnn_linear": linear, "aten::mkldnn_linear_backward_input": linear_backward_input,
        "aten::mkldnn_linear_backward_weights": linear_backward_weights, "mkl::_mkl_linear": mkl_linear,
        "mkldnn::_linear_pointwise": pointwise_linear, "aten::_scaled_mm": scaled_mm,
        "aten::_grouped_mm": grouped_mm,
    },
    multiply_adds=True,
)  # fmt: skip
