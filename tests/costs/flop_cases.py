"""Random calls of every operator that `torch.utils.flop_counter` knows, each with what torch counts for it.

Where torch 2.13 counts what is not done, a case compares with its formula for the same work:
the gradient of the weights of a grouped convolution it counts for every pair of groups (a grouped convolution is as
many small ones, which it counts rightly), and the kernels of attention it reads as (batch, heads, length, width) though
their length stands before the heads (it counts the operators that call them rightly).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch.utils.flop_counter import flop_registry

from profkit.costs import cost_of
from profkit.runner.operator_inputs import inputs_of

aten = torch.ops.aten
Draw = Callable[[st.SearchStrategy[Any]], Any]

SIZES = st.integers(1, 9)
MAYBE_NONE = st.integers(0, 9)


@dataclass(frozen=True)
class Case:
    """A call, and the FLOP that torch counts for it."""

    operator: Any
    args: tuple[Any, ...]
    expected: int
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flop(self) -> int:
        return cost_of(self.operator._schema.name, inputs_of(self.operator, self.args, dict(self.kwargs))).flop


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


def counted(packet: Any, *args: Any, out: Any = None, **kwargs: Any) -> int:
    """What torch counts for a call, of which it may want to see the result."""
    return int(flop_registry[packet](*args, out_val=out, **kwargs))


def _mm(draw: Draw) -> Case:
    m, k, n = (draw(MAYBE_NONE) for _ in range(3))
    args = (meta(m, k), meta(k, n))
    return Case(aten.mm.default, args, counted(aten.mm, *args))


def _addmm(draw: Draw) -> Case:
    m, k, n = (draw(MAYBE_NONE) for _ in range(3))
    bias = draw(st.sampled_from([(n,), (m, n), (1, n), ()]))
    args = (meta(*bias), meta(m, k), meta(k, n))
    return Case(aten.addmm.default, args, counted(aten.addmm, *args), {"beta": draw(st.sampled_from([0, 1, 0.5]))})


def _bmm(draw: Draw) -> Case:
    b, m, k, n = (draw(MAYBE_NONE) for _ in range(4))
    args = (meta(b, m, k), meta(b, k, n))
    return Case(aten.bmm.default, args, counted(aten.bmm, *args))


def _baddbmm(draw: Draw) -> Case:
    b, m, k, n = (draw(MAYBE_NONE) for _ in range(4))
    args = (meta(*draw(st.sampled_from([(b, m, n), (m, n), (1, n)]))), meta(b, m, k), meta(b, k, n))
    return Case(aten.baddbmm.default, args, counted(aten.baddbmm, *args))


def _scaled_mm(draw: Draw) -> Case:
    m, k, n = (16 * draw(SIZES) for _ in range(3))
    short = torch.float8_e4m3fn
    args = (meta(m, k, dtype=short), meta(n, k, dtype=short).t(), meta(), meta())
    kwargs = {"out_dtype": draw(st.sampled_from([None, torch.bfloat16]))}
    return Case(aten._scaled_mm.default, args, counted(aten._scaled_mm, *args), kwargs)


@dataclass(frozen=True)
class Conv:
    """A convolution with sizes that go together, and its result on meta tensors."""

    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int

    @property
    def args(self) -> tuple[Any, ...]:
        return (
            self.x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.transposed,
            self.output_padding, self.groups,
        )  # fmt: skip

    @property
    def out(self) -> torch.Tensor:
        return aten.convolution(*self.args)


def _conv(draw: Draw, *, space: int | None = None, transposed: bool | None = None, groups: int | None = None) -> Conv:
    rank = draw(st.integers(1, 3)) if space is None else space
    turned = draw(st.booleans()) if transposed is None else transposed
    parts = draw(st.integers(1, 4)) if groups is None else groups
    each = st.integers(1, 3)
    taken, given_ = parts * draw(each), parts * draw(each)
    kernel, stride, padding, dilation = ([draw(each) for _ in range(rank)] for _ in range(4))
    padding = [size - 1 for size in padding]
    smallest = [(size - 1) * apart + 1 for size, apart in zip(kernel, dilation, strict=True)]
    # A transposed one must have a result after its padding is cut off.
    sizes = [size + 4 + draw(st.integers(0, 6)) for size in smallest]
    more = [draw(st.integers(0, max(one, other) - 1)) for one, other in zip(stride, dilation, strict=True)]
    shape = (taken, given_ // parts, *kernel) if turned else (given_, taken // parts, *kernel)
    return Conv(
        meta(draw(st.integers(0, 4)), taken, *sizes),
        meta(*shape),
        meta(given_) if draw(st.booleans()) else None,
        stride,
        padding,
        dilation,
        turned,
        more if turned else [0] * rank,
        parts,
    )


def _convolution(draw: Draw) -> Case:
    conv = _conv(draw)
    return Case(aten.convolution.default, conv.args, counted(aten.convolution, *conv.args, out=conv.out))


def _underscored(draw: Draw) -> Case:
    conv = _conv(draw)
    args = (*conv.args, False, False, True, True)
    return Case(aten._convolution.default, args, counted(aten._convolution, *args, out=conv.out))


def _overrideable(draw: Draw) -> Case:
    conv = _conv(draw)
    expected = counted(aten.convolution_overrideable, *conv.args, out=conv.out)
    return Case(aten.convolution_overrideable.default, conv.args, expected)


def _cudnn(draw: Draw) -> Case:
    conv = _conv(draw, transposed=False)
    args = (conv.x, conv.weight, conv.padding, conv.stride, conv.dilation, conv.groups)
    # Torch takes the next argument, whether to try several methods, for whether it is transposed.
    expected = counted(aten.cudnn_convolution, *args, False, False, True, out=conv.out)
    return Case(aten.cudnn_convolution.default, (*args, draw(st.booleans()), False, True), expected)


def _slow(draw: Draw) -> Case:
    conv = _conv(draw, space=2, transposed=False, groups=1)
    undilated = aten.convolution(conv.x, conv.weight, None, conv.stride, conv.padding, [1, 1], False, [0, 0], 1)
    args = (conv.x, conv.weight, list(conv.weight.shape[2:]), conv.bias, conv.stride, conv.padding)
    # Torch's formula wants to be told that it is not transposed, which this operator has no argument for.
    expected = counted(aten._slow_conv2d_forward, *args, False, out=undilated)
    return Case(aten._slow_conv2d_forward.default, args, expected)


def _group(tensor: torch.Tensor, groups: int, dim: int) -> torch.Tensor:
    shape = list(tensor.shape)
    shape[dim] //= groups
    return meta(*shape)


def _convolution_backward(draw: Draw) -> Case:
    conv = _conv(draw)
    gradient, mask = conv.out, [draw(st.booleans()) for _ in range(3)]
    args = (gradient, conv.x, conv.weight, [gradient.shape[1]], *conv.args[3:], mask)
    # As many convolutions of one group.
    g, x, weight = _group(gradient, conv.groups, 1), _group(conv.x, conv.groups, 1), _group(conv.weight, conv.groups, 0)
    one = (g, x, weight, [g.shape[1]], *conv.args[3:-1], 1, mask)
    expected = conv.groups * counted(aten.convolution_backward, *one, out=(x, weight, None))
    return Case(aten.convolution_backward.default, args, expected)


def any_qkv(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of (batch, heads, length, width), with fewer heads of keys."""
    batch, key_heads, times, queries, keys, width, value_width = (draw(SIZES) for _ in range(7))
    return (
        meta(batch, key_heads * times, queries, width),
        meta(batch, key_heads, keys, width),
        meta(batch, key_heads, keys, value_width),
    )


