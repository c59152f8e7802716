"""Multiply-adds of the network's own call, told by the shapes that pass its layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from profkit.guest.step_clock import StepClock


class MacsOf:
    """Counts one call of a network, then listens no more.

    Args:
        network: that is about to be called.
        clock: that tells of calls.
        facts: where `macs` goes: of one sample, of convolutions and linear layers; nothing goes there where a weight
            of the network is used otherwise, since that is not seen, or where it is not known how many samples there
            are: the first argument is no batch.
    """

    def __init__(self, network: nn.Module, clock: StepClock, facts: dict[str, Any]) -> None:
        self._network = network
        self._clock = clock
        self._facts = facts
        self._macs = 0
        self._seen: set[int] = set()

    def __call__(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """A module was called."""
        weight = module._parameters.get("weight")  # as an attribute it may be computed, and that may draw or count
        if isinstance(weight, torch.Tensor) and isinstance(output, torch.Tensor) and inputs:
            self._seen.add(id(weight))
            self._macs += _macs(module, weight, inputs[0], output)
        if module is self._network:
            self._clock.watch = None
            matrices = [weight for weight in module.parameters() if weight.dim() > 1]
            samples = _samples(inputs[0]) if inputs else 0
            if samples and self._macs and all(id(weight) in self._seen for weight in matrices):
                self._facts["macs"] = self._macs // samples


def _samples(batch: Any) -> int:
    """Samples of a batch; none where it is no tensor, or one of a single dimension, which may be a sample itself."""
    return len(batch) if isinstance(batch, torch.Tensor) and batch.dim() > 1 else 0


def _macs(module: nn.Module, weight: torch.Tensor, given: Any, output: torch.Tensor) -> int:
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, _ConvTransposeNd):
        return int(given.numel() * weight[0].numel())
    if isinstance(module, _ConvNd):
        return output.numel() * weight[0].numel()
    return 0
