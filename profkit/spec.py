"""A network and its training recipe as data, in no programming language.

Both builders (`profkit.runner.layers` in Python, `cpp/src/layers.cpp` in C++) make the same modules of it. Shapes,
parameter counts and multiply-adds follow from the data alone, without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from profkit.errors import UsageError
from profkit.registry import unknown

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One named module.

    Attributes:
        path: its name in the network (`conv1`), also the prefix of its weights.
        kind: one of `LAYER_KINDS`.
        settings: the kind's own numbers (`in_channels`, `kernel_size`, ...).
    """

    path: str
    kind: str
    settings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerKind:
    """What follows from a kind of layer by arithmetic.

    Attributes:
        output_shape: from (settings, shape of one input sample) to the shape of one output sample.
        parameter_shapes: from settings to the shape of each weight by its name.
        macs: from (settings, shape of one output sample) to multiply-adds of one sample, forward.
    """

    output_shape: Callable[[Mapping[str, int], Shape], Shape]
    parameter_shapes: Callable[[Mapping[str, int]], dict[str, Shape]] = lambda _: {}
    macs: Callable[[Mapping[str, int], Shape], int] = lambda _settings, _shape: 0


def _conv2d_shape(settings: Mapping[str, int], shape: Shape) -> Shape:
    kernel, padding, stride = settings["kernel_size"], settings["padding"], settings["stride"]
    return (settings["out_channels"], *((size + 2 * padding - kernel) // stride + 1 for size in shape[1:]))


def _conv2d_parameters(settings: Mapping[str, int]) -> dict[str, Shape]:
    kernel = settings["kernel_size"]
    return {
        "weight": (settings["out_channels"], settings["in_channels"], kernel, kernel),
        "bias": (settings["out_channels"],),
    }


LAYER_KINDS: dict[str, LayerKind] = {
    "conv2d": LayerKind(
        _conv2d_shape,
        _conv2d_parameters,
        lambda settings, shape: math.prod(shape) * settings["in_channels"] * settings["kernel_size"] ** 2,
    ),
    "relu": LayerKind(lambda _, shape: shape),
    "max_pool2d": LayerKind(
        lambda settings, shape: (shape[0], *(size // settings["kernel_size"] for size in shape[1:]))
    ),
    "flatten": LayerKind(lambda _, shape: (math.prod(shape),)),
    "linear": LayerKind(
        lambda settings, _: (settings["out_features"],),
        lambda settings: {
            "weight": (settings["out_features"], settings["in_features"]),
            "bias": (settings["out_features"],),
        },
        lambda settings, _: settings["in_features"] * settings["out_features"],
    ),
}
"""Every kind that both builders know; a test holds the C++ list equal to this one."""

LOSSES = ("cross_entropy",)
OPTIMIZERS = ("sgd",)


@dataclass(frozen=True)
class Network:
    """The network and how it is trained.

    Attributes:
        input_shape: of one sample, elements.
        layers: applied one after the other.
        loss: one of `LOSSES`, mean over the batch.
        optimizer: one of `OPTIMIZERS`.
        hyperparameters: of the optimizer (`lr`, `momentum`).
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    loss: str
    optimizer: str
    hyperparameters: Mapping[str, float]

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample after each layer.

        Raises:
            UsageError: a layer's input is smaller than its kernel.
        """
        shape, shapes = self.input_shape, []
        for layer in self.layers:
            after = LAYER_KINDS[layer.kind].output_shape(layer.settings, shape)
            if min(after) < 1:
                raise UsageError(
                    f"layer {layer.path} gets an input of {'x'.join(map(str, shape))}, smaller than its kernel",
                    "choose a smaller kernel size",
                )
            shape = after
            shapes.append(shape)
        return tuple(shapes)

    @property
    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(
            math.prod(shape)
            for layer in self.layers
            for shape in LAYER_KINDS[layer.kind].parameter_shapes(layer.settings).values()
        )

    @property
    def macs(self) -> int:
        """Multiply-adds of one sample, forward, convolution and linear layers; FLOP = 2 x MAC."""
        return sum(
            LAYER_KINDS[layer.kind].macs(layer.settings, shape)
            for layer, shape in zip(self.layers, self.shapes(), strict=True)
        )


@dataclass(frozen=True)
class Workload:
    """A network under a name, with its options and its data.

    Attributes:
        name: on the command line.
        summary: one line.
        dataset: name of a value in `profkit.datasets`.
        batch_size: default samples in a step.
        options: default of each option of the network.
        build: from all options to the network.
    """

    name: str
    summary: str
    dataset: str
    batch_size: int
    options: Mapping[str, int]
    build: Callable[[Mapping[str, int]], Network]

    def network(self, options: Mapping[str, int]) -> Network:
        """The network with `options` over the defaults.

        Raises:
            UsageError: an option that does not exist or does not fit the input.
        """
        for name, value in options.items():
            if name not in self.options:
                raise unknown(f"option of {self.name}", name, self.options)
            if value < 1:
                raise UsageError(f"option {name} is {value}", "it counts something: 1 or more")
        network = self.build({**self.options, **options})
        network.shapes()
        return network


def parse_options(texts: Sequence[str]) -> dict[str, int]:
    """Read `name=value` pairs.

    Raises:
        UsageError: one is not of that form or its value is no whole number.
    """
    options = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not value.removeprefix("-").isdigit():
            raise UsageError(
                f"--option '{text}' is not name=value with a whole number", "for example --option filters1=16"
            )
        options[name] = int(value)
    return options