def gradient_of(qkv: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return meta(*qkv[0].shape[:-1], qkv[2].shape[-1])


def _dot_product(name: str, rest: tuple[Any, ...]) -> Callable[[Draw], Case]:
    packet = getattr(aten, name)

    def case(draw: Draw) -> Case:
        args = (*any_qkv(draw), *rest)
        return Case(packet.default, args, counted(packet, *args))

    return case


def _dot_product_backward(name: str, rest: tuple[Any, ...]) -> Callable[[Draw], Case]:
    packet = getattr(aten, name)

    def case(draw: Draw) -> Case:
        qkv = any_qkv(draw)
        args = (gradient_of(qkv), *qkv, *rest)
        return Case(packet.default, args, counted(packet, *args))

    return case


def _laid_out(qkv: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.transpose(1, 2) for tensor in qkv)


ASKED = aten._scaled_dot_product_flash_attention
ASKED_BACKWARD = aten._scaled_dot_product_flash_attention_backward


def _kernel(packet: Any, rest: tuple[Any, ...]) -> Callable[[Draw], Case]:
    """A kernel that attention calls, with its length before the heads."""

    def case(draw: Draw) -> Case:
        qkv = any_qkv(draw)
        return Case(packet.default, (*_laid_out(qkv), *rest), counted(ASKED, *qkv))

    return case


def _kernel_backward(packet: Any, before: int, rest: tuple[Any, ...]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        qkv = any_qkv(draw)
        gradient = gradient_of(qkv)
        args = (*_laid_out((gradient, *qkv)), *([None] * before), *rest)
        return Case(packet.default, args, counted(ASKED_BACKWARD, gradient, *qkv))

    return case


def _packed(draw: Draw, lead: tuple[int, ...]) -> tuple[tuple[torch.Tensor, ...], torch.Tensor, int, int]:
    """Sequences of one length, one after the other; torch takes those on meta tensors to be as long as can be."""
    batch, key_heads, times, queries, keys, width = (draw(SIZES) for _ in range(6))
    key = meta(*lead, batch * keys, key_heads, width)
    query = meta(*lead, batch * queries, key_heads * times, width)
    return (query, key, key), meta(batch + 1, dtype=torch.int32), queries, keys


def _packed_flash(draw: Draw) -> Case:
    qkv, ends, queries, keys = _packed(draw, ())
    args = (*qkv, ends, ends, queries, keys, 0.0, False, False)
    return Case(aten._flash_attention_forward.default, args, counted(aten._flash_attention_forward, *args))


def _packed_flash_backward(draw: Draw) -> Case:
    qkv, ends, queries, keys = _packed(draw, ())
    args = (qkv[0], *qkv, qkv[0], None, ends, ends, queries, keys, 0.0, False, None, None)
    return Case(aten._flash_attention_backward.default, args, counted(aten._flash_attention_backward, *args))


def _packed_efficient(draw: Draw) -> Case:
    qkv, ends, queries, keys = _packed(draw, (1,))
    args = (*qkv, None, ends, ends, queries, keys, 0.0, 0)
    return Case(aten._efficient_attention_forward.default, args, counted(aten._efficient_attention_forward, *args))


def _packed_efficient_backward(draw: Draw) -> Case:
    qkv, ends, queries, keys = _packed(draw, (1,))
    args = (qkv[0], *qkv, None, qkv[0], ends, ends, queries, keys, None, 0.0, None, None, 0, False)
    return Case(aten._efficient_attention_backward.default, args, counted(aten._efficient_attention_backward, *args))


CASES: dict[str, tuple[Any, Callable[[Draw], Case]]] = {
    "mm": (aten.mm, _mm),
    "addmm": (aten.addmm, _addmm),
    "bmm": (aten.bmm, _bmm),
    "baddbmm": (aten.baddbmm, _baddbmm),
    "_scaled_mm": (aten._scaled_mm, _scaled_mm),
    "convolution": (aten.convolution, _convolution),
    "_convolution": (aten._convolution, _underscored),
    "convolution_overrideable": (aten.convolution_overrideable, _overrideable),
    "cudnn_convolution": (aten.cudnn_convolution, _cudnn),
    "_slow_conv2d_forward": (aten._slow_conv2d_forward, _slow),
    "convolution_backward": (aten.convolution_backward, _convolution_backward),
    "flash": (ASKED, _dot_product("_scaled_dot_product_flash_attention", ())),
    "efficient": (
        aten._scaled_dot_product_efficient_attention,
        _dot_product("_scaled_dot_product_efficient_attention", (None, True)),
    ),
    "cudnn attention": (
        aten._scaled_dot_product_cudnn_attention,
        _dot_product("_scaled_dot_product_cudnn_attention", (None, True)),
    ),
    "flash backward": (ASKED_BACKWARD, _dot_product_backward("_scaled_dot_product_flash_attention_backward", ())),
    "efficient backward": (
        aten._scaled_dot_product_efficient_attention_backward,
        _dot_product_backward("_scaled_dot_product_efficient_attention_backward", ()),
    ),
    "cudnn attention backward": (
        aten._scaled_dot_product_cudnn_attention_backward,
        _dot_product_backward("_scaled_dot_product_cudnn_attention_backward", ()),
    ),
    "flash kernel": (aten._flash_attention_forward, _kernel(aten._flash_attention_forward, (None, None, 9, 9))),
    "flash kernel, packed": (aten._flash_attention_forward, _packed_flash),
    "flash kernel backward": (
        aten._flash_attention_backward,
        _kernel_backward(aten._flash_attention_backward, 2, (None, None, 9, 9)),
    ),
    "flash kernel backward, packed": (aten._flash_attention_backward, _packed_flash_backward),
    "efficient kernel": (
        aten._efficient_attention_forward,
        _kernel(aten._efficient_attention_forward, (None, None, None, None, None)),
    ),
    "efficient kernel, packed": (aten._efficient_attention_forward, _packed_efficient),
    "efficient kernel backward": (
        aten._efficient_attention_backward,
        _kernel_backward(aten._efficient_attention_backward, 2, (None, None, 9, 9)),
    ),
    "efficient kernel backward, packed": (aten._efficient_attention_backward, _packed_efficient_backward),
}
