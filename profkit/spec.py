"""A network and its training recipe as data, in no programming language.

Shapes, parameter counts and multiply-adds follow from the data alone, without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from profkit.errors import UsageError
from profkit.layer_kinds import LAYER_KINDS, Number, Settings, Shape
from profkit.options import Option, Options, Value, complete
from profkit.registry import unknown

LOSSES = ("cross_entropy", "l1", "l2")
OPTIMIZERS: Mapping[str, Mapping[str, float]] = {
    "sgd": {"lr": 1e-2, "momentum": 0.0, "weight_decay": 0.0},
    "adam": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0},
}
"""Hyperparameters of each optimizer with the values of a recipe that does not say."""

INPUT = "input"
"""What a layer calls the network's input in its `inputs`."""


@dataclass(frozen=True)
class Layer:
    """One named module.

    Attributes:
        path: its name in the network (`layer1.0.conv1`), also the prefix of its weights.
        kind: one of `LAYER_KINDS`.
        settings: the kind's own numbers (`in_channels`, `kernel_size`, ...).
        inputs: paths of the layers whose outputs it takes; empty for the layer before it.
    """

    path: str
    kind: str
    settings: Settings = field(default_factory=dict)
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerSize:
    """What one layer of a network takes and makes, for one sample.

    Attributes:
        layer: which.
        inputs: shape of its (first) input, elements.
        outputs: shape of its output, elements.
        parameters: number of trainable weights.
        macs: multiply-adds, forward.
    """

    layer: Layer
    inputs: Shape
    outputs: Shape
    parameters: int
    macs: int


@dataclass(frozen=True)
class Network:
    """The network and how it is trained.

    Attributes:
        input_shape: of one sample, elements.
        layers: in the order in which they run.
        loss: one of `LOSSES`, mean over the batch.
        optimizer: one of `OPTIMIZERS`.
        hyperparameters: of the optimizer (`lr`, `momentum`).
        target: what the loss compares the output with: `labels`, or for an autoencoder its `inputs`.
        initialization: of the weights: `torch`, each module's own, or `normal`: N(0, 0.02), batch norm N(1, 0.02).
        mean: of each channel of pixels scaled to [0, 1], subtracted from them.
        deviation: that they are divided by.
        crop_padding: pixels of zeros around a training image before it is cropped at random and flipped; 0 for neither.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    loss: str
    optimizer: str
    hyperparameters: Mapping[str, float]
    target: str = "labels"
    initialization: str = "torch"
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    crop_padding: int = 0

    def sizes(self) -> tuple[LayerSize, ...]:
        """What each layer takes and makes.

        Raises:
            UsageError: a layer's input is smaller than its kernel.
        """
        shapes = {INPUT: self.input_shape}
        sizes, last = [], INPUT
        for layer in self.layers:
            kind = LAYER_KINDS[layer.kind]
            before = shapes[layer.inputs[0] if layer.inputs else last]
            after = kind.output_shape(layer.settings, before)
            if min(after) < 1:
                raise UsageError(
                    f"layer {layer.path} gets an input of {'x'.join(map(str, before))}, smaller than its kernel",
                    "choose a smaller kernel size or fewer layers",
                )
            parameters = sum(math.prod(shape) for shape in kind.parameter_shapes(layer.settings).values())
            sizes.append(LayerSize(layer, before, after, parameters, kind.macs(layer.settings, before, after)))
            shapes[layer.path] = after
            last = layer.path
        return tuple(sizes)

    @property
    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(size.parameters for size in self.sizes())

    @property
    def macs(self) -> int:
        """Multiply-adds of one sample, forward, convolution and linear layers; FLOP = 2 x MAC."""
        return sum(size.macs for size in self.sizes())


RECIPE: Mapping[str, Option] = {
    "loss": Option("", "cross_entropy, l1 or l2", choices=("", *LOSSES)),
    "optimizer": Option("", "sgd or adam", choices=("", *OPTIMIZERS)),
    **{
        name: Option(-1.0, f"of the optimizer: {name}", least=0)
        for name in ("lr", "momentum", "weight_decay", "beta1", "beta2")
    },
}
"""Options of every workload that change how it is trained; what is not given stays as the workload has it."""


@dataclass(frozen=True)
class Workload:
    """A network under a name, with its options and its data.

    Attributes:
        name: on the command line.
        summary: one line.
        dataset: name of a value in `profkit.datasets`.
        batch_size: default samples in a step.
        options: of the network, each with its default.
        build: from all options to the network.
        modes: what it is run for by default, the first of `train`, `infer`.
    """

    name: str
    summary: str
    dataset: str
    batch_size: int
    options: Mapping[str, Option]
    build: Callable[[Options], Network]
    modes: tuple[str, ...] = ("train", "infer")

    def complete(self, given: Mapping[str, Value]) -> Options:
        """Every option of the network, as given or by default, and those of the recipe that are given.

        Raises:
            UsageError: an option that does not exist or a value that it cannot have.
        """
        chosen = complete(f"option of {self.name}", {**RECIPE, **self.options}, given)
        return {name: value for name, value in chosen.items() if name in self.options or name in given}

    def network(self, given: Mapping[str, Value]) -> Network:
        """The network with these options over the defaults.

        Raises:
            UsageError: an option that does not exist or does not fit the input.
        """
        chosen = self.complete(given)
        network = _with_recipe(self.build(chosen), {name: chosen[name] for name in given if name in RECIPE})
        network.sizes()
        return network


def _with_recipe(network: Network, recipe: Options) -> Network:
    """The network trained in another way."""
    loss, optimizer = str(recipe.get("loss", network.loss)), str(recipe.get("optimizer", network.optimizer))
    if (loss == "cross_entropy") != (network.target == "labels"):
        raise UsageError(
            f"loss {loss} does not go with targets that are {network.target}",
            "cross_entropy is for labels, l1 and l2 are for an autoencoder",
        )
    known = OPTIMIZERS[optimizer]
    given: dict[str, Number] = {
        name: value
        for name, value in recipe.items()
        if name not in ("loss", "optimizer") and not isinstance(value, str)
    }
    for name in given:
        if name not in known:
            raise unknown(f"hyperparameter of {optimizer}", name, known)
    inherited = {name: value for name, value in network.hyperparameters.items() if name in known}
    if optimizer != network.optimizer:
        inherited = {name: value for name, value in inherited.items() if name in ("lr", "weight_decay")}
    hyperparameters = {**known, **inherited, **{name: float(value) for name, value in given.items()}}
    return replace(network, loss=loss, optimizer=optimizer, hyperparameters=hyperparameters)
