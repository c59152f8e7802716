"""Build the modules of a network in PyTorch; `cpp/src/layers.cpp` is the twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

LAYER_BUILDERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "conv2d": lambda settings: nn.Conv2d(**settings),
    "relu": lambda _: nn.ReLU(),
    "max_pool2d": lambda settings: nn.MaxPool2d(settings["kernel_size"]),
    "flatten": lambda _: nn.Flatten(),
    "linear": lambda settings: nn.Linear(**settings),
}

LOSS_BUILDERS: dict[str, Callable[[], nn.Module]] = {"cross_entropy": nn.CrossEntropyLoss}

OPTIMIZER_BUILDERS: dict[str, Callable[[Iterable[nn.Parameter], Mapping[str, Any]], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, hyperparameters: torch.optim.SGD(parameters, **hyperparameters),
}


def build_layer(kind: str, settings: Mapping[str, int]) -> nn.Module:
    """One module with torch's own initial weights, drawn from the global generator."""
    return LAYER_BUILDERS[kind](settings)
