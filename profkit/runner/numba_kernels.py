"""What the hand-written kernels of a device are to the engine: operators over the arrays of one layer.

An array is NumPy's on the host and Numba's on the GPU; both are contiguous float32 unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Array = Any
Shape = tuple[int, ...]
Allocate = Callable[[Shape, str], Array]
"""Makes an array of this shape and this type (`float32`), contents undefined."""


@dataclass
class Moment:
    """Where the training is: what dropout draws its mask from.

    Attributes:
        step: training steps done since the program's start.
        generator: a NumPy generator.
    """

    step: int
    generator: Any


@dataclass
class Call:
    """The arrays of one layer, or of the loss, for one batch size; what its operators read and write.

    Attributes:
        settings: of the layer.
        weights: parameters and buffers by their names in the layer.
        gradients: of the parameters.
        inputs: outputs of other layers; of the loss: the network's output and the target.
        output: (batch size, ...); of the loss: its mean, (1,).
        gradient: of the loss by `output`, same shape; None for inference and for the loss itself.
        input_gradients: by each of `inputs`; None where nobody needs it.
        allocate: makes further arrays.
        masks: uint8 (masks, batch size, ...) from the bundle; None to draw one.
        moment: of the training.
        kept: arrays and constants of the operators' own, by name.
    """

    settings: Mapping[str, Any]
    weights: Mapping[str, Array]
    gradients: Mapping[str, Array]
    inputs: tuple[Array, ...]
    output: Array
    gradient: Array | None
    input_gradients: tuple[Array | None, ...]
    allocate: Allocate
    masks: Array | None
    moment: Moment
    kept: dict[str, Any] = field(default_factory=dict)

    def array(self, name: str, shape: Shape, dtype: str = "float32") -> Array:
        """An array of the operators' own; it is made once and keeps its contents."""
        return self.constant(name, lambda: self.allocate(shape, dtype))

    def constant(self, name: str, make: Callable[[], Any]) -> Any:
        """Something that is made once."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def whole(self, name: str, default: int = 0) -> int:
        """A setting that is a whole number."""
        return int(self.settings.get(name, default))

    @property
    def window(self) -> tuple[int, int, int]:
        """Kernel size, stride and padding; the stride of a pooling without one is its kernel size."""
        size = self.whole("kernel_size")
        return size, self.whole("stride", size), self.whole("padding")


Run = Callable[[Call], None]
"""Launches one piece of work on the arrays of a layer."""


@dataclass(frozen=True)
class Operator:
    """One piece of work under the name that PyTorch has for it."""

    name: str
    run: Run


@dataclass(frozen=True)
class LayerKernels:
    """What a kind of layer, or a loss, does.

    Attributes:
        forward: writes `output`.
        backward: reads `gradient`, writes `gradients` and each of `input_gradients` that is not None.
        evaluate: `forward` in evaluation mode where that differs.
        view: the output is the input in another shape: no work at all.
    """

    forward: tuple[Operator, ...] = ()
    backward: tuple[Operator, ...] = ()
    evaluate: tuple[Operator, ...] | None = None
    view: bool = False


ADAM_EPSILON = 1e-8
"""PyTorch's default."""


@dataclass(frozen=True)
class OptimizerKernels:
    """How weights change; all parameters lie in one array, so that one kernel changes them all.

    Attributes:
        name: PyTorch's name of the operator.
        states: names of the arrays beside the weights (`momentum_buffer`), zero at first.
        run: (weights, gradients, states, hyperparameters, number of this step from 1); arrays are (parameters,).
        counts: whether its state has `step` too.
    """

    name: str
    states: Callable[[Mapping[str, float]], tuple[str, ...]]
    run: Callable[[Array, Array, tuple[Array, ...], Mapping[str, float], int], None]
    counts: bool = False


@dataclass(frozen=True)
class Device:
    """Where the arrays are and what computes on them.

    Attributes:
        allocate: makes an array.
        to_device: NumPy array to array of the device.
        to_host: array of the device to a new NumPy array.
        scalar: the only element of an array (1,) as something that `float` takes, without waiting for it.
        synchronize: waits for all that was launched.
        layers: by kind.
        losses: by name.
        optimizers: by name.
        assign: (target, source) of one shape: target = source.
        accumulate: (target, source) of one shape: target += source.
        compiles: whether kernels are compiled, rather than simulated.
        versions: of the libraries.
        settings: of the report.
        on_host: whether the device is the host.
    """

    allocate: Allocate
    to_device: Callable[[Array], Array]
    to_host: Callable[[Array], Array]
    scalar: Callable[[Array], Any]
    synchronize: Callable[[], None]
    layers: Mapping[str, LayerKernels]
    losses: Mapping[str, LayerKernels]
    optimizers: Mapping[str, OptimizerKernels]
    assign: Callable[[Array, Array], None]
    accumulate: Callable[[Array, Array], None]
    compiles: bool
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    on_host: bool
