"""Attention and its gradients: the products alone, as `torch.utils.flop_counter` counts them.

Softmax, dropout and the mask count no FLOP, and what a causal mask would save is not taken off. The traffic is that of
queries, keys, values, mask and result; statistics of the softmax are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Shape, Tensor, traffic
from profkit.costs.element_types import arithmetic


@dataclass(frozen=True)
class Attended:
    """Queries, keys and values of one call, and the sizes of their products.

    Attributes:
        query: with `key` and `value` what is read.
        key: see above.
        value: see above.
        pairs: of a query and a key, in all heads of the batch.
        out: shape of the result.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    pairs: int
    out: Shape

    @property
    def forward(self) -> int:
        """Multiply-adds: queries by keys, then what they give by values."""
        return self.pairs * (self.query.shape[-1] + self.value.shape[-1])

    @property
    def backward(self) -> int:
        """Multiply-adds: queries by keys again, two products for the values, two for queries and keys."""
        return self.pairs * (3 * self.query.shape[-1] + 2 * self.value.shape[-1])


def _disagree(query: Tensor, key: Tensor, value: Tensor) -> CostUnknownError:
    return CostUnknownError(f"queries {query.shape}, keys {key.shape}, values {value.shape} do not go together")


def dense(query: Tensor, key: Tensor, value: Tensor, *, heads_last: bool = False) -> Attended:
    """Of (batch, heads, length, width), or of (batch, length, heads, width); keys may have fewer heads.

    >>> dense(Tensor((4, 12, 197, 64)), Tensor((4, 2, 50, 64)), Tensor((4, 2, 50, 32))).pairs
    472800
    """
    shapes = [tensor.shape for tensor in (query, key, value)]
    if min(map(len, shapes)) < 2 or len(set(map(len, shapes))) > 1 or (heads_last and len(query.shape) != 4):
        raise _disagree(query, key, value)
    ordered = [(shape[0], shape[2], shape[1], shape[3]) if heads_last else shape for shape in shapes]
    (*lead, queries, width), (*key_lead, keys, key_width), (*value_lead, values, value_width) = ordered
    heads, key_heads = (lead[-1], key_lead[-1]) if lead else (1, 1)
    fits = lead[:-1] == key_lead[:-1] and key_lead == value_lead and (width, keys) == (key_width, values)
    if not fits or (heads % key_heads if key_heads else heads):
        raise _disagree(query, key, value)
    return Attended(query, key, value, math.prod(lead) * queries * keys, (*query.shape[:-1], value_width))


def packed(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, queries: int, keys: int) -> Attended:
    """Of (tokens, heads, width), the sequences of a batch one after the other.

    A trace does not say how long each is, only the longest; the work is known if all are as long.

    >>> packed(Tensor((20, 2, 8)), Tensor((20, 2, 8)), Tensor((20, 2, 8)), Tensor((5,), "int32"), 5, 5).pairs
    200
    """
    ranks = {len(tensor.shape) for tensor in (query, key, value)}
    if ranks != {3} or query.shape[-1] != key.shape[-1] or key.shape[:-1] != value.shape[:-1]:
        raise _disagree(query, key, value)
    batch = ends.elements - 1
    if query.shape[0] != batch * queries or key.shape[0] != batch * keys:
        raise CostUnknownError("the trace does not say how long each sequence is")
    pairs = batch * query.shape[1] * queries * keys
    return Attended(query, key, value, pairs, (*query.shape[:-1], value.shape[-1]))


def _cost(of: Attended, count: int, *others: Tensor | None) -> Cost:
    return Cost(2 * arithmetic(of.query, count), traffic(of.query, of.key, of.value, *others))


def forward(mask: int | None = None) -> Formula:
    """`aten::scaled_dot_product_attention` and the like, of (queries, keys, values, ...); the place of the mask.

    >>> from profkit.costs import call
    >>> shape = (4, 12, 197, 64)
    >>> forward()(call(shape, shape, shape, 0.0, False, dtype="bfloat16"))
    Cost(flop=476884992, traffic_bytes=4841472)
    """

    def cost(inputs: Inputs) -> Cost:
        of = dense(inputs.tensor(0), inputs.tensor(1), inputs.tensor(2))
        read = None if mask is None else inputs.optional(mask)
        return _cost(of, of.forward, read, Tensor(of.out, of.query.dtype))

    return cost


