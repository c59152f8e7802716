"""Every operator that a piece of Python calls, with what a trace would say of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from profkit.costs import Cost, CostUnknownError, Inputs, cost_of, formula
from profkit.runner.operator_inputs import inputs_of


@dataclass(frozen=True)
class Call:
    """One call of an operator.

    Attributes:
        name: without overload.
        packet: the operator with all of its overloads, as the registry of torch has it.
        inputs: as a trace would show them.
        tensors_bytes: of all tensors that went in and came out, each once.
    """

    name: str
    packet: Any
    inputs: Inputs
    tensors_bytes: int

    @property
    def cost(self) -> Cost:
        return cost_of(self.name, self.inputs)


class _Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = inputs_of(func, args, kwargs)
        out = func(*args, **kwargs)
        moved = 0
        for leaf in (*tree_leaves((args, kwargs)), *tree_leaves(out)):
            if isinstance(leaf, torch.Tensor):
                moved += leaf.numel() * leaf.element_size()
        self.calls.append(Call(func._schema.name, func._overloadpacket, inputs, moved))
        return out


def calls_of(program: Callable[[], object]) -> list[Call]:
    """The operators of torch that a program calls, in order, composite ones taken apart."""
    with _Calls() as mode:
        program()
    return [call for call in mode.calls if not call.name.startswith("profiler::")]


def flop_of(calls: list[Call]) -> int:
    """Of all calls that have a formula."""
    return sum(call.cost.flop for call in calls if formula(call.name) is not None)


def uncosted(calls: list[Call]) -> set[str]:
    """Operators whose cost is not known."""
    found = set()
    for call in calls:
        try:
            assert call.cost
        except CostUnknownError as error:
            found.add(f"{call.name}: {error}")
    return found
