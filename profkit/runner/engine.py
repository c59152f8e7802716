"""Engine: what a loop needs of whoever computes, so that PyTorch and hand-written kernels are driven by one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from profkit.runner.scope import Scopes


@dataclass(frozen=True)
class Outcome:
    """What a training step computed, still on the engine's device.

    Attributes:
        loss: mean over the batch: anything that `float` takes.
        outputs: of the last layer, before the step changed the weights: anything that `to_host` takes.
    """

    loss: Any
    outputs: Any


@dataclass(frozen=True)
class Choices:
    """How to compute.

    Attributes:
        device: `cpu`, `cuda`, `mps`.
        masks: take dropout from the bundle's masks, not from a generator.
        deterministic: only algorithms that repeat themselves to the bit.
        cudnn_benchmark: let cuDNN choose its algorithms by timing them.
        flush_denormals: take subnormal numbers as zero.
        double: compute in float64, to know what rounding does to float32.
    """

    device: str = "cpu"
    masks: bool = False
    deterministic: bool = False
    cudnn_benchmark: bool = False
    flush_denormals: bool = False
    double: bool = False


@dataclass(frozen=True)
class Description:
    """What an engine says of itself in the report.

    Attributes:
        versions: of the libraries that compute.
        build: how they were built.
        settings: backend flags as they are in effect.
        compile_ns: spent on compiling, outside every step; None where nothing is compiled.
    """

    versions: Mapping[str, str]
    build: Mapping[str, str]
    settings: Mapping[str, str]
    compile_ns: int | None = None


@dataclass(frozen=True)
class Conditions:
    """How the last steps ran, read off what they left.

    Attributes:
        grad: whether they computed gradients.
        training: whether they ran in training mode, tests between them left out.
        places: devices of the tensors (`weights`, `inputs`, `state`), several with commas; empty where there are none.
    """

    grad: bool
    training: bool
    places: Mapping[str, str]


@dataclass(frozen=True)
class DeviceMemory:
    """Memory of the device's own allocator [byte]; None where there is no such device."""

    allocated_bytes: int | None = None
    reserved_bytes: int | None = None
    peak_bytes: int | None = None


class Engine(Protocol):
    """Computes one network: made from a bundle (what `torch.load` reads from `bundle.pt`) and `Choices`.

    A step opens the scopes `phase/forward`, `phase/backward`, `phase/optimizer` and in them `layer/<path>` and
    `layer/loss`; copying to the device is the loop's own phase. Nothing else is done in a step.
    """

    def to_device(self, tensor: torch.Tensor) -> Any:
        """A tensor of the host on the engine's device; on the host the same memory."""
        ...

    def to_host(self, tensor: Any) -> torch.Tensor:
        """The other way round."""
        ...

    def train_step(self, inputs: Any, targets: Any, scope: Scopes) -> Outcome:
        """One step of training.

        Args:
            inputs: float32 (batch size, *input shape), from `to_device`.
            targets: int64 (batch size,), or the inputs again where the network has them as its target.
            scope: makes the scopes.
        """
        ...

    def infer_step(self, inputs: Any, scope: Scopes) -> Any:
        """Output for a batch in evaluation mode, without gradients: (batch size, ...), for `to_host`."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked to; nothing on the host."""
        ...

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by name (`conv1.weight`, `bn1.running_mean`) as they are now, on the host."""
        ...

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """State by `<weight>/<name>` (`conv1.weight/momentum_buffer`, `/exp_avg`, `/exp_avg_sq`, `/step`), on the host.

        Empty before the first step; `step` is a float32 scalar.
        """
        ...

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
        """Take over weights, buffers and optimizer state.

        Raises:
            ValueError: names or shapes do not fit.
        """
        ...

    def start_epoch(self, epoch: int) -> None:
        """Seed the generator for dropout with the bundle's seed plus `epoch`."""
        ...

    def conditions(self, inputs: Any) -> Conditions:
        """How the steps before this ran.

        Args:
            inputs: a batch of theirs, from `to_device`: it may be passed through the network once more.
        """
        ...

    def memory(self) -> DeviceMemory:
        """What the device's allocator holds, and the most it held."""
        ...

    def describe(self) -> Description:
        """What computes."""
        ...


@dataclass(frozen=True)
class EngineKind:
    """How to make an engine.

    Attributes:
        name: on the command line.
        make: from a bundle and choices. Raises UnsupportedError.
    """

    name: str
    make: Callable[[Mapping[str, Any], Choices], Engine] = field(repr=False)


class UnsupportedError(Exception):
    """A network, a device or a choice that this engine cannot do; the message says which and why."""
