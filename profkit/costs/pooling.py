"""Pooling and its gradients; a window at the border counts as a whole one, as for convolutions."""

from __future__ import annotations

import math

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Shape, Tensor, traffic
from profkit.costs.element_types import arithmetic

Sizes = tuple[int, ...]


def _check(x: Tensor, space: int) -> Shape:
    if len(x.shape) not in (space + 1, space + 2):
        raise CostUnknownError(f"{x.shape} has no {space} dimensions of space beside channels")
    return x.shape[-space:]


def _stride(inputs: Inputs, place: int, kernel: Sizes) -> Sizes:
    given = inputs.values[place] if place < len(inputs) else None
    return kernel if given is None or given == () else inputs.wholes(place, len(kernel))


def pooled(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False) -> int:
    """Number of windows along one dimension; rounded up, the last may reach out, but begins within.

    >>> pooled(13, 3, 2, 0), pooled(14, 3, 2, 0), pooled(14, 3, 2, 0, ceil=True)
    (6, 6, 7)
    """
    if min(kernel, stride, dilation) < 1 or padding < 0:
        raise CostUnknownError(f"a window of {kernel}, stride {stride}, dilation {dilation}, padding {padding}")
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (reach + (stride - 1 if ceil else 0)) // stride + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    if count < (1 if size else 0):
        raise CostUnknownError(f"a window of {kernel} does not fit into {size}")
    return count


def max_pool(space: int, *, indices: bool = False) -> Formula:
    """`aten::max_pool2d` and the like, of (x, window, stride, padding, dilation, rounded up): comparisons.

    As many as the window has elements, for each element of the result.

    >>> from profkit.costs import call
    >>> max_pool(2)(call((8, 8, 26, 26), [2, 2], [2, 2], [0, 0], [1, 1], False))
    Cost(flop=43264, traffic_bytes=216320)
    >>> max_pool(2, indices=True)(call((8, 8, 26, 26), [2, 2], [], [0, 0], [1, 1], False))
    Cost(flop=43264, traffic_bytes=302848)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        sizes = _check(x, space)
        kernel = inputs.wholes(1, space)
        stride, padding = _stride(inputs, 2, kernel), inputs.wholes(3, space)
        dilation, ceil = inputs.wholes(4, space), inputs.flag(5)
        windows = (
            pooled(size, *one, ceil=ceil) for size, *one in zip(sizes, kernel, stride, padding, dilation, strict=True)
        )
        out = Tensor((*x.shape[:-space], *windows), x.dtype)
        places = Tensor(out.shape, "int64") if indices else None
        return Cost(arithmetic(x, out.elements * math.prod(kernel)), traffic(x, out, places))

    return cost


def max_pool_backward(inputs: Inputs) -> Cost:
    """`aten::max_pool2d_with_indices_backward` and the like, of (gradient, x, ..., places last): an addition a window.

    The input is not read, but as much is written.

    >>> from profkit.costs import Tensor, call
    >>> places = Tensor((8, 16, 5, 5), "int64")
    >>> max_pool_backward(call((8, 16, 5, 5), (8, 16, 11, 11), [2, 2], [2, 2], [0, 0], [1, 1], False, places))
    Cost(flop=3200, traffic_bytes=100352)
    """
    gradient, x, places = inputs.tensor(0), inputs.tensor(1), inputs.tensor(len(inputs) - 1)
    if places.shape != gradient.shape or len(inputs) < 3:
        raise CostUnknownError(f"places {places.shape} do not go with a gradient {gradient.shape}")
    return Cost(arithmetic(gradient, gradient.elements), traffic(gradient, places, x))


def average_pool(space: int) -> Formula:
    """`aten::avg_pool2d` and the like, of (x, window, stride, padding, rounded up, ...).

    As many additions as the window has elements and a division, for each element of the result.

    >>> from profkit.costs import call
    >>> average_pool(2)(call((8, 8, 26, 26), [2, 2], [2, 2], [0, 0], False, True, None))
    Cost(flop=54080, traffic_bytes=216320)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        sizes = _check(x, space)
        kernel = inputs.wholes(1, space)
        stride, padding, ceil = _stride(inputs, 2, kernel), inputs.wholes(3, space), inputs.flag(4)
        windows = (pooled(size, *one, ceil=ceil) for size, *one in zip(sizes, kernel, stride, padding, strict=True))
        out = Tensor((*x.shape[:-space], *windows), x.dtype)
        return Cost(arithmetic(x, out.elements * (math.prod(kernel) + 1)), traffic(x, out))

    return cost


