"""FLOP and compulsory bytes of operators, from what a trace says of their inputs: one family of operators a file.

A FLOP is one addition, multiplication, comparison, division or elementary function of floating-point numbers; a
multiply-add is two. Work on integers and booleans is none. Bytes are compulsory: each input is read once and each
output written once, so they are a lower bound of what moves, and the intensity an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from profkit.registry import discover

Shape = tuple[int, ...]

ITEMSIZE: Mapping[str, int] = {
    "bool": 1, "uint8": 1, "int8": 1, "qint8": 1, "quint8": 1,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
    "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "qint32": 4, "float32": 4, "complex32": 4,
    "int64": 8, "uint64": 8, "float64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip
"""Bytes of one element by torch's name of its type."""

_LARGEST = 2**63 - 1


class CostUnknownError(ValueError):
    """The cost of a call does not follow from what the trace says of it; the message says why, in a few words."""


@dataclass(frozen=True)
class Tensor:
    """What a trace says of a tensor.

    Attributes:
        shape: elements in each dimension.
        dtype: torch's name of its type; None where the trace does not say it, as in lists of tensors.
    """

    shape: Shape
    dtype: str | None = "float32"

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a tensor without dimensions."""
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether arithmetic on it counts; one of unknown type is taken for floating, as nearly all are."""
        return self.dtype is None or self.dtype.startswith(("float", "bfloat", "complex"))


Number = int | float | bool
Value = Tensor | tuple[Tensor, ...] | Number | str | tuple[Number, ...] | None


class Untold:
    """In place of a value: the operator had one, and the trace does not say which."""


UNTOLD = Untold()


@dataclass(frozen=True)
class Inputs:
    """The inputs of one call, in the order of the operator's schema.

    Attributes:
        values: tensors, lists of tensors, numbers, texts, lists of numbers, or None for what was not given.
    """

    values: tuple[Value | Untold, ...]

    def __len__(self) -> int:
        return len(self.values)

    def tensor(self, place: int) -> Tensor:
        """The tensor at a place.

        Raises:
            CostUnknownError: there is none.
        """
        value = self._at(place)
        if not isinstance(value, Tensor):
            raise CostUnknownError(f"input {place} is no tensor")
        return value

    def optional(self, place: int) -> Tensor | None:
        """The tensor at a place; None where there is none."""
        value = self.values[place] if place < len(self.values) else None
        return value if isinstance(value, Tensor) else None

    def tensors(self, place: int) -> tuple[Tensor, ...]:
        """The list of tensors at a place.

        Raises:
            CostUnknownError: there is none.
        """
        value = self._at(place)
        found = value if isinstance(value, tuple) else (None,)
        if not all(isinstance(one, Tensor) for one in found):
            raise CostUnknownError(f"input {place} is no list of tensors")
        return tuple(one for one in found if isinstance(one, Tensor))

    def all_tensors(self) -> tuple[Tensor, ...]:
        """Every tensor of the call, those in lists too, in order."""
        several = (value if isinstance(value, tuple) else (value,) for value in self.values)
        return tuple(one for values in several for one in values if isinstance(one, Tensor))

    def whole(self, place: int) -> int:
        """The whole number at a place.

        Raises:
            CostUnknownError: there is none, or the trace does not say it.
        """
        value = self._at(place)
        if isinstance(value, bool) or not isinstance(value, int):
            raise CostUnknownError(f"input {place} is no whole number")
        return value

    def number(self, place: int) -> float:
        """The number at a place.

        Raises:
            CostUnknownError: there is none, or the trace does not say it.
        """
        value = self._at(place)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CostUnknownError(f"input {place} is no number")
        return value

    def wholes(self, place: int, count: int) -> tuple[int, ...]:
        """`count` whole numbers at a place, where one may stand for all.

        Raises:
            CostUnknownError: there are not as many, or the trace does not say them.
        """
        value = self._at(place)
        found = value if isinstance(value, tuple) else (value,)
        numbers = tuple(one for one in found if isinstance(one, int) and not isinstance(one, bool))
        if len(numbers) != len(found) or len(numbers) not in (1, count):
            raise CostUnknownError(f"input {place} is not {count} whole numbers")
        return numbers * count if len(numbers) == 1 else numbers

    def flag(self, place: int) -> bool:
        """The truth value at a place.

        Raises:
            CostUnknownError: there is none, or the trace does not say it.
        """
        value = self._at(place)
        if not isinstance(value, bool):
            raise CostUnknownError(f"input {place} is neither true nor false")
        return value

    def flags(self, place: int, count: int) -> tuple[bool, ...]:
        """`count` truth values at a place.

        Raises:
            CostUnknownError: there are not as many, or the trace does not say them.
        """
        value = self._at(place)
        found = value if isinstance(value, tuple) else ()
        flags = tuple(one for one in found if isinstance(one, bool))
        if len(flags) != count:
            raise CostUnknownError(f"input {place} is not {count} truth values")
        return flags

    def _at(self, place: int) -> Value:
        value = self.values[place] if place < len(self.values) else None
        if isinstance(value, Untold):
            raise CostUnknownError(f"the trace does not say the value of input {place}")
        return value


