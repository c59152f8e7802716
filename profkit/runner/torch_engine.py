"""PyTorch computes; `cpp/src/engine.cpp` is the twin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from profkit.runner.engine import (
    Choices,
    Conditions,
    Description,
    DeviceMemory,
    EngineKind,
    Outcome,
    UnsupportedError,
)
from profkit.runner.layers import LAYER_BUILDERS, LOSS_BUILDERS, OPTIMIZER_BUILDERS
from profkit.runner.network import build_network
from profkit.runner.scope import NO_SCOPES, Scopes
from profkit.runner.torch_facts import flushes, library_versions, torch_build, torch_settings, torch_versions, truth
from profkit.spec import OPTIMIZERS

DEVICES = ("cpu", "cuda", "mps")


class TorchEngine:
    """The network of a bundle with its loss and its optimizer, on a device of torch.

    Args:
        bundle: what `torch.load` reads from `bundle.pt`.
        choices: how to compute.
    """

    def __init__(self, bundle: Mapping[str, Any], choices: Choices) -> None:
        self.choices = choices
        self.device = torch.device(choices.device)
        self.on_host = self.device.type == "cpu"
        self.seed: int = bundle["seed"]
        self.network = build_network(bundle["layers"], bundle["masks"] if choices.masks else None)
        self.network.load_weights(bundle["weights"])
        self.network.to(self.device, torch.float64 if choices.double else torch.float32)
        self.loss = LOSS_BUILDERS[bundle["loss"]]()
        self.optimizer = OPTIMIZER_BUILDERS[bundle["optimizer"]](
            self.network.named_weights().values(), bundle["hyperparameters"]
        )
        self.trained: bool | None = None
        """Whether the last step of training ran in training mode; None where there was none."""

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy to the device; on the host nothing is done, not even asked of torch."""
        if self.choices.double and tensor.is_floating_point():
            tensor = tensor.double()
        return tensor if self.on_host else tensor.to(self.device)

    def to_host(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy from the device."""
        return tensor.detach().cpu()

    def train_step(self, inputs: torch.Tensor, targets: torch.Tensor, scope: Scopes) -> Outcome:
        """One step of training on a batch."""
        if not self.network.training:
            self.network.train()
        scope.run("phase/optimizer", self.optimizer.zero_grad)
        outputs, loss = scope.run("phase/forward", self._forward, inputs, targets, scope)
        scope.run("phase/backward", loss.backward)
        return scope.run("phase/optimizer", self._update, outputs, loss)

    def _forward(self, inputs: torch.Tensor, targets: torch.Tensor, scope: Scopes) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = self.network(inputs, scope)
        return outputs, scope.run("layer/loss", self.loss, outputs, targets)

    def _update(self, outputs: torch.Tensor, loss: torch.Tensor) -> Outcome:
        self.optimizer.step()
        self.trained = self.network.training
        return Outcome(loss.detach(), outputs.detach())

    def infer_step(self, inputs: torch.Tensor, scope: Scopes) -> torch.Tensor:
        """Output for a batch."""
        if self.network.training:
            self.network.eval()
        with torch.no_grad():
            return scope.run("phase/forward", self.network, inputs, scope)

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers, on the host."""
        return self.network.weights()

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """What the optimizer keeps for each weight, on the host."""
        state = self.optimizer.state
        return {
            f"{path}/{name}": value.detach().cpu().clone()
            for path, weight in self.network.named_weights().items()
            for name, value in state.get(weight, {}).items()
            if isinstance(value, torch.Tensor)
        }

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
        """Take over weights, buffers and optimizer state."""
        self.network.load_weights(weights)
        self.optimizer.state.clear()
        own = self.network.named_weights()
        for key, value in state.items():
            path, _, name = key.rpartition("/")
            if path not in own or (value.dim() and value.shape != own[path].shape):
                raise ValueError(f"the optimizer's '{key}' belongs to no weight of this network")
            # Adam counts its steps on the host, whatever the device.
            place = "cpu" if name == "step" else self.device
            self.optimizer.state[own[path]][name] = value.clone().to(place)

    def start_epoch(self, epoch: int) -> None:
        """Seed torch's generators."""
        torch.manual_seed(self.seed + epoch)

    def conditions(self, inputs: torch.Tensor) -> Conditions:
        """Gradients are what backward leaves at the weights; without it, what an output remembers of its making."""
        training = self.network.training if self.trained is None else self.trained
        weights = list(self.network.named_weights().values())
        grad = (
            any(weight.grad is not None for weight in weights)
            if training
            else self.infer_step(inputs, NO_SCOPES).requires_grad
        )
        # Adam counts its steps on the host, whatever the device.
        kept = (value for own in self.optimizer.state.values() for value in own.values())
        state = [value for value in kept if isinstance(value, torch.Tensor) and value.dim()]
        places = {"weights": _devices([*weights, *self.network.buffers()]), "inputs": _devices([inputs])}
        return Conditions(grad, training, {**places, "state": _devices(state)})

    def memory(self) -> DeviceMemory:
        """What CUDA's allocator holds."""
        if self.device.type == "cuda":
            return DeviceMemory(
                torch.cuda.memory_allocated(), torch.cuda.memory_reserved(), torch.cuda.max_memory_allocated()
            )
        if self.device.type == "mps":
            return DeviceMemory(torch.mps.current_allocated_memory(), torch.mps.driver_allocated_memory())
        return DeviceMemory()

    def describe(self) -> Description:
        """Versions and flags of torch as they are in effect."""
        settings = {**torch_settings(), "flush_denormals": truth(flushes())}
        return Description({**torch_versions(), **library_versions()}, torch_build(), settings)


def _devices(tensors: Iterable[torch.Tensor]) -> str:
    return ",".join(sorted({str(tensor.device) for tensor in tensors}))


def _refuse_unknown(bundle: Mapping[str, Any]) -> None:
    """Refuse a layer, a loss or an optimizer of another version of bundles."""
    named = [
        *(("layer kind", layer["kind"], LAYER_BUILDERS) for layer in bundle["layers"]),
        ("loss", bundle["loss"], LOSS_BUILDERS),
        ("optimizer", bundle["optimizer"], OPTIMIZER_BUILDERS),
    ]
    for what, name, known in named:
        if name not in known:
            raise UnsupportedError(f"unknown {what} '{name}' in the bundle")
    owner, given, settings = bundle["optimizer"], bundle["hyperparameters"], OPTIMIZERS[bundle["optimizer"]]
    for name in [*settings, *given]:
        if name not in given or name not in settings:
            lack = "an unknown" if name in given else "no"
            raise ValueError(f"optimizer {owner} has {lack} setting '{name}' in the bundle")


def _set_backends(choices: Choices) -> None:
    torch.use_deterministic_algorithms(choices.deterministic)
    torch.backends.cudnn.benchmark = choices.cudnn_benchmark
    if choices.flush_denormals and not torch.set_flush_denormal(True):
        raise UnsupportedError("this processor cannot flush subnormal numbers to zero")


def make(bundle: Mapping[str, Any], choices: Choices) -> TorchEngine:
    """The engine, with torch's flags set as chosen.

    Raises:
        UnsupportedError: the device is not there.
    """
    if choices.device not in DEVICES:
        raise UnsupportedError(f"torch has no device '{choices.device}'; known: {', '.join(DEVICES)}")
    if choices.device == "cuda" and not torch.cuda.is_available():
        raise UnsupportedError("there is no CUDA device that this torch can use")
    if choices.device == "mps" and not torch.backends.mps.is_available():
        raise UnsupportedError("there is no Apple GPU (mps) that this torch can use")
    _refuse_unknown(bundle)
    _set_backends(choices)
    return TorchEngine(bundle, choices)


ENGINE = EngineKind("torch", make)
