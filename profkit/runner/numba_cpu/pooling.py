"""Pooling: one thread's turn is one channel of one sample."""

from __future__ import annotations

import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import parallel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels
from profkit.runner.numba_windows import share_bounds, window_bounds


@parallel
def _max(images: Array, output: Array, places: Array, size: int, stride: int, padding: int) -> None:
    """Largest value of each window, and its place in the channel; the first of equal ones, and NaN above all."""
    _, channels, height, width = images.shape
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        for row in range(output.shape[2]):
            top, bottom = max(row * stride - padding, 0), min(row * stride - padding + size, height)
            for column in range(output.shape[3]):
                left, right = max(column * stride - padding, 0), min(column * stride - padding + size, width)
                largest, place = images[sample, channel, top, left], top * width + left
                for y in range(top, bottom):
                    for x in range(left, right):
                        value = images[sample, channel, y, x]
                        more = value > largest or np.isnan(value)
                        largest = value if more else largest
                        place = y * width + x if more else place
                output[sample, channel, row, column] = largest
                places[sample, channel, row, column] = place


@parallel
def _max_backward(gradient: Array, places: Array, images: Array) -> None:
    """Each gradient goes to the place that its value came from."""
    channels, width = images.shape[1], images.shape[3]
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        images[sample, channel] = np.float32(0)
        for row in range(gradient.shape[2]):
            for column in range(gradient.shape[3]):
                place = places[sample, channel, row, column]
                images[sample, channel, place // width, place % width] += gradient[sample, channel, row, column]


@parallel
def _average(images: Array, output: Array, rows: Array, columns: Array, area: int) -> None:
    """Mean of each window; rows and columns (n, 2) are their bounds, `area` what to divide by or 0 for their own."""
    channels = images.shape[1]
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        for row in range(output.shape[2]):
            for column in range(output.shape[3]):
                total = np.float32(0)
                for y in range(rows[row, 0], rows[row, 1]):
                    for x in range(columns[column, 0], columns[column, 1]):
                        total += images[sample, channel, y, x]
                own = (rows[row, 1] - rows[row, 0]) * (columns[column, 1] - columns[column, 0])
                output[sample, channel, row, column] = total / np.float32(area if area else own)


@parallel
def _average_backward(gradient: Array, images: Array, rows: Array, columns: Array, area: int) -> None:
    channels = images.shape[1]
    for turn in prange(images.shape[0] * channels):
        sample, channel = turn // channels, turn % channels
        images[sample, channel] = np.float32(0)
        for row in range(gradient.shape[2]):
            for column in range(gradient.shape[3]):
                own = (rows[row, 1] - rows[row, 0]) * (columns[column, 1] - columns[column, 0])
                share = gradient[sample, channel, row, column] / np.float32(area if area else own)
                for y in range(rows[row, 0], rows[row, 1]):
                    for x in range(columns[column, 0], columns[column, 1]):
                        images[sample, channel, y, x] += share


def _max_forward(call: Call) -> None:
    _max(call.inputs[0], call.output, call.array("places", call.output.shape, "int32"), *call.window)


def _max_gradient(call: Call) -> None:
    if call.input_gradients[0] is not None:
        _max_backward(call.gradient, call.kept["places"], call.input_gradients[0])


def _average_windows(call: Call) -> tuple[Array, Array, int]:
    # torch counts the zeros of the padding, as its default count_include_pad says.
    bounds = call.constant("bounds", lambda: (window_bounds(call, 2), window_bounds(call, 3)))
    return *bounds, call.whole("kernel_size") ** 2


def _average_shares(call: Call) -> tuple[Array, Array, int]:
    return *call.constant("bounds", lambda: (share_bounds(call, 2), share_bounds(call, 3))), 0


def _average_forward(call: Call) -> None:
    _average(call.inputs[0], call.output, *_average_windows(call))


def _average_gradient(call: Call) -> None:
    if call.input_gradients[0] is not None:
        _average_backward(call.gradient, call.input_gradients[0], *_average_windows(call))


def _adaptive_forward(call: Call) -> None:
    _average(call.inputs[0], call.output, *_average_shares(call))


def _adaptive_gradient(call: Call) -> None:
    if call.input_gradients[0] is not None:
        _average_backward(call.gradient, call.input_gradients[0], *_average_shares(call))


KERNELS = {
    **kernels("max_pool2d", (_max_forward,), (_max_gradient,)),
    **kernels("avg_pool2d", (_average_forward,), (_average_gradient,)),
    **kernels("adaptive_avg_pool2d", (_adaptive_forward,), (_adaptive_gradient,)),
}
