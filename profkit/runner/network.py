"""The modules of a bundle's layers, run in their order; `cpp/src/network.cpp` is the twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from profkit.runner.layers import SharedDropout, build_layer
from profkit.runner.scope import NO_SCOPES, Scopes

INPUT = "input"


@dataclass(frozen=True)
class _Stage:
    """A layer as it runs.

    Attributes:
        path: of the layer.
        scope: its name as a scope, made once: what a step computes for itself would be measured with it.
        module: that computes it.
        sources: paths of the outputs it takes; empty for what the stage before made.
        kept: whether a later stage asks for its output by name.
        released: outputs that no later stage asks for.
    """

    path: str
    scope: str
    module: nn.Module
    sources: tuple[str, ...]
    kept: bool
    released: tuple[str, ...]


class Network(nn.Module):
    """Runs layers one after the other; a layer takes the output of the one before it, or those it names."""

    def __init__(self, stages: Sequence[_Stage]) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.input_kept = any(INPUT in stage.sources for stage in stages)
        self.layers = nn.ModuleList(stage.module for stage in stages)

    def forward(self, inputs: torch.Tensor, scope: Scopes = NO_SCOPES) -> torch.Tensor:
        """Output of the last layer for a batch (batch size, *input shape), each layer in its scope."""
        values = {INPUT: inputs} if self.input_kept else {}
        value = inputs
        for stage in self.stages:
            value = scope.run(stage.scope, _run, stage, value, values) if scope.layers else _run(stage, value, values)
            if stage.kept:
                values[stage.path] = value
            for path in stage.released:
                del values[path]
        return value

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by `<path>.<name>`: copies on the host, in the order of the layers."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self._tensors()}

    def named_weights(self) -> dict[str, nn.Parameter]:
        """Parameters by `<path>.<name>`, in the order of the layers."""
        return {
            f"{stage.path}.{name}": parameter
            for stage in self.stages
            for name, parameter in stage.module.named_parameters()
        }

    def load_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Copy weights and buffers in.

        Raises:
            ValueError: a name or a shape does not fit.
        """
        own = dict(self._tensors())
        for name in [*own, *weights]:
            if name not in weights or name not in own:
                raise ValueError(f"{'there is no' if name in own else 'no layer has a'} weight '{name}'")
            if own[name].shape != weights[name].shape:
                shapes = [tuple(tensor.shape) for tensor in (weights[name], own[name])]
                raise ValueError(f"weight '{name}' has shape {shapes[0]} in place of {shapes[1]}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(weights[name])

    def initialize_normal(self) -> None:
        """Draw convolutions from N(0, 0.02) and the weights of batch norm from N(1, 0.02)."""
        for module in self.layers:
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
                nn.init.zeros_(module.bias)

    def _tensors(self) -> list[tuple[str, torch.Tensor]]:
        return [
            (f"{stage.path}.{name}", tensor)
            for stage in self.stages
            for name, tensor in stage.module.state_dict(keep_vars=True).items()
        ]


def _run(stage: _Stage, value: torch.Tensor, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if stage.sources:
        return stage.module(*[values[source] for source in stage.sources])
    return stage.module(value)


def build_network(layers: Sequence[Mapping[str, Any]], masks: Mapping[str, torch.Tensor] | None = None) -> Network:
    """The network of a bundle's layers with torch's own initial weights.

    Args:
        layers: path, kind, settings and inputs of each.
        masks: of each dropout layer, where every implementation is to drop the same.
    """
    last_use = {source: index for index, layer in enumerate(layers) for source in layer["inputs"]}
    stages = []
    for index, layer in enumerate(layers):
        module = (
            SharedDropout(masks[layer["path"]], layer["settings"]["p"])
            if masks is not None and layer["kind"] == "dropout"
            else build_layer(layer["kind"], layer["settings"])
        )
        released = tuple(dict.fromkeys(source for source in layer["inputs"] if last_use[source] == index))
        path = layer["path"]
        stages.append(_Stage(path, f"layer/{path}", module, tuple(layer["inputs"]), path in last_use, released))
    return Network(stages)
