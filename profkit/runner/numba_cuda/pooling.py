"""Pooling: one thread's turn is one element of the result; backward, an input gathers from the windows that read it."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from profkit.runner.numba_cuda.launch import kernel, position
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels
from profkit.runner.numba_windows import readers, share_bounds, window_bounds


@kernel
def _max(images: Array, output: Array, places: Array, rows: Array, columns: Array) -> None:
    """Largest value of each window, and its place in the channel; the first of equal ones, and NaN above all."""
    samples, channels, height, width = output.shape
    for index in range(cuda.grid(1), samples * channels * height * width, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, height, width)
        top, left = rows[row, 0], columns[column, 0]
        largest, place = images[sample, channel, top, left], top * images.shape[3] + left
        for y in range(top, rows[row, 1]):
            for x in range(left, columns[column, 1]):
                value = images[sample, channel, y, x]
                if value > largest or math.isnan(value):
                    largest, place = value, y * images.shape[3] + x
        output[sample, channel, row, column] = largest
        places[sample, channel, row, column] = place


@kernel
def _max_backward(gradient: Array, places: Array, images: Array, rows: Array, columns: Array) -> None:
    """`rows` and `columns` are bounds of the windows that read each row and column of the image."""
    samples, channels, height, width = images.shape
    for index in range(cuda.grid(1), samples * channels * height * width, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, height, width)
        total = np.float32(0)
        for y in range(rows[row, 0], rows[row, 1]):
            for x in range(columns[column, 0], columns[column, 1]):
                if places[sample, channel, y, x] == row * width + column:
                    total += gradient[sample, channel, y, x]
        images[sample, channel, row, column] = total


@kernel
def _average(images: Array, output: Array, rows: Array, columns: Array, shares: Array) -> None:
    """Each window's sum times its share (height of output, width of output)."""
    samples, channels, height, width = output.shape
    for index in range(cuda.grid(1), samples * channels * height * width, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, height, width)
        total = np.float32(0)
        for y in range(rows[row, 0], rows[row, 1]):
            for x in range(columns[column, 0], columns[column, 1]):
                total += images[sample, channel, y, x]
        output[sample, channel, row, column] = total * shares[row, column]


@kernel
def _average_backward(gradient: Array, images: Array, rows: Array, columns: Array, shares: Array) -> None:
    """`rows` and `columns` are bounds of the windows that read each row and column of the image."""
    samples, channels, height, width = images.shape
    for index in range(cuda.grid(1), samples * channels * height * width, cuda.gridsize(1)):
        sample, channel, row, column = position(index, channels, height, width)
        total = np.float32(0)
        for y in range(rows[row, 0], rows[row, 1]):
            for x in range(columns[column, 0], columns[column, 1]):
                total += gradient[sample, channel, y, x] * shares[y, x]
        images[sample, channel, row, column] = total


def _bounds(call: Call) -> dict[str, Array]:
    """Windows by row and column, windows that read each row and column, and 1 / elements of each window."""
    shared = "output_size" in call.settings

    def make() -> dict[str, Array]:
        rows, columns = ((share_bounds if shared else window_bounds)(call, axis) for axis in (2, 3))
        height, width = call.inputs[0].shape[2:]
        areas = (
            np.outer(np.diff(rows), np.diff(columns))
            if shared
            else np.full((len(rows), len(columns)), call.window[0] ** 2)
        )
        arrays = {
            "rows": rows,
            "columns": columns,
            "row readers": readers(rows, height),
            "column readers": readers(columns, width),
            "shares": (1 / areas).astype(np.float32),
        }
        return {name: cuda.to_device(np.ascontiguousarray(array)) for name, array in arrays.items()}

    return call.constant("bounds", make)


def _max_forward(call: Call) -> None:
    bounds, places = _bounds(call), call.array("places", call.output.shape, "int32")
    _max(call.output.size, call.inputs[0], call.output, places, bounds["rows"], bounds["columns"])


def _max_gradient(call: Call) -> None:
    if (result := call.input_gradients[0]) is not None:
        bounds = _bounds(call)
        rows, columns = bounds["row readers"], bounds["column readers"]
        _max_backward(result.size, call.gradient, call.kept["places"], result, rows, columns)


def _average_forward(call: Call) -> None:
    bounds = _bounds(call)
    _average(call.output.size, call.inputs[0], call.output, bounds["rows"], bounds["columns"], bounds["shares"])


def _average_gradient(call: Call) -> None:
    if (result := call.input_gradients[0]) is not None:
        bounds = _bounds(call)
        rows, columns = bounds["row readers"], bounds["column readers"]
        _average_backward(result.size, call.gradient, result, rows, columns, bounds["shares"])


KERNELS = {
    **kernels("max_pool2d", (_max_forward,), (_max_gradient,)),
    **kernels("avg_pool2d", (_average_forward,), (_average_gradient,)),
    **kernels("adaptive_avg_pool2d", (_average_forward,), (_average_gradient,)),
}
