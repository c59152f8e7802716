"""What follows from a kind of layer by arithmetic alone: shapes, parameters, buffers and multiply-adds.

Both builders (`profkit.runner.layers` in Python, `cpp/src/layers.cpp` in C++) know exactly these kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Number = int | float
Shape = tuple[int, ...]
Settings = Mapping[str, Number]


def _no_tensors(_settings: Settings) -> dict[str, Shape]:
    return {}


def _no_macs(_settings: Settings, _before: Shape, _after: Shape) -> int:
    return 0


@dataclass(frozen=True)
class LayerKind:
    """What follows from a kind of layer.

    Attributes:
        output_shape: from (settings, shape of one input sample) to the shape of one output sample.
        parameter_shapes: from settings to the shape of each trainable tensor by its name.
        buffer_shapes: from settings to the shape of each tensor that is kept but not trained.
        macs: from (settings, input shape, output shape) to multiply-adds of one sample, forward.
        inputs: how many outputs of other layers it takes, all of one shape.
    """

    output_shape: Callable[[Settings, Shape], Shape]
    parameter_shapes: Callable[[Settings], dict[str, Shape]] = _no_tensors
    buffer_shapes: Callable[[Settings], dict[str, Shape]] = _no_tensors
    macs: Callable[[Settings, Shape, Shape], int] = _no_macs
    inputs: int = 1


def _same(_settings: Settings, shape: Shape) -> Shape:
    return shape


def _whole(settings: Settings, name: str, default: int = 0) -> int:
    return int(settings.get(name, default))


def _windows(settings: Settings, shape: Shape) -> Shape:
    """Positions of a window that slides over height and width; the last incomplete ones are dropped."""
    kernel, padding = _whole(settings, "kernel_size"), _whole(settings, "padding")
    stride = _whole(settings, "stride", kernel)
    # Python's floor would turn "does not fit" into -1 and then, with a stride, into a position that is none.
    return tuple((size + 2 * padding - kernel) // stride + 1 if size + 2 * padding >= kernel else 0 for size in shape)


def _conv2d_shape(settings: Settings, shape: Shape) -> Shape:
    return (_whole(settings, "out_channels"), *_windows(settings, shape[1:]))


def _pool_shape(settings: Settings, shape: Shape) -> Shape:
    return (shape[0], *_windows(settings, shape[1:]))


def _conv_transpose2d_shape(settings: Settings, shape: Shape) -> Shape:
    kernel, padding, stride = (_whole(settings, name) for name in ("kernel_size", "padding", "stride"))
    return (_whole(settings, "out_channels"), *((size - 1) * stride - 2 * padding + kernel for size in shape[1:]))


def _with_bias(settings: Settings, weight: Shape, outputs: int) -> dict[str, Shape]:
    return {"weight": weight, "bias": (outputs,)} if settings["bias"] else {"weight": weight}


def _conv2d_parameters(settings: Settings) -> dict[str, Shape]:
    inputs, outputs, kernel = (_whole(settings, name) for name in ("in_channels", "out_channels", "kernel_size"))
    return _with_bias(settings, (outputs, inputs, kernel, kernel), outputs)


def _conv_transpose2d_parameters(settings: Settings) -> dict[str, Shape]:
    inputs, outputs, kernel = (_whole(settings, name) for name in ("in_channels", "out_channels", "kernel_size"))
    return _with_bias(settings, (inputs, outputs, kernel, kernel), outputs)


def _linear_parameters(settings: Settings) -> dict[str, Shape]:
    inputs, outputs = _whole(settings, "in_features"), _whole(settings, "out_features")
    return _with_bias(settings, (outputs, inputs), outputs)


def _conv2d_macs(settings: Settings, _before: Shape, after: Shape) -> int:
    """Each output element sums over every input channel and kernel position."""
    return math.prod(after) * _whole(settings, "in_channels") * _whole(settings, "kernel_size") ** 2


def _conv_transpose2d_macs(settings: Settings, before: Shape, _after: Shape) -> int:
    """Each input element is spread over every output channel and kernel position, those cut off included."""
    return math.prod(before) * _whole(settings, "out_channels") * _whole(settings, "kernel_size") ** 2


def _features(settings: Settings) -> Shape:
    return (_whole(settings, "num_features"),)


LAYER_KINDS: dict[str, LayerKind] = {
    "adaptive_avg_pool2d": LayerKind(lambda settings, shape: (shape[0], *2 * (_whole(settings, "output_size"),))),
    "add": LayerKind(_same, inputs=2),
    "avg_pool2d": LayerKind(_pool_shape),
    "batch_norm2d": LayerKind(
        _same,
        lambda settings: {"weight": _features(settings), "bias": _features(settings)},
        lambda settings: {
            "running_mean": _features(settings),
            "running_var": _features(settings),
            "num_batches_tracked": (),
        },
    ),
    "conv2d": LayerKind(_conv2d_shape, _conv2d_parameters, macs=_conv2d_macs),
    "conv_transpose2d": LayerKind(_conv_transpose2d_shape, _conv_transpose2d_parameters, macs=_conv_transpose2d_macs),
    "dropout": LayerKind(_same),
    "flatten": LayerKind(lambda _, shape: (math.prod(shape),)),
    "linear": LayerKind(
        lambda settings, _: (_whole(settings, "out_features"),),
        _linear_parameters,
        macs=lambda settings, _before, _after: _whole(settings, "in_features") * _whole(settings, "out_features"),
    ),
    "max_pool2d": LayerKind(_pool_shape),
    "relu": LayerKind(_same),
    "tanh": LayerKind(_same),
    "zero_pad2d": LayerKind(
        lambda settings, shape: (
            shape[0],
            shape[1] + _whole(settings, "top") + _whole(settings, "bottom"),
            shape[2] + _whole(settings, "left") + _whole(settings, "right"),
        )
    ),
}
"""Every kind that both builders know; a test holds the C++ list equal to this one."""
