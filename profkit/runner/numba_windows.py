"""Windows of poolings along one axis, by arithmetic on the host."""

from __future__ import annotations

import numpy as np

from profkit.runner.numba_kernels import Array, Call


def window_bounds(call: Call, axis: int) -> Array:
    """Begin and end of each window along an axis, cut at the image: int64 (windows, 2)."""
    size, stride, padding = call.window
    first = np.arange(call.output.shape[axis]) * stride - padding
    return np.stack([np.maximum(first, 0), np.minimum(first + size, call.inputs[0].shape[axis])], axis=1)


def share_bounds(call: Call, axis: int) -> Array:
    """Begin and end of each of the shares that an axis is divided into, which may overlap: int64 (shares, 2)."""
    length, shares = call.inputs[0].shape[axis], call.output.shape[axis]
    index = np.arange(shares)
    return np.stack([index * length // shares, -(-(index + 1) * length // shares)], axis=1)


def readers(bounds: Array, length: int) -> Array:
    """Begin and end of the windows that read each place of an axis: int64 (length, 2).

    >>> readers(np.array([[0, 2], [1, 3]]), 4).tolist()
    [[0, 1], [0, 2], [1, 2], [2, 2]]
    """
    places = np.arange(length)
    return np.stack(
        [np.searchsorted(bounds[:, 1], places, "right"), np.searchsorted(bounds[:, 0], places, "right")], axis=1
    )
