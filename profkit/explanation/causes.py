"""Causes that a gap can have, and which rows of two profiles belong to which: each row to exactly one.

Rows are told apart by what their self cost is spent on. Kernels are matched, from the finest level to the coarsest: by
place and operator, by phase and operator where places are not known alike, and by place alone, where one side does with
other operators what the other does with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from profkit.summary import Key

BY = ("layer", "phase", "operator", "category", "kind", "symbol")
"""Columns of the keys of the rows that are divided up."""

WORK, DATA, FIRST = "work", "data loading", "first iterations"
INTERPRETER, BINDING, DISPATCH = "interpreter", "binding", "dispatch"
SAME_KERNEL, OTHER_KERNEL, OTHER_ISA = "same kernel", "other kernel", "other ISA"
MEMORY, RUNTIME = "memory", "runtime and idle"
ONLY_A, ONLY_B, UNEXPLAINED = "only in A", "only in B", "unexplained"

CAUSES = (
    WORK, DATA, FIRST, INTERPRETER, BINDING, DISPATCH, SAME_KERNEL, OTHER_KERNEL, OTHER_ISA, MEMORY, RUNTIME,
    ONLY_A, ONLY_B, UNEXPLAINED,
)  # fmt: skip
"""In the order in which they are told."""
KERNELS = (SAME_KERNEL, OTHER_KERNEL, OTHER_ISA, ONLY_A, ONLY_B)
PYTHON_TAX = (INTERPRETER, BINDING)

_DATA_PHASES = ("data", "host_to_device")
_BY_CATEGORY = {
    "interpreter": INTERPRETER,
    "binding": BINDING,
    "dispatch": DISPATCH,
    "memory": MEMORY,
    "runtime": RUNTIME,
    "data": DATA,
}
_KERNEL = "kernel"
_NAMED = 3

_OF_ONE_OPERATOR: tuple[Callable[[Key], Key | None], ...] = (
    lambda key: key[:3],
    lambda key: key[1:3] if key[2] else None,
)
"""What kernels of one operator are matched by."""

Rows = tuple[int, ...]
Sides = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Group:
    """Rows that are set against each other.

    Attributes:
        cause: of their difference.
        key: layer, phase and operator; `aten::linear | aten::addmm` where the sides have different ones.
        left: rows of the baseline.
        right: rows of the candidate.
    """

    cause: str
    key: Key
    left: Rows
    right: Rows


def divide(left: Sequence[Key], right: Sequence[Key], symbols: bool, same: str) -> list[Group]:
    """Divide all rows up.

    Args:
        left: keys of the baseline's rows, by the columns `BY`.
        right: of the candidate's.
        symbols: whether one operator's kernels are told apart by their symbols: exact counts have all of them, a
            sampler has those that it met.
        same: the cause of what equally named kernels differ by.
    """
    keys = left, right
    python = any(key[3] == "interpreter" for side in keys for key in side)
    groups: dict[tuple[str, Key], Sides] = {}
    kernels: Sides = [], []
    for side, rows in enumerate(keys):
        for row, key in enumerate(rows):
            cause = _cause(key, python)
            if cause == _KERNEL:
                kernels[side].append(row)
            else:
                groups.setdefault((cause, key[:3]), ([], []))[side].append(row)
    told = [Group(cause, key, tuple(sides[0]), tuple(sides[1])) for (cause, key), sides in groups.items()]
    return [*told, *_kernels(keys, kernels, symbols, same)]


def _cause(key: Key, python: bool) -> str:
    """The cause that a row belongs to by itself, or that it is a kernel.

    Between its operators a Python program runs the interpreter, and a compiled one its own code: the two do the same,
    so one is what the other is compared with.
    """
    _, phase, _, category, kind, _ = key
    if phase in _DATA_PHASES:
        return DATA
    if category == _KERNEL:
        return _KERNEL
    if kind == "scope" and category == "other" and python:
        return INTERPRETER
    return _BY_CATEGORY.get(category or "", UNEXPLAINED)


def _kernels(keys: tuple[Sequence[Key], Sequence[Key]], rows: Sides, symbols: bool, same: str) -> list[Group]:
    """Match kernels level by level; what is left has no counterpart."""
    groups: list[Group] = []
    rest = rows
    for by in _OF_ONE_OPERATOR:
        found, rest = _matched(keys, rest, by)
        for sides in found:
            alike, other = _by_symbol(keys, sides) if symbols else (sides, ([], []))
            if any(alike):
                groups.append(_group(keys, alike, same))
            if all(other):
                # Another instruction set has other symbols too.
                groups.append(_group(keys, other, same if same == OTHER_ISA else OTHER_KERNEL))
            else:
                for side in (0, 1):
                    rest[side].extend(other[side])
    found, rest = _matched(keys, rest, lambda key: key[:2] if any(key[:2]) else None)
    groups += [_group(keys, sides, OTHER_KERNEL) for sides in found]
    for side, cause in enumerate((ONLY_A, ONLY_B)):
        lonely: dict[Key, Sides] = {}
        for row in rest[side]:
            lonely.setdefault(keys[side][row][:3], ([], []))[side].append(row)
        groups += [_group(keys, sides, cause) for sides in lonely.values()]
    return groups


def _matched(
    keys: tuple[Sequence[Key], Sequence[Key]], rows: Sides, by: Callable[[Key], Key | None]
) -> tuple[list[Sides], Sides]:
    """Rows that have a counterpart on the other side by some part of their keys, and those that have none."""
    groups: dict[Key, Sides] = {}
    rest: Sides = [], []
    for side, of_side in enumerate(rows):
        for row in of_side:
            key = by(keys[side][row])
            if key is None:
                rest[side].append(row)
            else:
                groups.setdefault(key, ([], []))[side].append(row)
    for sides in groups.values():
        if not all(sides):
            for side in (0, 1):
                rest[side].extend(sides[side])
    return [sides for sides in groups.values() if all(sides)], rest


def _by_symbol(keys: tuple[Sequence[Key], Sequence[Key]], rows: Sides) -> tuple[Sides, Sides]:
    """One operator: rows of the code that both sides run, and of other code."""
    common = set.intersection(*({keys[side][row][5] for row in rows[side]} for side in (0, 1)))
    alike: Sides = [], []
    other: Sides = [], []
    for side in (0, 1):
        for row in rows[side]:
            (alike if keys[side][row][5] in common else other)[side].append(row)
    return alike, other


def _group(keys: tuple[Sequence[Key], Sequence[Key]], rows: Sides, cause: str) -> Group:
    """A group with the names of its operators."""
    names, places = [], []
    for side in (0, 1):
        of_side = [keys[side][row] for row in rows[side]]
        places += [key[:2] for key in of_side]
        names.append(_together([*dict.fromkeys(key[2] or "(no operator)" for key in of_side)]))
    told = names[0] if names[0] == names[1] else " | ".join(name for name in names if name)
    layers = {layer for layer, _ in places}
    layer = places[0][0] if len(layers) == 1 else None
    return Group(cause, (layer, places[0][1], told), tuple(rows[0]), tuple(rows[1]))


def _together(operators: Sequence[str]) -> str:
    """`aten::t + aten::addmm`."""
    more = f" and {len(operators) - _NAMED} more" if len(operators) > _NAMED else ""
    return " + ".join(operators[:_NAMED]) + more
