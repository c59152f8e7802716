"""Linear layers: three products of matrices by direct loops."""

from __future__ import annotations

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import inner, parallel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels

_ROWS = 16


@inner
def _add_product(total: Array, first: int, last: int, left: Array, right: Array) -> None:
    """total[r, p] += sum over k of left[r, k] * right[k, p] for rows first <= r < last, eight k at a time.

    Eight rows of `right` stay in the nearest cache while all rows of `total` are passed over.
    """
    length = np.uint64(total.shape[1])
    depth = right.shape[0]
    whole = depth - depth % 8
    for k in range(0, whole, 8):
        for r in range(first, last):
            a0, a1, a2, a3 = left[r, k], left[r, k + 1], left[r, k + 2], left[r, k + 3]
            a4, a5, a6, a7 = left[r, k + 4], left[r, k + 5], left[r, k + 6], left[r, k + 7]
            for p in range(length):
                total[r, p] += (
                    a0 * right[k, p] + a1 * right[k + 1, p] + a2 * right[k + 2, p] + a3 * right[k + 3, p]
                    + a4 * right[k + 4, p] + a5 * right[k + 5, p] + a6 * right[k + 6, p] + a7 * right[k + 7, p]
                )  # fmt: skip
    for k in range(whole, depth):
        for r in range(first, last):
            a0 = left[r, k]
            for p in range(length):
                total[r, p] += a0 * right[k, p]


@parallel
def _multiply(left: Array, right: Array, start: Array, total: Array) -> None:
    """Total (m, n) = start (n,) + left (m, k) @ right (k, n)."""
    rows = total.shape[0]
    for block in prange((rows + _ROWS - 1) // _ROWS):
        first, last = block * _ROWS, min((block + 1) * _ROWS, rows)
        for r in range(first, last):
            for p in range(total.shape[1]):
                total[r, p] = start[p]
        _add_product(total, first, last, left, right)


@parallel
def _transpose(matrix: Array, transposed: Array) -> None:
    for row in prange(transposed.shape[0]):
        for column in range(transposed.shape[1]):
            transposed[row, column] = matrix[column, row]


@parallel
def _sum_rows(matrix: Array, total: Array) -> None:
    """total[p] = sum over r of matrix[r, p]: within blocks of rows, then over the blocks, as pairwise sums are."""
    for part in prange(len(total)):
        total[part] = 0
        for first in range(0, matrix.shape[0], _ROWS):
            value = np.float32(0)
            for row in range(first, min(first + _ROWS, matrix.shape[0])):
                value += matrix[row, part]
            total[part] += value


def _zeros(call: Call, size: int) -> Array:
    return call.constant(f"zeros {size}", lambda: np.zeros(size, np.float32))


def _forward(call: Call) -> None:
    weight = call.weights["weight"]
    transposed = call.array("transposed", weight.shape[::-1])
    _transpose(weight, transposed)
    start = call.weights["bias"] if "bias" in call.weights else _zeros(call, len(weight))
    _multiply(call.inputs[0], transposed, start, call.output)


def _input_gradient(call: Call) -> None:
    if (total := call.input_gradients[0]) is not None:
        _multiply(call.gradient, call.weights["weight"], _zeros(call, total.shape[1]), total)


def _weight_gradient(call: Call) -> None:
    assert call.gradient is not None
    # Turned round in an array of its own: a view would be of another type for the compiler, or not, by its size.
    transposed = call.array("transposed gradient", call.gradient.shape[::-1])
    _transpose(call.gradient, transposed)
    inputs = call.inputs[0]
    _multiply(transposed, inputs, _zeros(call, inputs.shape[1]), call.gradients["weight"])


def _bias_gradient(call: Call) -> None:
    if "bias" in call.gradients:
        _sum_rows(call.gradient, call.gradients["bias"])


KERNELS = kernels("linear", (_forward,), (_input_gradient, _weight_gradient, _bias_gradient))
