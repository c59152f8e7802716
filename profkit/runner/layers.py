"""Build the modules of a network in PyTorch; `cpp/src/layers.cpp` is the twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

Settings = Mapping[str, Any]


class Add(nn.Module):
    """The sum of two outputs: where a shortcut joins."""

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Sum of two tensors of one shape."""
        return one + other


class SharedDropout(nn.Module):
    """Dropout that every implementation draws alike: by given masks, one a training step, in turn.

    Args:
        masks: uint8 (masks, batch size, *shape of a sample), 1 where a value is kept.
        p: share of values dropped.
    """

    masks: torch.Tensor

    def __init__(self, masks: torch.Tensor, p: float) -> None:
        super().__init__()
        self.register_buffer("masks", masks, persistent=False)
        self.p = p
        self.steps = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The kept values, scaled so that their mean stays; all of them in evaluation mode."""
        if not self.training:
            return inputs
        mask = self.masks[self.steps % len(self.masks)][: len(inputs)]
        self.steps += 1
        return inputs * mask / (1 - self.p)


def _convolution(module: Callable[..., nn.Module]) -> Callable[[Settings], nn.Module]:
    return lambda settings: module(**{**settings, "bias": bool(settings["bias"])})


LAYER_BUILDERS: Mapping[str, Callable[[Settings], nn.Module]] = {
    "adaptive_avg_pool2d": lambda settings: nn.AdaptiveAvgPool2d(settings["output_size"]),
    "add": lambda _: Add(),
    "avg_pool2d": lambda settings: nn.AvgPool2d(**settings),
    "batch_norm2d": lambda settings: nn.BatchNorm2d(**settings),
    "conv2d": _convolution(nn.Conv2d),
    "conv_transpose2d": _convolution(nn.ConvTranspose2d),
    "dropout": lambda settings: nn.Dropout(**settings),
    "flatten": lambda _: nn.Flatten(),
    "linear": _convolution(nn.Linear),
    "max_pool2d": lambda settings: nn.MaxPool2d(**settings),
    "relu": lambda _: nn.ReLU(),
    "tanh": lambda _: nn.Tanh(),
    "zero_pad2d": lambda settings: nn.ZeroPad2d(
        (settings["left"], settings["right"], settings["top"], settings["bottom"])
    ),
}

LOSS_BUILDERS: Mapping[str, Callable[[], nn.Module]] = {
    "cross_entropy": nn.CrossEntropyLoss,
    "l1": nn.L1Loss,
    "l2": nn.MSELoss,
}


def _sgd(parameters: Iterable[nn.Parameter], given: Mapping[str, float]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, given["lr"], given["momentum"], weight_decay=given["weight_decay"])


def _adam(parameters: Iterable[nn.Parameter], given: Mapping[str, float]) -> torch.optim.Optimizer:
    betas = (given["beta1"], given["beta2"])
    return torch.optim.Adam(parameters, given["lr"], betas, weight_decay=given["weight_decay"])


OPTIMIZER_BUILDERS: Mapping[str, Callable[[Iterable[nn.Parameter], Mapping[str, float]], torch.optim.Optimizer]] = {
    "adam": _adam,
    "sgd": _sgd,
}


def build_layer(kind: str, settings: Settings) -> nn.Module:
    """One module with torch's own initial weights, drawn from the global generator."""
    return LAYER_BUILDERS[kind](settings)