@dataclass(frozen=True)
class Cost:
    """What one call does at the least.

    Attributes:
        flop: floating-point operations.
        traffic_bytes: bytes read and written, each operand once; None where the types of the operands are not known.
    """

    flop: int
    traffic_bytes: int | None

    def __post_init__(self) -> None:
        if self.flop > _LARGEST or (self.traffic_bytes or 0) > _LARGEST:
            raise CostUnknownError("the count does not fit into 63 bits")


NOTHING = Cost(0, 0)

Formula = Callable[[Inputs], Cost]


@dataclass(frozen=True)
class CostFamily:
    """The formulas of operators that are alike.

    Attributes:
        name: of the family.
        formulas: by the operator's name without overload (`aten::addmm`). An in-place form (`aten::add_`) needs no
            entry of its own where it costs the same, and tensors that follow the inputs (`out=`) are ignored.
        multiply_adds: whether all FLOP are multiply-adds, so that MAC = FLOP / 2.
    """

    name: str
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    multiply_adds: bool = False


def call(*values: object, dtype: str | None = "float32") -> Inputs:
    """Write the inputs of a call briefly: a tuple of sizes is a tensor, a list of them a list of tensors.

    Args:
        values: tensors as `Tensor` or as a tuple of sizes; lists of numbers; numbers, texts, None or `UNTOLD`.
        dtype: of the tensors that are written as sizes.

    >>> call((2, 3), [1, 1], None, False).values
    (Tensor(shape=(2, 3), dtype='float32'), (1, 1), None, False)
    """
    return Inputs(tuple(_value(value, dtype) for value in values))


def _value(value: object, dtype: str | None) -> Value | Untold:
    if isinstance(value, Tensor | Untold | bool | int | float | str) or value is None:
        return value
    if isinstance(value, tuple):
        return Tensor(tuple(int(size) for size in value), dtype)
    if isinstance(value, list):
        if value and not isinstance(value[0], bool | int | float):
            return tuple(one if isinstance(one, Tensor) else Tensor(tuple(one), dtype) for one in value)
        return tuple(value)
    raise TypeError(f"{value!r} is no input of an operator")


def traffic(*tensors: Tensor | None) -> int | None:
    """Bytes of tensors that are read or written once each; None where the type of one is not known.

    Raises:
        CostUnknownError: a type that profkit does not know.

    >>> traffic(Tensor((2, 3)), None, Tensor((5,), "int64"))
    64
    """
    whole = 0
    for tensor in tensors:
        if tensor is None:
            continue
        if tensor.dtype is None:
            return None
        if tensor.dtype not in ITEMSIZE:
            raise CostUnknownError(f"unknown type {tensor.dtype}")
        whole += tensor.elements * ITEMSIZE[tensor.dtype]
    return whole


def broadcast(*shapes: Shape) -> Shape:
    """The shape that tensors of these shapes are broadcast to.

    Raises:
        CostUnknownError: they cannot be.

    >>> broadcast((8, 1, 3), (4, 1))
    (8, 4, 3)
    """
    rank = max(map(len, shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for place, size in enumerate(shape, start=rank - len(shape)):
            if size != 1 and result[place] not in (1, size):
                raise CostUnknownError(f"the shapes {', '.join(map(str, shapes))} do not go together")
            result[place] = size if size != 1 else result[place]
    return tuple(result)


@cache
def families() -> Mapping[str, CostFamily]:
    """Every family, of profkit and of other packages, by its name."""
    return discover("profkit.costs", CostFamily)


@cache
def _family_of() -> Mapping[str, CostFamily]:
    return {operator: family for family in families().values() for operator in family.formulas}


@cache
def formula(operator: str) -> Formula | None:
    """The formula of an operator, in place or not; None where there is none."""
    for name in (operator, operator.removesuffix("_")):
        family = _family_of().get(name)
        if family is not None:
            return family.formulas[name]
    return None


@cache
def is_multiply_add(operator: str) -> bool:
    """Whether all FLOP of an operator are multiply-adds."""
    family = _family_of().get(operator) or _family_of().get(operator.removesuffix("_"))
    return family is not None and family.multiply_adds


def cost_of(operator: str, inputs: Inputs) -> Cost:
    """Cost of one call.

    Raises:
        CostUnknownError: no formula, or not enough is known of the inputs.
    """
    found = formula(operator)
    if found is None:
        raise CostUnknownError("no formula")
    sizes: Sequence[int] = [size for tensor in inputs.all_tensors() for size in tensor.shape]
    if any(size < 0 for size in sizes):
        raise CostUnknownError(f"a size is {min(sizes)}")
    return found(inputs)