def average_pool_backward(space: int) -> Formula:
    """`aten::avg_pool2d_backward` and the like, of (gradient, x, window, ...): a division, and additions as forward.

    >>> from profkit.costs import call
    >>> average_pool_backward(2)(call((8, 8, 13, 13), (8, 8, 26, 26), [2, 2], [2, 2], [0, 0], False, True, None))
    Cost(flop=54080, traffic_bytes=216320)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, x = inputs.tensor(0), inputs.tensor(1)
        operations = gradient.elements * (math.prod(inputs.wholes(2, space)) + 1)
        return Cost(_counted(gradient, operations), traffic(gradient, x))

    return cost


def _counted(x: Tensor, operations: int) -> int:
    if operations < 0:
        raise CostUnknownError("a window of a negative size")
    return arithmetic(x, operations)


def _covered(sizes: Sizes, out: Sizes) -> int:
    """Elements in all windows of adaptive pooling together.

    Window i of n over a size s is from floor(i s / n) to ceil((i + 1) s / n); their sum is s + n - gcd(s, n).

    >>> _covered((7,), (3,)), _covered((6, 6), (3, 2))
    (9, 36)
    """
    return math.prod(size + count - math.gcd(size, count) for size, count in zip(sizes, out, strict=True))


def adaptive_pool(space: int, *, average: bool, indices: bool = False) -> Formula:
    """`aten::adaptive_avg_pool2d` and the like, of (x, sizes of the result): an operation an element of each window.

    An average also divides; the windows differ by at most one element and may overlap.

    >>> from profkit.costs import call
    >>> adaptive_pool(2, average=True)(call((8, 16, 7, 7), [1, 1]))
    Cost(flop=6400, traffic_bytes=25600)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        sizes, counts = _check(x, space), inputs.wholes(1, space)
        if min(counts) < 0:
            raise CostUnknownError(f"a result of sizes {counts}")
        out = Tensor((*x.shape[:-space], *counts), x.dtype)
        covered = math.prod(x.shape[:-space]) * _covered(sizes, counts) if out.elements else 0
        places = Tensor(out.shape, "int64") if indices else None
        return Cost(arithmetic(x, covered + average * out.elements), traffic(x, out, places))

    return cost


def adaptive_average_backward(space: int) -> Formula:
    """`aten::_adaptive_avg_pool2d_backward` and the like, of (gradient, x): as forward.

    >>> from profkit.costs import call
    >>> adaptive_average_backward(2)(call((8, 16, 1, 1), (8, 16, 7, 7)))
    Cost(flop=6400, traffic_bytes=25600)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, x = inputs.tensor(0), inputs.tensor(1)
        counts, sizes = _check(gradient, space), _check(x, space)
        if len(gradient.shape) != len(x.shape):
            raise CostUnknownError(f"a gradient {gradient.shape} does not go with {x.shape}")
        covered = math.prod(x.shape[:-space]) * _covered(sizes, counts) if gradient.elements else 0
        return Cost(arithmetic(x, covered + gradient.elements), traffic(gradient, x))

    return cost


def _of(space: int) -> dict[str, Formula]:
    n = f"{space}d"
    return {
        f"max_pool{n}": max_pool(space),
        f"mkldnn_max_pool{n}": max_pool(space),
        f"miopen_max_pool{n}": max_pool(space),
        f"max_pool{n}_with_indices": max_pool(space, indices=True),
        f"max_pool{n}_with_indices_backward": max_pool_backward,
        f"avg_pool{n}": average_pool(space),
        f"avg_pool{n}_backward": average_pool_backward(space),
        f"adaptive_avg_pool{n}": adaptive_pool(space, average=True),
        f"_adaptive_avg_pool{n}": adaptive_pool(space, average=True),
        f"mkldnn_adaptive_avg_pool{n}": adaptive_pool(space, average=True),
        f"_adaptive_avg_pool{n}_backward": adaptive_average_backward(space),
        f"adaptive_max_pool{n}": adaptive_pool(space, average=False, indices=True),
        f"adaptive_max_pool{n}_backward": max_pool_backward,
    }


POOLING = CostFamily(
    name="pooling",
    formulas={f"aten::{name}": formula for space in (1, 2, 3) for name, formula in _of(space).items()},
)
