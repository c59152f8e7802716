"""Shapes of convolutions, and what follows from them: the sizes of the result and the multiply-adds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from profkit.costs import Cost, CostUnknownError, Shape, Tensor, traffic
from profkit.costs.element_types import arithmetic

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """One call; the lists have an entry for each dimension of space.

    Attributes:
        x: input, (batch, channels, *space), or without batch.
        weight: (out, channels / groups, *kernel); of a transposed one (channels, out / groups, *kernel).
        stride: steps of the kernel.
        padding: added to both ends; `same` for as much as keeps the sizes.
        dilation: distance of the kernel's elements.
        groups: of channels that do not see each other.
        transposed: whether it is the gradient of a convolution by its input.
        output_padding: added to one end of the result of a transposed one.
    """

    x: Tensor
    weight: Tensor
    stride: Sizes
    padding: Sizes | None
    dilation: Sizes
    groups: int
    transposed: bool = False
    output_padding: Sizes = ()

    def out(self) -> Tensor:
        """The result.

        Raises:
            CostUnknownError: the sizes do not go together.
        """
        shape = batched(self.x, self.weight).shape
        kernel = self.weight.shape[2:]
        first, second = self.weight.shape[0], self.weight.shape[1] * self.groups
        taken, channels = (first, second) if self.transposed else (second, first)
        if self.groups < 1 or shape[1] != taken or first % self.groups:
            raise CostUnknownError(f"weights {self.weight.shape} in {self.groups} groups cannot take {self.x.shape}")
        sizes = tuple(self._size(place, size, kernel[place]) for place, size in enumerate(shape[2:]))
        out = (shape[0], channels, *sizes)
        return Tensor(out if len(self.x.shape) == len(self.weight.shape) else out[1:], self.x.dtype)

    def _size(self, place: int, size: int, kernel: int) -> int:
        stride, dilation = self.stride[place], self.dilation[place]
        padding = None if self.padding is None else self.padding[place]
        if stride < 1 or dilation < 1 or kernel < 1 or (padding or 0) < 0:
            raise CostUnknownError(f"a kernel of {kernel}, stride {stride}, dilation {dilation}, padding {padding}")
        if padding is None:
            return size
        reach = dilation * (kernel - 1)
        if self.transposed:
            extra = self.output_padding[place] if self.output_padding else 0
            result = (size - 1) * stride - 2 * padding + reach + extra + 1
        else:
            result = (size + 2 * padding - reach - 1) // stride + 1
        if result < 0:
            raise CostUnknownError(f"a kernel that reaches over {reach + 1} does not fit into {size}")
        return result


def batched(x: Tensor, weight: Tensor) -> Tensor:
    """The input with its batch, which may be left out.

    Raises:
        CostUnknownError: its dimensions do not go with those of the weights.
    """
    rank = len(weight.shape)
    if rank < 3 or len(x.shape) not in (rank - 1, rank):
        raise CostUnknownError(f"weights {weight.shape} cannot be moved over {x.shape}")
    return x if len(x.shape) == rank else Tensor((1, *x.shape), x.dtype)


def multiply_adds(moved_over: Tensor, weight: Tensor) -> int:
    """Of a convolution and of either of its gradients: each weight once at every place of every element of the batch.

    The places are those of the result; for a transposed one those of its input. Those in the padding count too.
    """
    places = batched(moved_over, weight).shape
    return places[0] * math.prod(places[2:]) * weight.elements


def forward(convolution: Convolution, *others: Tensor | None) -> Cost:
    """Cost of a convolution that reads other tensors too."""
    x, weight, out = convolution.x, convolution.weight, convolution.out()
    count = multiply_adds(x if convolution.transposed else out, weight)
    return Cost(2 * arithmetic(x, count), traffic(x, weight, *others, out))


def backward(
    gradient: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool], *, transposed: bool = False
) -> Cost:
    """Cost of the gradients by input, weights and bias, as far as they are wanted.

    Each of the first two is as many multiply-adds as the convolution itself; a bias counts no FLOP. The input is read
    for the gradient of the weights, the weights for that of the input.
    """
    if batched(x, weight).shape[0] != batched(gradient, weight).shape[0]:
        raise CostUnknownError(f"a gradient {gradient.shape} does not go with {x.shape}")
    count = multiply_adds(x if transposed else gradient, weight)
    by_input, by_weight, by_bias = wanted
    bias: Shape = (batched(gradient, weight).shape[1],)
    moved = traffic(
        gradient,
        *((weight, x) if by_input else ()),
        *((x, weight) if by_weight else ()),
        *((Tensor(bias, weight.dtype),) if by_bias else ()),
    )
    return Cost(2 * arithmetic(gradient, count) * (by_input + by_weight), moved)
