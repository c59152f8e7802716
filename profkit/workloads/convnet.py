"""Three to six stages of convolution, batch norm, ReLU and pooling on 32 x 32 images, with any kernel size."""

from __future__ import annotations

from profkit.options import Option, Options
from profkit.spec import Layer, Network, Workload
from profkit.workloads import batch_norm2d, conv2d, linear, max_pool2d

SCALINGS = {"symmetric": (0.5, 0.5), "unit": (0.0, 1.0)}
"""Mean and deviation that bring pixels to [-1, 1] or leave them in [0, 1]."""


def _convolution(stage: int, channels: int, filters: int, kernel_size: int, padding: str) -> tuple[Layer, ...]:
    """The convolution of a stage, behind a layer of zeros where its padding is not the same on both sides."""
    path = f"conv{stage}"
    if padding == "seed":  # as the published programs had it: the image grows
        return (conv2d(path, channels, filters, kernel_size, padding=(kernel_size + kernel_size % 2) // 2),)
    if kernel_size % 2:
        return (conv2d(path, channels, filters, kernel_size, padding=kernel_size // 2),)
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    sides = {"left": before, "right": after, "top": before, "bottom": after}
    return (Layer(f"pad{stage}", "zero_pad2d", sides), conv2d(path, channels, filters, kernel_size))


def build(options: Options) -> Network:
    """The network for `layers` stages of 16, 32, 64, ... channels; a stage left with one pixel does not pool."""
    layers: list[Layer] = []
    channels, side = 3, 32
    for stage in range(1, int(options["layers"]) + 1):
        filters = 16 * 2 ** (stage - 1)
        layers += _convolution(stage, channels, filters, int(options["kernel_size"]), str(options["padding"]))
        layers += (batch_norm2d(f"norm{stage}", filters), Layer(f"relu{stage}", "relu"))
        if side > 1 or options["padding"] == "seed":
            layers.append(max_pool2d(f"pool{stage}", 2, 2))
        channels, side = filters, side // 2
    layers += (
        Layer("average", "adaptive_avg_pool2d", {"output_size": 1}),
        Layer("flatten", "flatten"),
        linear("linear", channels, 10),
    )
    mean, deviation = SCALINGS[str(options["scaling"])]
    recipe = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 1e-3}
    return Network(
        (3, 32, 32), tuple(layers), "cross_entropy", "adam", recipe, mean=3 * (mean,), deviation=3 * (deviation,)
    )


CONVNET = Workload(
    name="convnet",
    summary="3 to 6 stages of conv, batch norm, ReLU, pooling on 3x32x32; cross-entropy, Adam",
    dataset="cifar10",
    batch_size=8,
    options={
        "layers": Option(3, "number of stages", choices=(3, 4, 5, 6)),
        "kernel_size": Option(3, "of every convolution"),
        "padding": Option("same", "same, or seed: (k + 1) // 2 as published", choices=("same", "seed")),
        "scaling": Option("symmetric", "of the input: symmetric [-1, 1] or unit [0, 1]", choices=tuple(SCALINGS)),
    },
    build=build,
)
