"""Residual networks of 18 and 34 layers in their form for 32 x 32 images."""

from __future__ import annotations

from functools import partial

from profkit.options import Option, Options
from profkit.spec import Layer, Network, Workload
from profkit.workloads import batch_norm2d, conv2d, linear, max_pool2d

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of CIFAR-10's training images by channel."""


def _stem(form: str) -> tuple[Layer, ...]:
    if form == "imagenet":
        first = conv2d("conv1", 3, 64, 7, stride=2, padding=3, bias=False)
        return (first, batch_norm2d("bn1", 64), Layer("relu1", "relu"), max_pool2d("pool1", 3, 2, 1))
    return (
        conv2d("conv1", 3, 64, 3, padding=1, bias=False),
        batch_norm2d("bn1", 64),
        Layer("relu1", "relu"),
    )


def _block(path: str, source: str, channels: int, filters: int, stride: int) -> tuple[Layer, ...]:
    """Two convolutions and a shortcut around them, which is a convolution where the shape changes."""
    around: tuple[Layer, ...] = ()
    shortcut = source
    if stride != 1 or channels != filters:
        shortcut = f"{path}.shortcut.1"
        around = (
            conv2d(f"{path}.shortcut.0", channels, filters, 1, stride=stride, bias=False, inputs=(source,)),
            batch_norm2d(shortcut, filters),
        )
    return (
        conv2d(f"{path}.conv1", channels, filters, 3, stride=stride, padding=1, bias=False),
        batch_norm2d(f"{path}.bn1", filters),
        Layer(f"{path}.relu1", "relu"),
        conv2d(f"{path}.conv2", filters, filters, 3, padding=1, bias=False),
        batch_norm2d(f"{path}.bn2", filters),
        *around,
        Layer(f"{path}.add", "add", {}, (f"{path}.bn2", shortcut)),
        Layer(f"{path}.relu2", "relu"),
    )


def build(blocks: tuple[int, ...], options: Options) -> Network:
    """The network with so many blocks in each stage; the first block of a stage but the first halves the image."""
    stem, channels = str(options["stem"]), 64
    layers = list(_stem(stem))
    for stage, count in enumerate(blocks):
        filters = 64 * 2**stage
        for block in range(count + int(options["extra_block"])):
            stride = 2 if stage and not block else 1
            layers += _block(f"layer{stage + 1}.{block}", layers[-1].path, channels, filters, stride)
            channels = filters
    average = (
        Layer("average", "adaptive_avg_pool2d", {"output_size": 1})
        if stem == "imagenet"  # its last stage is one pixel wide
        else Layer("average", "avg_pool2d", {"kernel_size": 4, "stride": 4, "padding": 0})
    )
    layers += (average, Layer("flatten", "flatten"), linear("linear", channels, 10))
    recipe = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    return Network(
        (3, 32, 32),
        tuple(layers),
        "cross_entropy",
        "sgd",
        recipe,
        mean=MEAN,
        deviation=DEVIATION,
        crop_padding=4 if options["augment"] == "crop_flip" else 0,
    )


OPTIONS = {
    "stem": Option("cifar", "cifar: 3x3; imagenet: 7x7 stride 2 and pooling", choices=("cifar", "imagenet")),
    "extra_block": Option(0, "blocks too many in each stage, as the published C++ had", choices=(0, 1), least=0),
    "augment": Option("none", "training images as they are, or crop_flip", choices=("none", "crop_flip")),
}

RESNET18 = Workload(
    name="resnet18",
    summary="residual network of 18 layers on 3x32x32; cross-entropy, SGD with momentum and weight decay",
    dataset="cifar10",
    batch_size=128,
    options=OPTIONS,
    build=partial(build, (2, 2, 2, 2)),
)

RESNET34 = Workload(
    name="resnet34",
    summary="residual network of 34 layers on 3x32x32; cross-entropy, SGD with momentum and weight decay",
    dataset="cifar10",
    batch_size=128,
    options=OPTIONS,
    build=partial(build, (3, 4, 6, 3)),
)
