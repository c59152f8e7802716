"""Products of matrices and vectors; a bias is added by the same instructions and counts no FLOP of its own."""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Inputs, Tensor, traffic


def _product(a: Tensor, b: Tensor, *others: Tensor | None) -> Cost:
    """a[..., m, k] @ b[..., k, n], with what else is read."""
    (m, k), (inner, n) = a.shape[-2:], b.shape[-2:]
    if k != inner or a.shape[:-2] != b.shape[:-2]:
        raise CostUnknownError(f"{a.shape} and {b.shape} cannot be multiplied")
    out = Tensor((*a.shape[:-2], m, n), a.dtype)
    return Cost(2 * out.elements * k, traffic(a, b, *others, out))


def mm(inputs: Inputs) -> Cost:
    """`aten::mm` and `aten::bmm`: out[..., m, n] = a[..., m, k] @ b[..., k, n].

    A multiply-add is 2 FLOP: 2 m n k for each product.

    >>> from profkit.costs import call
    >>> mm(call((64, 128), (128, 10)))
    Cost(flop=163840, traffic_bytes=40448)
    """
    return _product(inputs.tensor(0), inputs.tensor(1))


def addmm(inputs: Inputs) -> Cost:
    """`aten::addmm` and `aten::baddbmm`: out[..., m, n] = bias + a[..., m, k] @ b[..., k, n].

    >>> from profkit.costs import call
    >>> addmm(call((10,), (64, 128), (128, 10)))
    Cost(flop=163840, traffic_bytes=40488)
    """
    return _product(inputs.tensor(1), inputs.tensor(2), inputs.tensor(0))


MATMUL = CostFamily(
    name="matmul",
    formulas={"aten::mm": mm, "aten::bmm": mm, "aten::addmm": addmm, "aten::baddbmm": addmm},
    multiply_adds=True,
)
