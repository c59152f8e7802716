"""Workloads: one network and its recipe a module, each a `profkit.spec.Workload` value."""

from __future__ import annotations

from profkit.layer_kinds import Number
from profkit.spec import Layer


def conv2d(
    path: str,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    bias: bool = True,
    inputs: tuple[str, ...] = (),
    kind: str = "conv2d",
) -> Layer:
    """A convolution with a square kernel, or with `kind` a transposed one."""
    settings: dict[str, Number] = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "bias": int(bias),
    }
    return Layer(path, kind, settings, inputs)


def batch_norm2d(path: str, channels: int) -> Layer:
    """Batch normalisation with torch's own epsilon and momentum."""
    return Layer(path, "batch_norm2d", {"num_features": channels, "eps": 1e-5, "momentum": 0.1})


def max_pool2d(path: str, kernel_size: int, stride: int, padding: int = 0) -> Layer:
    """The largest value in each window."""
    return Layer(path, "max_pool2d", {"kernel_size": kernel_size, "stride": stride, "padding": padding})


def linear(path: str, in_features: int, out_features: int) -> Layer:
    """A linear layer with bias."""
    return Layer(path, "linear", {"in_features": in_features, "out_features": out_features, "bias": 1})
