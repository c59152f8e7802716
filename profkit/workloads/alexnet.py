"""AlexNet in torchvision's layout, so that its published weights fit."""

from __future__ import annotations

from profkit.options import Option, Options
from profkit.spec import Layer, Network, Workload
from profkit.workloads import conv2d, linear, max_pool2d

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images by channel."""


def build(options: Options) -> Network:
    """The network for `classes`."""
    layers = (
        conv2d("features.0", 3, 64, 11, stride=4, padding=2),
        Layer("features.1", "relu"),
        max_pool2d("features.2", 3, 2),
        conv2d("features.3", 64, 192, 5, padding=2),
        Layer("features.4", "relu"),
        max_pool2d("features.5", 3, 2),
        conv2d("features.6", 192, 384, 3, padding=1),
        Layer("features.7", "relu"),
        conv2d("features.8", 384, 256, 3, padding=1),
        Layer("features.9", "relu"),
        conv2d("features.10", 256, 256, 3, padding=1),
        Layer("features.11", "relu"),
        max_pool2d("features.12", 3, 2),
        Layer("avgpool", "adaptive_avg_pool2d", {"output_size": 6}),
        Layer("flatten", "flatten"),
        Layer("classifier.0", "dropout", {"p": 0.5}),
        linear("classifier.1", 256 * 6 * 6, 4096),
        Layer("classifier.2", "relu"),
        Layer("classifier.3", "dropout", {"p": 0.5}),
        linear("classifier.4", 4096, 4096),
        Layer("classifier.5", "relu"),
        linear("classifier.6", 4096, int(options["classes"])),
    )
    recipe = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}
    return Network((3, 224, 224), layers, "cross_entropy", "sgd", recipe, mean=MEAN, deviation=DEVIATION)


ALEXNET = Workload(
    name="alexnet",
    summary="AlexNet in torchvision's layout on 3x224x224; inference, weights from a state_dict file",
    dataset="imagenet",
    batch_size=32,
    options={"classes": Option(1000, "outputs of the last layer")},
    build=build,
    modes=("infer", "train"),
)
