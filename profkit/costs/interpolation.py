"""Images made larger or smaller, and the gradients: a weighted sum of the nearest elements for each of the result.

The weights, which are the same for a row or a column, count no FLOP of their own.
"""

from __future__ import annotations

import math

from profkit.costs import Cost, CostFamily, CostUnknownError, Formula, Inputs, Tensor, traffic
from profkit.costs.element_types import arithmetic


def _sizes(inputs: Inputs, x: Tensor, space: int) -> tuple[int, ...]:
    """Of the result, at 1, or from the scales, which are last."""
    if len(inputs) > 1 and inputs.values[1] is not None:
        sizes = inputs.wholes(1, space)
    else:
        scales = inputs.values[-1]
        if not isinstance(scales, tuple) or len(scales) != space:
            raise CostUnknownError("the trace does not say the sizes of the result")
        numbers = [float(scale) for scale in scales if isinstance(scale, int | float)]
        if len(numbers) != space or not all(0 < number < 2**32 for number in numbers):
            raise CostUnknownError(f"scales {scales}")
        sizes = tuple(math.floor(size * scale) for size, scale in zip(x.shape[-space:], numbers, strict=True))
    if min(sizes) < 0:
        raise CostUnknownError(f"a result of sizes {sizes}")
    return sizes


def interpolated(space: int, corners: int) -> Formula:
    """`aten::upsample_bilinear2d` and the like, of (x, sizes of the result, ..., scales).

    Of so many corners, 1 multiplication each and 1 addition less; of a single one nothing but a copy.

    >>> from profkit.costs import call
    >>> interpolated(2, 4)(call((1, 3, 4, 4), [8, 8], False, None, None))
    Cost(flop=1344, traffic_bytes=960)
    >>> interpolated(2, 1)(call((1, 3, 4, 4), None, [2.0, 2.0]))
    Cost(flop=0, traffic_bytes=960)
    """

    def cost(inputs: Inputs) -> Cost:
        x = inputs.tensor(0)
        if len(x.shape) != space + 2:
            raise CostUnknownError(f"{x.shape} has no {space} dimensions of space")
        out = Tensor((*x.shape[:2], *_sizes(inputs, x, space)), x.dtype)
        each = 2 * corners - 1 if corners > 1 else 0
        return Cost(arithmetic(x, each * out.elements), traffic(x, out))

    return cost


def interpolated_backward(space: int, corners: int) -> Formula:
    """Their gradients, of (gradient, sizes of the result, sizes of the input): to each corner, 2 FLOP; of one, 1.

    >>> from profkit.costs import call
    >>> interpolated_backward(2, 4)(call((1, 3, 8, 8), [8, 8], [1, 3, 4, 4], False, None, None))
    Cost(flop=1536, traffic_bytes=960)
    """

    def cost(inputs: Inputs) -> Cost:
        gradient, sizes = inputs.tensor(0), inputs.wholes(2, space + 2)
        if min(sizes) < 0:
            raise CostUnknownError(f"a gradient of sizes {sizes}")
        each = 2 * corners if corners > 1 else 1
        return Cost(arithmetic(gradient, each * gradient.elements), traffic(gradient, Tensor(sizes, gradient.dtype)))

    return cost


_CORNERS = {
    "upsample_nearest1d": (1, 1), "upsample_nearest2d": (2, 1), "upsample_nearest3d": (3, 1),
    "_upsample_nearest_exact1d": (1, 1), "_upsample_nearest_exact2d": (2, 1), "_upsample_nearest_exact3d": (3, 1),
    "upsample_linear1d": (1, 2), "upsample_bilinear2d": (2, 4), "upsample_trilinear3d": (3, 8),
    "upsample_bicubic2d": (2, 16),
}  # fmt: skip
"""Dimensions of space, and elements of the input that an element of the result is made of."""

INTERPOLATION = CostFamily(
    name="interpolation",
    formulas={f"aten::{name}": interpolated(*sizes) for name, sizes in _CORNERS.items()}
    | {f"aten::{name}_backward": interpolated_backward(*sizes) for name, sizes in _CORNERS.items()},
)