def backward(mask: int | None = None, out: int = 4) -> Formula:
    """Its gradients, of (gradient, queries, keys, values, ...); the places of mask and result.

    The gradient of the mask counts nothing.

    >>> from profkit.costs import call
    >>> shape = (4, 12, 197, 64)
    >>> backward()(call(shape, shape, shape, shape, shape, dtype="bfloat16"))
    Cost(flop=1192212480, traffic_bytes=9682944)
    """

    def cost(inputs: Inputs) -> Cost:
        of = dense(inputs.tensor(1), inputs.tensor(2), inputs.tensor(3))
        read = (inputs.tensor(0), None if mask is None else inputs.optional(mask), inputs.optional(out))
        return _cost(of, of.backward, *read, of.query, of.key, of.value)

    return cost


def _laid_out(inputs: Inputs, first: int, ends: int) -> Attended:
    """Queries, keys and values from a place on, of (batch, length, heads, width) or packed; where the ends are."""
    query, key, value = inputs.tensor(first), inputs.tensor(first + 1), inputs.tensor(first + 2)
    told = inputs.optional(ends)
    if told is None or (len(query.shape) == 4 and query.shape[0] != 1):
        return dense(query, key, value, heads_last=True)
    queries, keys = inputs.whole(ends + 2), inputs.whole(ends + 3)
    if len(query.shape) == 4:
        bare = [Tensor(tensor.shape[1:], tensor.dtype) for tensor in (query, key, value)]
        return packed(bare[0], bare[1], bare[2], told, queries, keys)
    return packed(query, key, value, told, queries, keys)


def kernel(ends: int, mask: int | None = None) -> Formula:
    """`aten::_flash_attention_forward`, `aten::_efficient_attention_forward`: the kernels that those call.

    Their heads are behind the length, and with the ends of sequences, at a place, these are packed.

    >>> from profkit.costs import call
    >>> shape = (4, 197, 12, 64)
    >>> kernel(3)(call(shape, shape, shape, None, None, 197, 197, 0.0, False, False, dtype="bfloat16"))
    Cost(flop=476884992, traffic_bytes=4841472)
    """

    def cost(inputs: Inputs) -> Cost:
        of = _laid_out(inputs, 0, ends)
        read = None if mask is None else inputs.optional(mask)
        return _cost(of, of.forward, read, Tensor(of.out, of.query.dtype))

    return cost


def kernel_backward(ends: int, out: int, mask: int | None = None) -> Formula:
    """Their gradients, of (gradient, queries, keys, values, ...).

    >>> from profkit.costs import call
    >>> shape = (4, 197, 12, 64)
    >>> kernel_backward(6, 4)(call(shape, shape, shape, shape, shape, None, None, None, 197, 197, dtype="bfloat16"))
    Cost(flop=1192212480, traffic_bytes=9682944)
    """

    def cost(inputs: Inputs) -> Cost:
        of = _laid_out(inputs, 1, ends)
        read = (inputs.tensor(0), None if mask is None else inputs.optional(mask), inputs.optional(out))
        return _cost(of, of.backward, *read, of.query, of.key, of.value)

    return cost


def flexible_backward(inputs: Inputs) -> Cost:
    """Gradients of `flex_attention`, of (queries, keys, values, result, statistics, gradient, ...).

    >>> from profkit.costs import call
    >>> shape = (1, 2, 4, 8)
    >>> flexible_backward(call(shape, shape, shape, shape, (1, 2, 4), shape))
    Cost(flop=2560, traffic_bytes=2048)
    """
    of = dense(inputs.tensor(0), inputs.tensor(1), inputs.tensor(2))
    return _cost(of, of.backward, inputs.optional(3), inputs.optional(5), of.query, of.key, of.value)


_DOT = "aten::_scaled_dot_product"
ATTENTION = CostFamily(
    name="attention",
    formulas={
        "aten::scaled_dot_product_attention": forward(3),
        f"{_DOT}_attention_math": forward(3),
        f"{_DOT}_flash_attention": forward(),
        f"{_DOT}_flash_attention_for_cpu": forward(5),
        f"{_DOT}_efficient_attention": forward(3),
        f"{_DOT}_cudnn_attention": forward(3),
        f"{_DOT}_fused_attention_overrideable": forward(3),
        f"{_DOT}_flash_attention_backward": backward(),
        f"{_DOT}_flash_attention_for_cpu_backward": backward(8),
        f"{_DOT}_efficient_attention_backward": backward(4, 5),
        f"{_DOT}_cudnn_attention_backward": backward(8),
        f"{_DOT}_fused_attention_overrideable_backward": backward(4, 6),
        "aten::_flash_attention_forward": kernel(3),
        "aten::_flash_attention_backward": kernel_backward(6, 4),
        "aten::_efficient_attention_forward": kernel(4, 3),
        "aten::_efficient_attention_backward": kernel_backward(6, 5, 4),
        "higher_order::flex_attention": forward(),
        "higher_order::flex_attention_backward": flexible_backward,
    },
    multiply_adds=True,
)
