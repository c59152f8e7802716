"""The calls of any module, recorded on tensors that have sizes and no values; nothing is computed."""

from __future__ import annotations

import importlib
import math
import sys
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from profkit.costs import ITEMSIZE, Inputs, Shape, Tensor
from profkit.errors import ProgramError, UsageError
from profkit.network_calls import NetworkCall
from profkit.network_costs import CostedNetwork, costs_of
from profkit.registry import unknown
from profkit.runner.operator_inputs import inputs_of

META = "meta"
FILLINGS = frozenset(
    f"aten::{name}" for kind in ("zeros", "ones", "full") for name in (kind, f"{kind}_like", f"new_{kind}")
)
"""Operators that make a tensor and leave it to `aten::fill_` to write it, which nothing is told of here."""
_MOST_ELEMENTS = 2**59
"""Of which none is wider than 16 bytes: torch counts bytes in 63 bits."""


class CallRecorder(TorchDispatchMode):
    """Keeps every call below autograd with the layer and the phase that it belongs to.

    The derivative of an operator belongs to the layer that the operator ran in: each node of autograd carries the
    number that was next when it was made, and the recorder knows which layer ran at each number.
    """

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.calls: list[NetworkCall] = []
        self.phase = "other"
        self._layers: list[str] = []
        self._numbers: list[int] = []
        self._layer_from: list[str | None] = []

    @property
    def layer(self) -> str | None:
        """The innermost layer that runs now."""
        return self._layers[-1] if self._layers else None

    def enter(self, layer: str) -> None:
        """What follows runs in a layer."""
        self._layers.append(layer)
        self._note()

    def leave(self, layer: str) -> None:
        """A layer ends, and with it those in it that an error has ended before."""
        while self._layers.pop() != layer:
            pass
        self._note()

    def watch(self, module: nn.Module, layer: str) -> None:
        """Take every call of a module for a run of a layer."""
        module.register_forward_pre_hook(lambda *_: self.enter(layer))
        module.register_forward_hook(lambda *_: self.leave(layer))

    def watch_all(self, module: nn.Module) -> None:
        """Take every module in a network for a layer by its path, and the network itself by its class."""
        for path, part in module.named_modules():
            self.watch(part, path or type(module).__name__)

    def _note(self) -> None:
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._layer_from.append(self.layer)

    def _layer_now(self) -> str | None:
        node = torch._C._current_autograd_node()
        if self._layers or node is None:
            return self.layer
        place = bisect_right(self._numbers, node._sequence_nr()) - 1
        is_last = node.name().endswith("AccumulateGrad")  # it has the largest of all numbers
        return None if place < 0 or is_last else self._layer_from[place]

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do it and note it."""
        layer, operator = self._layer_now(), func._schema.name
        inputs = inputs_of(func, args, kwargs or {})
        made = func(*args, **(kwargs or {}))
        if operator in FILLINGS:
            written = Tensor(tuple(made.shape), str(made.dtype).removeprefix("torch."))
            operator, inputs = "aten::fill_", Inputs((written, None))
        if func.namespace != "profiler":
            self.calls.append(NetworkCall(layer, self.phase, operator, inputs))
        return made


@dataclass(frozen=True)
class Sizes:
    """An input of a network.

    Attributes:
        shape: of it, elements.
        dtype: torch's name of its type; None for that of the weights.
    """

    shape: Shape
    dtype: str | None = None


def parse_sizes(text: str) -> Sizes:
    """Read `1x3x224x224` or `1x128:int64`.

    Raises:
        UsageError: it is not of that form, a size is negative or too large, or torch has no such type.
    """
    sizes, _, dtype = text.partition(":")
    shape = tuple(_size(text, size) for size in sizes.split("x"))
    if math.prod(shape) > _MOST_ELEMENTS:
        raise UsageError(f"--input {text} has {math.prod(shape):,} elements", "that is more than a tensor can have")
    return Sizes(shape, _type_name(dtype) if dtype else None)


def _size(text: str, size: str) -> int:
    example = "for example --input 1x3x224x224, or --input 1x128:int64 for another type"
    try:
        value = int(size)
    except ValueError as error:
        raise UsageError(f"--input {text} has a size '{size}', which is no whole number", example) from error
    if value < 0:
        raise UsageError(f"--input {text} has the size {value}", "sizes are numbers from 0")
    return value


def _type_name(name: str) -> str:
    if name not in ITEMSIZE or not isinstance(getattr(torch, name, None), torch.dtype):
        raise unknown("type", name, [each for each in ITEMSIZE if isinstance(getattr(torch, each, None), torch.dtype)])
    return name


class _Foreign:
    """Code of the user's: what it prints goes to standard error, and whatever it raises is said in two lines.

    Args:
        doing: what failed, for the message.
        hint: what to do about it.
        recorder: that knows the layer that runs.
    """

    def __init__(self, doing: str, hint: str, recorder: CallRecorder | None = None) -> None:
        self.doing, self.hint, self.recorder = doing, hint, recorder

    def __enter__(self) -> None:
        self._redirected = redirect_stdout(sys.stderr)
        self._redirected.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._redirected.__exit__(kind, error, traceback)
        if not isinstance(error, Exception | SystemExit):
            return
        layer = self.recorder.layer if self.recorder else None
        first = next(iter(str(error).splitlines()), "")
        valueless = "meta" in first.lower()
        raise ProgramError(
            f"{self.doing} failed{f' in layer {layer}' if layer else ''}: {type(error).__name__}: {first}",
            "its sizes must not depend on values, which meta tensors have not; profkit record takes any program"
            if valueless
            else self.hint,
        ) from error


def costed_module(
    name: str, inputs: Sequence[Sizes], *, dtype: str | None = None, training: bool = True
) -> CostedNetwork:
    """What each layer of a module costs: a step on meta tensors, backward from the sum of its outputs.

    Args:
        name: `package.module:callable`, where the callable returns a module or is one, from the current directory.
        inputs: of the module, in their order.
        dtype: of the weights and of the inputs that have none of their own; None for the weights as they are made.
        training: otherwise the forward pass in evaluation mode alone.

    Raises:
        UsageError: there is no such module, callable or type, or what it returns is no `nn.Module`.
        ProgramError: it cannot be imported, made or run so.
    """
    module = _make(name)
    if dtype is not None and getattr(torch, _type_name(dtype)).is_floating_point:
        module.to(dtype=getattr(torch, dtype))
    module.train(training)
    given = ", ".join("x".join(map(str, each.shape)) for each in inputs)
    sizes = f"input {given}" if inputs else "no input"
    recorder = CallRecorder()
    recorder.watch_all(module)
    hint = "give each of its inputs with --input and its type with --dtype, for example --input 1x3x224x224"
    with _Foreign(f"{name} with {sizes}", hint, recorder):
        outputs = _run_forward(module, inputs, dtype, recorder, training=training)
    if training:
        _run_backward(name, outputs, recorder)
    weights = list(module.parameters())
    return CostedNetwork(
        name,
        sizes,
        sum(each.numel() for each in weights),
        sum(each.numel() * each.element_size() for each in weights),
        (),
        training,
        costs_of(recorder.calls),
    )


def _run_forward(
    module: nn.Module, inputs: Sequence[Sizes], dtype: str | None, recorder: CallRecorder, *, training: bool
) -> Any:
    """The outputs; an input without a type has that of the weights."""
    weights = next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)
    types = [getattr(torch, each.dtype or dtype or str(weights).removeprefix("torch.")) for each in inputs]
    tensors = [torch.empty(each.shape, dtype=kind, device=META) for each, kind in zip(inputs, types, strict=True)]
    recorder.phase = "forward"
    with torch.device(META), torch.set_grad_enabled(training), recorder:
        return module(*tensors)


def _run_backward(name: str, outputs: Any, recorder: CallRecorder) -> None:
    """The derivative of the sum of all outputs: its gradient by each of them is one."""
    leaves = [each for each in tree_leaves(outputs) if isinstance(each, torch.Tensor) and each.requires_grad]
    if not leaves:
        raise UsageError(
            f"no output of {name} depends on a trainable weight", "--infer asks for the forward pass alone"
        )
    gradients = [torch.ones_like(each) for each in leaves]
    recorder.phase = "backward"
    with _Foreign(f"the backward pass of {name}", "--infer asks for the forward pass alone", recorder), recorder:
        torch.autograd.backward(leaves, gradients)


def _make(name: str) -> nn.Module:
    """The module of a name, its weights without values."""
    where, _, path = name.partition(":")
    if not where or not path:
        raise UsageError(f"'{name}' is not module:callable", "for example models.vit:build")
    found: Any = _import(where)
    for part in path.split("."):
        if not hasattr(found, part):
            raise unknown(f"name in {where}", path, [each for each in dir(found) if not each.startswith("_")])
        found = getattr(found, part)
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise UsageError(f"{name} is of type {type(found).__name__}", "name an nn.Module, or what returns one")
        hint = "it is called without arguments, and its weights are on the device meta"
        with _Foreign(f"{name}()", hint), torch.device(META):
            found = found()
        if not isinstance(found, nn.Module):
            raise UsageError(f"{name}() returned a {type(found).__name__}", "let it return an nn.Module")
    return found.to(META)


def _import(where: str) -> Any:
    """Import a module, from the current directory first.

    Raises:
        UsageError: there is none.
        ProgramError: it fails.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with _Foreign(f"importing {where}", "it must be possible to import it from the current directory"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{where}.".startswith(f"{error.name}."):
                raise
            missing = error.name
    raise UsageError(f"there is no module {missing} to import", "start profkit from the directory that it lies in")
