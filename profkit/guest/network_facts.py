"""What networks and optimizers are found to be when the recorded steps are over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from profkit.guest.tensors import flushes_denormals, places, subnormal_share, unnoticed


def names_of(networks: Sequence[torch.nn.Module]) -> dict[int, str]:
    """Names of the networks' weights by their identity; those of all but the first begin with the network's class."""
    names: dict[int, str] = {}
    for prefix, network in zip(_prefixes(networks), networks, strict=True):
        for path, weight in network.named_parameters():
            names.setdefault(id(weight), prefix + path.replace("_orig_mod.", ""))  # of torch.compile
    return names


def _prefixes(networks: Sequence[torch.nn.Module]) -> list[str]:
    """Beginnings of the networks' names: as those of their layers, and with a number where a class comes again."""
    classes = [type(network).__name__ for network in networks]
    return [
        f"{name}{number if name in classes[1:number] else ''}." if number else "" for number, name in enumerate(classes)
    ]


def network_facts(
    networks: Sequence[torch.nn.Module], optimizers: Sequence[torch.optim.Optimizer], changes: Mapping[int, float]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Facts, with the keys of the report, and settings.

    Args:
        networks: that were called from outside, with weights.
        optimizers: that stepped.
        changes: relative change over one update, by the weight's identity; empty where none was seen.
    """
    names = names_of(networks)
    weights = {
        name: weight
        for prefix, network in zip(_prefixes(networks), networks, strict=True)
        for name, weight in _named(network, prefix, names)
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
    if changed := _changes(networks, optimizers, changes, names):
        facts["training"] = {"changes": changed, "frozen": [name for name, change in changed.items() if not change]}
    return facts, {
        "flush_denormals": str(flushes).lower(),
        "interop_threads": str(torch.get_num_interop_threads()),
        **_precision(),
    }


def _precision() -> dict[str, str]:
    try:
        return {"matmul_precision": torch.get_float32_matmul_precision()}
    except RuntimeError:  # the program has chosen it for each backend or operator
        return {}


def _changes(
    networks: Sequence[torch.nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    changes: Mapping[int, float],
    names: Mapping[int, str],
) -> dict[str, float]:
    """Changes by name, in the order of the networks; those that are no numbers are left out, as JSON has none.

    A weight of the first network that no optimizer has is frozen; one of another network may be a copy of a trained
    one, as those of averages and teachers are, and one whose optimizer was not seen to step is not known.
    """
    if not changes:
        return {}
    owned = [id(weight) for optimizer in optimizers for group in optimizer.param_groups for weight in group["params"]]
    frozen = {id(weight) for network in networks[:1] for weight in network.parameters()}.difference(owned)
    unnamed = {identity: f"optimizer.{number}" for number, identity in enumerate(owned)}
    found = {
        name: changes.get(identity, 0.0)
        for identity, name in {**names, **{key: name for key, name in unnamed.items() if key not in names}}.items()
        if identity in changes or identity in frozen
    }
    return {name: change for name, change in found.items() if math.isfinite(change)}


def _named(network: torch.nn.Module, prefix: str, names: Mapping[int, str]) -> Iterator[tuple[str, torch.Tensor]]:
    for weight in network.parameters():
        yield names[id(weight)], weight
    for path, buffer in network.named_buffers():
        yield prefix + path.replace("_orig_mod.", ""), buffer


def _state(optimizers: Sequence[torch.optim.Optimizer], names: Mapping[int, str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors that optimizers keep; counters of steps, which lie on the CPU wherever the weights are, are none."""
    for optimizer in optimizers:
        for number, (weight, kept) in enumerate(optimizer.state.items()):
            for what, value in kept.items() if isinstance(kept, dict) else ():
                if isinstance(value, torch.Tensor) and value.dim():
                    yield f"{names.get(id(weight), number)} ({what})", value
