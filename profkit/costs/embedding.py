"""Embeddings and their gradients: rows of a table, picked or added up."""

from __future__ import annotations

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic


def _width(table: Tensor) -> int:
    if not table.shape:
        raise CostUnknownError("a table without rows")
    return table.shape[-1]


def embedding(inputs: Inputs) -> Cost:
    """`aten::embedding`, of (table[n, d], indices, ...): reads the rows that are picked, without arithmetic.

    >>> from profkit.costs import Tensor, call
    >>> embedding(call((1000, 16), Tensor((8, 4), "int64"), -1, False, False))
    Cost(flop=0, traffic_bytes=4352)
    """
    table, indices = inputs.tensor(0), inputs.tensor(1)
    picked = Tensor((indices.elements, _width(table)), table.dtype)
    return Cost(0, traffic(picked, indices, picked))


def embedding_backward(inputs: Inputs) -> Cost:
    """`aten::embedding_dense_backward`, of (gradient, indices, rows, padding, scaled): an addition an element.

    The gradient of the whole table is written; scaled by how often a row was picked, 1 FLOP an element more.

    >>> from profkit.costs import Tensor, call
    >>> embedding_backward(call((8, 4, 16), Tensor((8, 4), "int64"), 1000, -1, False))
    Cost(flop=512, traffic_bytes=66304)
    """
    gradient, indices, rows = inputs.tensor(0), inputs.tensor(1), inputs.whole(2)
    if rows < 0:
        raise CostUnknownError(f"a table of {rows} rows")
    each = 2 if inputs.flag(4) else 1
    table = Tensor((rows, _width(gradient)), gradient.dtype)
    return Cost(arithmetic(gradient, each * gradient.elements), traffic(gradient, indices, table))


_SUM, _MEAN, _MAX = 0, 1, 2


def embedding_bag(inputs: Inputs) -> Cost:
    """`aten::_embedding_bag`, of (table, indices, offsets, scaled, mode, sparse, weights, last offset included).

    An addition (of the largest a comparison) for each element that is picked, a multiplication with weights, and for a
    mean a division for each of the result. Only the result proper is counted among what is written.

    >>> from profkit.costs import Tensor, call
    >>> indices, offsets = Tensor((32,), "int64"), Tensor((8,), "int64")
    >>> embedding_bag(call((1000, 16), indices, offsets, False, 1, False, None, False))
    Cost(flop=640, traffic_bytes=2880)
    """
    table, indices, offsets = inputs.tensor(0), inputs.tensor(1), inputs.tensor(2)
    mode = inputs.whole(4)
    if mode not in (_SUM, _MEAN, _MAX):
        raise CostUnknownError(f"a mode {mode}")
    weights = inputs.optional(6)
    bags = max(offsets.elements - (inputs.flag(7) if len(inputs) > 7 else False), 0)
    picked = Tensor((indices.elements, _width(table)), table.dtype)
    out = Tensor((bags, _width(table)), table.dtype)
    operations = picked.elements * (1 + (weights is not None)) + out.elements * (mode == _MEAN)
    return Cost(arithmetic(table, operations), traffic(picked, indices, offsets, weights, out))


def embedding_bag_backward(rows_at: int) -> Formula:
    """`aten::_embedding_bag_dense_backward`, of (gradient, indices, ..., rows, scaled, mode, ..., weights).

    An addition for each element that was picked, and 1 FLOP more with weights or for a mean. The places of the number
    of rows differ: `aten::_embedding_bag_backward` has offsets before them, and whether it is sparse behind.

    >>> from profkit.costs import Tensor, call
    >>> indices, bags = Tensor((32,), "int64"), Tensor((8,), "int64")
    >>> embedding_bag_backward(5)(call((8, 16), indices, indices, bags, bags, 1000, False, 0, None))
    Cost(flop=512, traffic_bytes=64768)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, indices, rows = inputs.tensor(0), inputs.tensor(1), inputs.whole(rows_at)
        if rows < 0:
            raise CostUnknownError(f"a table of {rows} rows")
        weights = inputs.optional(8 if rows_at == 5 else 10)
        each = 1 + (weights is not None or inputs.whole(rows_at + 2) == _MEAN)
        table = Tensor((rows, _width(gradient)), gradient.dtype)
        operations = indices.elements * _width(gradient) * each
        return Cost(arithmetic(gradient, operations), traffic(gradient, indices, weights, table))

    return cost


EMBEDDING = CostFamily(
    name="embedding",
    formulas={
        "aten::embedding": embedding,
        "aten::embedding_dense_backward": embedding_backward,
        "aten::embedding_bag": embedding_bag,
        "aten::_embedding_bag": embedding_bag,
        "aten::_embedding_bag_forward_only": embedding_bag,
        "aten::_embedding_bag_dense_backward": embedding_bag_backward(5),
        "aten::_embedding_bag_backward": embedding_bag_backward(6),
    },
)
