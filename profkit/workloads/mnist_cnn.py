"""Two convolutions and two linear layers on 28 x 28 images."""

from __future__ import annotations

from collections.abc import Mapping

from profkit.spec import Layer, Network, Workload


def _conv2d(path: str, in_channels: int, out_channels: int, kernel_size: int) -> Layer:
    settings = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "kernel_size": kernel_size,
        "stride": 1,
        "padding": 0,
    }
    return Layer(path, "conv2d", settings)


def build(options: Mapping[str, int]) -> Network:
    """The network for `filters1`, `filters2`, `hidden` and `kernel_size`; pooling drops the odd row and column."""
    kernel_size, filters2, hidden = options["kernel_size"], options["filters2"], options["hidden"]
    side = ((28 - kernel_size + 1) // 2 - kernel_size + 1) // 2
    features = filters2 * max(side, 0) ** 2
    layers = (
        _conv2d("conv1", 1, options["filters1"], kernel_size),
        Layer("relu1", "relu"),
        Layer("pool1", "max_pool2d", {"kernel_size": 2}),
        _conv2d("conv2", options["filters1"], filters2, kernel_size),
        Layer("relu2", "relu"),
        Layer("pool2", "max_pool2d", {"kernel_size": 2}),
        Layer("flatten", "flatten"),
        Layer("linear1", "linear", {"in_features": features, "out_features": hidden}),
        Layer("relu3", "relu"),
        Layer("linear2", "linear", {"in_features": hidden, "out_features": 10}),
    )
    return Network((1, 28, 28), layers, "cross_entropy", "sgd", {"lr": 0.01, "momentum": 0.9})


MNIST_CNN = Workload(
    name="mnist_cnn",
    summary="conv 8, conv 16, linear 128, linear 10 on 1x28x28; cross-entropy, SGD with momentum",
    dataset="mnist",
    batch_size=512,
    options={"filters1": 8, "filters2": 16, "hidden": 128, "kernel_size": 3},
    build=build,
)
