"""Two convolutions and two linear layers on 28 x 28 images."""

from __future__ import annotations

from profkit.options import Option, Options
from profkit.spec import Layer, Network, Workload
from profkit.workloads import conv2d, linear, max_pool2d


def build(options: Options) -> Network:
    """The network for `filters1`, `filters2`, `hidden` and `kernel_size`; pooling drops the odd row and column."""
    filters1, filters2, hidden, kernel_size = (
        int(options[name]) for name in ("filters1", "filters2", "hidden", "kernel_size")
    )
    side = ((28 - kernel_size + 1) // 2 - kernel_size + 1) // 2
    features = filters2 * max(side, 0) ** 2
    layers = (
        conv2d("conv1", 1, filters1, kernel_size),
        Layer("relu1", "relu"),
        max_pool2d("pool1", 2, 2),
        conv2d("conv2", filters1, filters2, kernel_size),
        Layer("relu2", "relu"),
        max_pool2d("pool2", 2, 2),
        Layer("flatten", "flatten"),
        linear("linear1", features, hidden),
        Layer("relu3", "relu"),
        linear("linear2", hidden, 10),
    )
    recipe = {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    return Network((1, 28, 28), layers, "cross_entropy", "sgd", recipe, mean=(0.1307,), deviation=(0.3081,))


MNIST_CNN = Workload(
    name="mnist_cnn",
    summary="conv 8, conv 16, linear 128, linear 10 on 1x28x28; cross-entropy, SGD with momentum",
    dataset="mnist",
    batch_size=512,
    options={
        "filters1": Option(8, "channels of the first convolution"),
        "filters2": Option(16, "channels of the second convolution"),
        "hidden": Option(128, "outputs of the first linear layer"),
        "kernel_size": Option(3, "of both convolutions"),
    },
    build=build,
)
