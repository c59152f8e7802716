"""The inputs of an operator as a trace would show them, from the arguments that it was called with."""

from __future__ import annotations

from typing import Any

import torch

from profkit.costs import Inputs, Number, Tensor, Value
from profkit.costs.element_types import CODES

_LAYOUTS = {torch.strided: 0, torch.sparse_coo: 1, torch.sparse_csr: 2}
_MEMORY_FORMATS = {
    torch.contiguous_format: 0,
    torch.preserve_format: 1,
    torch.channels_last: 2,
    torch.channels_last_3d: 3,
}


def inputs_of(operator: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs:
    """Write the arguments of a call in the order of the operator's schema, as the profiler of torch records them.

    An argument that was not given has its default. Element types, layouts and memory formats are the numbers that
    torch has for them; a device is None; a number in place of a tensor is a tensor without dimensions.

    Args:
        operator: with its overload, as in `torch.ops.aten.addmm.default`.
        args: positional arguments; tensors on any device, `meta` too.
        kwargs: arguments by name.

    Returns:
        One value for each argument of the schema, `out=` included.
    """
    values: list[Value] = []
    for place, argument in enumerate(operator._schema.arguments):
        given = args[place] if place < len(args) else kwargs.get(argument.name, argument.default_value)
        values.append(_value(given, tensor_wanted="Tensor" in str(argument.type)))
    return Inputs(tuple(values))


def _value(given: object, *, tensor_wanted: bool) -> Value:
    if isinstance(given, torch.Tensor):
        return Tensor(tuple(int(size) for size in given.shape), _name(given.dtype))
    if isinstance(given, list | tuple):
        return _list(tuple(given), tensor_wanted=tensor_wanted)
    if isinstance(given, torch.dtype):
        return CODES[_name(given)]
    if isinstance(given, torch.layout):
        return _LAYOUTS.get(given)
    if isinstance(given, torch.memory_format):
        return _MEMORY_FORMATS.get(given)
    if isinstance(given, bool | int | float | complex) and tensor_wanted:
        return Tensor((), _name(torch.tensor(given).dtype) if isinstance(given, bool | int) else _wide(given))
    return given if isinstance(given, bool | int | float | str) else None


def _list(given: tuple[object, ...], *, tensor_wanted: bool) -> Value:
    if tensor_wanted:
        found = (_value(one, tensor_wanted=True) for one in given if one is not None)
        return tuple(one for one in found if isinstance(one, Tensor))
    return tuple(_number(one) for one in given)


def _number(given: object) -> Number:
    return given if isinstance(given, bool | int | float) else int(str(given))


def _wide(given: float | complex) -> str:
    return "complex128" if isinstance(given, complex) else "float64"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
