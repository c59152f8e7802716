"""Convolutions by direct loops over shifted planes.

A sample's channels are copied once into zero-padded planes; with a stride s each channel is dealt out into s * s
planes, one for each remainder of row and column. Then every tap of the kernel (input channel, row, column) sees its
inputs for all output positions as one contiguous run of its plane, which begins at the tap's offset: output row y,
column x is at y * width + x. A run is as wide as a plane, so that the last columns of each row are of no output; they
cost less than `im2col`, which copies each input once for each tap. Runs are rounded up to whole vectors.

The three products of a convolution are loops over taps and runs: output += weight * plane, gradient of the weight =
gradient * plane summed over the run, gradient of the plane += weight * gradient. A transposed convolution is the same
three with input and output exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numba import prange

from profkit.runner.numba_cpu.compilation import inner, parallel
from profkit.runner.numba_kernels import Array, Call
from profkit.runner.numba_operators import kernels

VECTOR = 16
"""A run is a multiple of so many elements: those of the widest vectors."""


@dataclass(frozen=True)
class Planes:
    """Where the taps of a convolution find their inputs.

    Attributes:
        offsets: uint64 (taps,), begin of each tap's run. Unsigned, because Numba tests a signed index for being
            negative at each access, which keeps a loop from being vectorised.
        stride: of the convolution.
        padding: of the convolution.
        height: of a plane.
        width: of a plane.
        size: elements of all planes of a sample.
        run: elements of a run.
    """

    offsets: Array
    stride: int
    padding: int
    height: int
    width: int
    size: int
    run: int


def planes_of(call: Call, image: Array, windows: Array) -> Planes:
    """Planes for images (n, channels, height, width) that `windows` (n, channels, height, width) are taken of."""
    size, stride, padding = call.window
    channels, *sides = image.shape[1:]
    # The window may reach beyond the padded image by less than a stride where the last rows fit no window.
    height, width = (-(-(side + 2 * padding) // stride) for side in sides)
    run = -(-((windows.shape[2] - 1) * width + windows.shape[3]) // VECTOR) * VECTOR
    offsets = [
        (((channel * stride + row % stride) * stride + column % stride) * height + row // stride) * width
        + column // stride
        for channel in range(channels)
        for row in range(size)
        for column in range(size)
    ]
    total = channels * stride**2 * height * width
    return Planes(np.array(offsets, np.uint64), stride, padding, height, width, total + VECTOR, run)


@inner
def _spread(images: Array, sample: int, planes: Array, stride: int, padding: int, height: int, width: int) -> None:
    """Copy a sample into its planes, flat (channels, stride, stride, height, width)."""
    planes[:] = np.float32(0)
    for channel in range(images.shape[1]):
        for row in range(images.shape[2]):
            y = row + padding
            first = ((channel * stride + y % stride) * stride * height + y // stride) * width
            if stride == 1:
                for column in range(images.shape[3]):
                    planes[first + padding + column] = images[sample, channel, row, column]
            else:
                for column in range(images.shape[3]):
                    x = column + padding
                    planes[first + x % stride * height * width + x // stride] = images[sample, channel, row, column]


@inner
def _gather(
    planes: Array, images: Array, sample: int, bias: Array, stride: int, padding: int, height: int, width: int
) -> None:
    """The way back, with a bias for each channel: what lies in the padding is dropped."""
    for channel in range(images.shape[1]):
        for row in range(images.shape[2]):
            y = row + padding
            first = ((channel * stride + y % stride) * stride * height + y // stride) * width
            if stride == 1:
                for column in range(images.shape[3]):
                    images[sample, channel, row, column] = planes[first + padding + column] + bias[channel]
            else:
                for column in range(images.shape[3]):
                    x = column + padding
                    images[sample, channel, row, column] = (
                        planes[first + x % stride * height * width + x // stride] + bias[channel]
                    )


@inner
def _align(windows: Array, sample: int, runs: Array, width: int) -> None:
    """Copy a sample of (n, channels, height, width) into runs (channels, run), zero between the rows."""
    runs[:] = np.float32(0)
    for channel in range(windows.shape[1]):
        for row in range(windows.shape[2]):
            for column in range(windows.shape[3]):
                runs[channel, row * width + column] = windows[sample, channel, row, column]


@inner
def _correlate(runs: Array, weights: Array, planes: Array, offsets: Array) -> None:
    """runs[r, p] += sum over taps k of weights[r, k] * planes[offsets[k] + p], eight taps at a time.

    Eight, so that a run is loaded and stored once for eight products; more would need more tests for overlap than
    LLVM is willing to make before it vectorises.
    """
    length = np.uint64(runs.shape[1])
    taps = len(offsets)
    whole = taps - taps % 8
    for r in range(runs.shape[0]):
        for k in range(0, whole, 8):
            w0, w1, w2, w3 = weights[r, k], weights[r, k + 1], weights[r, k + 2], weights[r, k + 3]
            w4, w5, w6, w7 = weights[r, k + 4], weights[r, k + 5], weights[r, k + 6], weights[r, k + 7]
            o0, o1, o2, o3 = offsets[k], offsets[k + 1], offsets[k + 2], offsets[k + 3]
            o4, o5, o6, o7 = offsets[k + 4], offsets[k + 5], offsets[k + 6], offsets[k + 7]
            for p in range(length):
                runs[r, p] += (
                    w0 * planes[o0 + p] + w1 * planes[o1 + p] + w2 * planes[o2 + p] + w3 * planes[o3 + p]
                    + w4 * planes[o4 + p] + w5 * planes[o5 + p] + w6 * planes[o6 + p] + w7 * planes[o7 + p]
                )  # fmt: skip
        for k in range(whole, taps):
            w0, o0 = weights[r, k], offsets[k]
            for p in range(length):
                runs[r, p] += w0 * planes[o0 + p]


@inner
def _scatter(planes: Array, weights: Array, runs: Array, offsets: Array) -> None:
    """planes[offsets[k] + p] += sum over channels r of weights[r, k] * runs[r, p], eight channels at a time."""
    length = np.uint64(runs.shape[1])
    channels = runs.shape[0]
    whole = channels - channels % 8
    for k in range(len(offsets)):
        begin = offsets[k]
        for r in range(0, whole, 8):
            w0, w1, w2, w3 = weights[r, k], weights[r + 1, k], weights[r + 2, k], weights[r + 3, k]
            w4, w5, w6, w7 = weights[r + 4, k], weights[r + 5, k], weights[r + 6, k], weights[r + 7, k]
            for p in range(length):
                planes[begin + p] += (
                    w0 * runs[r, p] + w1 * runs[r + 1, p] + w2 * runs[r + 2, p] + w3 * runs[r + 3, p]
                    + w4 * runs[r + 4, p] + w5 * runs[r + 5, p] + w6 * runs[r + 6, p] + w7 * runs[r + 7, p]
                )  # fmt: skip
        for r in range(whole, channels):
            w0 = weights[r, k]
            for p in range(length):
                planes[begin + p] += w0 * runs[r, p]


@inner
def _contract(sums: Array, part: int, runs: Array, planes: Array, offsets: Array) -> None:
    """sums[part, r, k] += sum over the run of runs[r, p] * planes[offsets[k] + p], four taps at a time."""
    length = np.uint64(runs.shape[1])
    taps = len(offsets)
    whole = taps - taps % 4
    for r in range(runs.shape[0]):
        for k in range(0, whole, 4):
            o0, o1, o2, o3 = offsets[k], offsets[k + 1], offsets[k + 2], offsets[k + 3]
            s0 = s1 = s2 = s3 = np.float32(0)
            for p in range(length):
                value = runs[r, p]
                s0 += value * planes[o0 + p]
                s1 += value * planes[o1 + p]
                s2 += value * planes[o2 + p]
                s3 += value * planes[o3 + p]
            sums[part, r, k] += s0
            sums[part, r, k + 1] += s1
            sums[part, r, k + 2] += s2
            sums[part, r, k + 3] += s3
        for k in range(whole, taps):
            s0, o0 = np.float32(0), offsets[k]
            for p in range(length):
                s0 += runs[r, p] * planes[o0 + p]
            sums[part, r, k] += s0


@parallel
def _to_windows(
    images: Array, weights: Array, bias: Array, windows: Array, offsets: Array, geometry: Array, threads: int
) -> None:
    """Each window's sum with the weights (channels of `windows`, taps), plus bias."""
    stride, padding, height, width, size, run = geometry
    count = len(images)
    for part in prange(threads):
        planes = np.empty(size, np.float32)
        runs = np.empty((windows.shape[1], run), np.float32)
        for sample in range(part * count // threads, (part + 1) * count // threads):
            _spread(images, sample, planes, stride, padding, height, width)
            for channel in range(windows.shape[1]):
                for p in range(run):
                    runs[channel, p] = bias[channel]
            _correlate(runs, weights, planes, offsets)
            for channel in range(windows.shape[1]):
                for row in range(windows.shape[2]):
                    for column in range(windows.shape[3]):
                        windows[sample, channel, row, column] = runs[channel, row * width + column]


@parallel
def _from_windows(
    windows: Array, weights: Array, bias: Array, images: Array, offsets: Array, geometry: Array, threads: int
) -> None:
    """Each window's value spread over its inputs by the weights, plus bias."""
    stride, padding, height, width, size, run = geometry
    count = len(images)
    for part in prange(threads):
        planes = np.empty(size, np.float32)
        runs = np.empty((windows.shape[1], run), np.float32)
        for sample in range(part * count // threads, (part + 1) * count // threads):
            _align(windows, sample, runs, width)
            planes[:] = np.float32(0)
            _scatter(planes, weights, runs, offsets)
            _gather(planes, images, sample, bias, stride, padding, height, width)


@parallel
def _to_weights(images: Array, windows: Array, sums: Array, offsets: Array, geometry: Array) -> None:
    """Sum over samples and positions of window value times input: sums (threads, channels of `windows`, taps)."""
    stride, padding, height, width, size, run = geometry
    count = len(images)
    for part in prange(len(sums)):
        planes = np.empty(size, np.float32)
        runs = np.empty((windows.shape[1], run), np.float32)
        sums[part] = np.float32(0)
        for sample in range(part * count // len(sums), (part + 1) * count // len(sums)):
            _spread(images, sample, planes, stride, padding, height, width)
            _align(windows, sample, runs, width)
            _contract(sums, part, runs, planes, offsets)


@parallel
def _add_parts(sums: Array, total: Array) -> None:
    """total[r, k] = sum of the parts, in their order."""
    for r in prange(total.shape[0]):
        for k in range(total.shape[1]):
            value = np.float32(0)
            for part in range(len(sums)):
                value += sums[part, r, k]
            total[r, k] = value


@parallel
def _sum_channels(values: Array, total: Array) -> None:
    """total[c] = sum of values (n, channels, height, width) over all but c: a sum for each sample, then their sum."""
    for channel in prange(values.shape[1]):
        total[channel] = 0
        for sample in range(values.shape[0]):
            value = np.float32(0)
            for row in range(values.shape[2]):
                for column in range(values.shape[3]):
                    value += values[sample, channel, row, column]
            total[channel] += value


def _matrix(weight: Array) -> Array:
    return weight.reshape(len(weight), -1)


def _bias(call: Call) -> Array:
    return call.weights["bias"] if "bias" in call.weights else _no_bias(call, call.output)


def _geometry(planes: Planes) -> tuple[int, ...]:
    return planes.stride, planes.padding, planes.height, planes.width, planes.size, planes.run


def _weight_gradient(call: Call, planes: Planes, images: Array, windows: Array) -> None:
    total = _matrix(call.gradients["weight"])
    sums = call.array("sums", (numba.get_num_threads(), *total.shape))
    _to_weights(images, windows, sums, planes.offsets, _geometry(planes))
    _add_parts(sums, total)
    if "bias" in call.gradients:
        _sum_channels(call.gradient, call.gradients["bias"])


def _no_bias(call: Call, images: Array) -> Array:
    channels = images.shape[1]
    return call.constant(f"zeros {channels}", lambda: np.zeros(channels, np.float32))


def _forward(call: Call) -> None:
    planes = call.constant("planes", lambda: planes_of(call, call.inputs[0], call.output))
    weight = _matrix(call.weights["weight"])
    bias, threads = _bias(call), numba.get_num_threads()
    _to_windows(call.inputs[0], weight, bias, call.output, planes.offsets, _geometry(planes), threads)


def _backward(call: Call) -> None:
    planes = call.kept["planes"]
    _weight_gradient(call, planes, call.inputs[0], call.gradient)
    if (images := call.input_gradients[0]) is not None:
        weight, threads = _matrix(call.weights["weight"]), numba.get_num_threads()
        bias = _no_bias(call, images)
        _from_windows(call.gradient, weight, bias, images, planes.offsets, _geometry(planes), threads)


def _transpose_forward(call: Call) -> None:
    planes = call.constant("planes", lambda: planes_of(call, call.output, call.inputs[0]))
    weight = _matrix(call.weights["weight"])
    bias, threads = _bias(call), numba.get_num_threads()
    _from_windows(call.inputs[0], weight, bias, call.output, planes.offsets, _geometry(planes), threads)


def _transpose_backward(call: Call) -> None:
    planes = call.kept["planes"]
    _weight_gradient(call, planes, call.gradient, call.inputs[0])
    if (windows := call.input_gradients[0]) is not None:
        weight, threads = _matrix(call.weights["weight"]), numba.get_num_threads()
        bias = _no_bias(call, windows)
        _to_windows(call.gradient, weight, bias, windows, planes.offsets, _geometry(planes), threads)


KERNELS = {
    **kernels("conv2d", (_forward,), (_backward,)),
    **kernels("conv_transpose2d", (_transpose_forward,), (_transpose_backward,)),
}
