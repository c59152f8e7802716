"""What networks and optimizers are found to be when the recorded steps are over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from profkit.guest.tensors import flushes_denormals, places, subnormal_share, unnoticed


def names_of(networks: Sequence[torch.nn.Module]) -> dict[int, str]:
    """Names of the networks' weights by their identity; those of all but the first begin with the network's class."""
    names: dict[int, str] = {}
    for number, network in enumerate(networks):
        prefix = f"{type(network).__name__}." if number else ""
        for path, weight in network.named_parameters():
            names.setdefault(id(weight), prefix + path.replace("_orig_mod.", ""))  # of torch.compile
    return names


def network_facts(
    networks: Sequence[torch.nn.Module], optimizers: Sequence[torch.optim.Optimizer], changes: Mapping[str, float]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Facts, with the keys of the report, and settings.

    Args:
        networks: that were called from outside, with weights.
        optimizers: that stepped.
        changes: relative change over one update, by weight; empty where none was seen.
    """
    names = names_of(networks)
    weights = {
        name: weight for number, network in enumerate(networks) for name, weight in _named(network, number, names)
    }
    leaves = {id(module) for network in networks for module in network.modules() if not any(module.children())}
    with unnoticed():
        state = dict(_state(optimizers, names))
        share, worst, most = subnormal_share(weights)
        of_state, worst_state, most_of_state = subnormal_share(state)
        flushes = flushes_denormals()
    facts: dict[str, Any] = {
        "parameters": sum(weight.numel() for weight in weights.values() if weight.requires_grad),
        "layers": len(leaves),
        "places": {
            what: where
            for what, where in (("weights", places(weights.values())), ("state", places(state.values())))
            if where
        },
    }
    if share is not None:
        worst = worst_state if most_of_state > most else worst
        facts["subnormals"] = {"weights": share, "state": of_state, "worst": worst}
    if changes:
        still = [name for name in names.values() if not changes.get(name)]
        facts["training"] = {"changes": dict(changes), "frozen": still + _unnamed(changes, names)}
    return facts, {
        "flush_denormals": str(flushes).lower(),
        "interop_threads": str(torch.get_num_interop_threads()),
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


def _unnamed(changes: Mapping[str, float], names: Mapping[int, str]) -> list[str]:
    known = set(names.values())
    return [name for name, moved in changes.items() if name not in known and not moved]


def _named(network: torch.nn.Module, number: int, names: Mapping[int, str]) -> Iterator[tuple[str, torch.Tensor]]:
    for weight in network.parameters():
        yield names[id(weight)], weight
    for path, buffer in network.named_buffers():
        yield f"{type(network).__name__}.{path}" if number else path, buffer


def _state(optimizers: Sequence[torch.optim.Optimizer], names: Mapping[int, str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors that optimizers keep; counters of steps, which lie on the CPU wherever the weights are, are none."""
    for optimizer in optimizers:
        for number, (weight, kept) in enumerate(optimizer.state.items()):
            for what, value in kept.items() if isinstance(kept, dict) else ():
                if isinstance(value, torch.Tensor) and value.dim():
                    yield f"{names.get(id(weight), number)} ({what})", value
