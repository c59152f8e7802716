"""Two forests as one tree: what each call path costs in the baseline and in the candidate, in one unit, signed.

Paths meet by the labels of their frames. Threads and steps are not part of a path, and what a device did has a root of
its own. Python and C++ reach the same operator by other functions: where the two sides are other implementations, an
operator is hung below its layer and phase, and what led there stands beside it with the cost that it has itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from profkit import calltree
from profkit.columns import NONE, Flags, Ints
from profkit.flame_graph.forest import Forest, Frame, joined, merged
from profkit.flame_graph.text import label
from profkit.operators import plain
from profkit.symbols import operator_of

Floats: TypeAlias = npt.NDArray[np.float64]

SHARES = "share"
DEVICE = "(on devices)"
SMALLEST_SHARE = 0.001
"""Of the larger whole: in a picture a thousand pixels wide a smaller frame has no pixel."""
_PLACES = ("phase/", "layer/", "nn.Module: ")
_ENGINE = "torch::autograd::Engine::"
"""Functions of the backward pass, which Python's own engine calls between each other."""
_STEP = plain("ProfilerStep#0")


@dataclass(frozen=True)
class Side:
    """One of the two profiles.

    Attributes:
        name: for people.
        forest: its stacks, of all its steps.
        steps: in it, over all repeats; None where there are none to tell apart.
        implementation: who ran it.
        unit: of the metric of the forest, as in `schema.METRICS`.
        period_ns: between the samples of a sampler.
    """

    name: str
    forest: Forest
    steps: int | None
    implementation: str | None
    unit: str
    period_ns: int | None = None


@dataclass(frozen=True)
class Difference:
    """One row a call path, in preorder; costs have the shape (2, rows): of the baseline A, of the candidate B.

    Attributes:
        names: of A and B.
        unit: ns, instructions, samples, or `share` of each whole where the units differ.
        per_step: whether costs are of one step.
        parent: row of the caller or -1, shape (rows,).
        labels: of the frames, one a row.
        own: self cost.
        notes: what a reader should know.
    """

    names: tuple[str, str]
    unit: str
    per_step: bool
    parent: Ints
    labels: tuple[str, ...]
    own: Floats
    notes: tuple[str, ...] = ()

    @cached_property
    def total(self) -> Floats:
        """Cost with callees."""
        return np.stack([calltree.total_from_self(self.parent, own) for own in self.own])

    @cached_property
    def delta(self) -> Floats:
        """B - A of the totals, shape (rows,)."""
        return np.asarray(self.total[1] - self.total[0])

    @cached_property
    def whole(self) -> Floats:
        """Sum of the roots, shape (2,)."""
        return np.asarray(self.total[:, self.parent < 0].sum(axis=1))


def difference(baseline: Side, candidate: Side) -> Difference:
    """Put two profiles on one tree.

    Args:
        baseline: A.
        candidate: B. Where its unit, or time between samples, is another than A's, both are in shares of their own
            wholes.
    """
    sides = (baseline, candidate)
    meeting = baseline.implementation != candidate.implementation
    both = joined([
        _costing(_prepared(side.forest, meeting), column) for side, column in zip(sides, "AB", strict=True)
    ])  # fmt: skip
    tree = merged(replace(both, thread=both.thread * 0, threads=("all",)))
    own = np.stack([tree.costs[name].astype(np.float64) for name in "AB"])
    per_step = all(side.steps for side in sides)
    alike = baseline.unit == candidate.unit and baseline.period_ns == candidate.period_ns
    unit = baseline.unit if alike else SHARES
    if unit == SHARES:
        wholes = own.sum(axis=1)
        own /= np.where(wholes > 0, wholes, 1)[:, None]
    elif per_step:
        own /= np.array([[side.steps or 1] for side in sides])
    return Difference(
        names=(baseline.name, candidate.name),
        unit=unit,
        per_step=per_step and unit != SHARES,
        parent=tree.parent,
        labels=tuple(tree.frames[frame].name for frame in tree.frame.tolist()),
        own=own,
        notes=_notes(sides, meeting, unit, per_step),
    )


def _costing(forest: Forest, column: str) -> Forest:
    """The forest with its cost in one of the columns A and B, and nothing in the other."""
    own = forest.costs[forest.metric]
    return replace(forest, costs={name: own if name == column else np.zeros_like(own) for name in "AB"}, metric=column)


def _notes(sides: Sequence[Side], meeting: bool, unit: str, per_step: bool) -> tuple[str, ...]:
    notes = []
    for note in dict.fromkeys(note for side in sides for note in side.forest.notes):
        who = " and ".join(name for name, side in zip("AB", sides, strict=True) if note in side.forest.notes)
        notes.append(f"{who}: {note}")
    if meeting:
        notes.append("operators hang below their layer, whatever functions of either language called them")
    if unit == SHARES:
        counted = [side.unit if side.period_ns is None else f"{side.unit} each {side.period_ns} ns" for side in sides]
        notes.append(f"A counts {counted[0]}, B {counted[1]}: both are in shares of their own whole")
    elif not per_step:
        notes.append("at least one side has no steps: whole recordings are compared")
    return tuple(notes)


def _prepared(forest: Forest, meeting: bool) -> Forest:
    """One row a call path, of frames that are their labels alone; steps and devices are put where both sides have them.

    A step is a leaf with the cost that is in none of its calls.
    """
    forest = merged(forest)
    names = [label(frame) for frame in forest.frames]
    is_step = np.array([name == _STEP for name in names], bool)[forest.frame]
    parent = np.append(forest.parent, NONE)
    steps = np.append(is_step, False)
    parent = np.where(steps[parent], parent[parent], parent)[:-1]
    if meeting:
        parent = _met(parent, forest, names)
        names = [operator_of(name) or name for name in names]  # `mul__Scalar` here may be `mul__Tensor` there
    on_device = _of_devices(forest)
    plain_frames = tuple(Frame(name) for name in names)
    forest = replace(forest, parent=parent, frames=plain_frames, layer=forest.layer * 0 + NONE, layers=())
    return _below_device(forest, on_device & (parent < 0)) if on_device.any() else forest


def _met(parent: Ints, forest: Forest, names: Sequence[str]) -> Ints:
    """Callers where operators are called by their layer or phase, and these by each other, whatever lies between.

    The engine of the backward pass is entered as an operator is.
    """
    places = np.array([name.startswith(_PLACES) for name in names], bool)[forest.frame]
    engine = np.array([frame.name.startswith(_ENGINE) for frame in forest.frames], bool)[forest.frame]
    operators = (
        engine
        | np.array([frame.kind == "operator" or operator_of(frame.name) is not None for frame in forest.frames], bool)[
            forest.frame
        ]
    )
    row = np.arange(len(parent))
    place_above = np.append(calltree.inherit(parent, np.where(places, row, NONE)), NONE)[parent]
    operator_above = np.append(calltree.inherit(parent, np.where(operators, row, NONE)), NONE)[parent]
    # Rows are in preorder: of two rows above another, the one that comes later is the nearer.
    outermost = operators & (operator_above <= place_above)
    met = np.where(places | (outermost & (place_above >= 0)), place_above, parent)
    return np.where(engine & ~outermost, operator_above, met)


def _of_devices(forest: Forest) -> Flags:
    """Which rows are of threads that only kernels have a cost in."""
    kernels = np.array([frame.kind == "kernel" for frame in forest.frames], bool)[forest.frame]
    cost = forest.costs[forest.metric]
    threads = len(forest.threads)
    whole = np.bincount(forest.thread, cost, threads)
    of_kernels = np.bincount(forest.thread, np.where(kernels, cost, 0), threads)
    return ((whole > 0) & (whole == of_kernels))[forest.thread]


def _below_device(forest: Forest, roots: Flags) -> Forest:
    """The same with a first row that is the caller of these roots."""
    frames = (*forest.frames, Frame(DEVICE))
    first: dict[str, Any] = {
        name: np.insert(column, 0, value)
        for name, column, value in (
            ("frame", forest.frame, len(forest.frames)),
            ("thread", forest.thread, 0),
            ("layer", forest.layer, NONE),
            ("phase", forest.phase, NONE),
            ("parent", np.where(roots, 0, np.where(forest.parent < 0, NONE, forest.parent + 1)), NONE),
        )
    }
    costs = {name: np.insert(cost, 0, 0) for name, cost in forest.costs.items()}
    return replace(forest, frames=frames, costs=costs, **first)


def pruned(found: Difference, share: float = SMALLEST_SHARE) -> Difference:
    """Sum up what is too small to see, below each caller: totals stay what they are.

    Args:
        found: any.
        share: of the larger whole of the two; paths that cost less on both sides go.
    """
    least = share * float(found.whole.max(initial=0.0))
    large = found.total.max(axis=0) >= least
    if large.all() or not large.any():
        return found
    # Totals never grow downwards, so a row that stays has its callers.
    above = np.append(large, True)[found.parent]
    edge = np.flatnonzero(~large & above)
    callers, of_caller = np.unique(found.parent[edge], return_inverse=True)
    sums = np.zeros((2, len(callers)))
    for side in range(2):
        np.add.at(sums[side], of_caller, found.total[side, edge])
    number = _paths_below(found.parent, large, edge, of_caller, len(callers))
    kept = np.flatnonzero(large)
    place = np.append(np.cumsum(large) - 1, NONE)
    parent = np.concatenate((place[found.parent[kept]], place[callers]))
    labels = [*(found.labels[row] for row in kept), *(f"({count} smaller)" for count in number.tolist())]
    own = np.concatenate((found.own[:, kept], sums), axis=1)
    order, _ = calltree.preorder(parent)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return replace(
        found,
        parent=np.where(parent < 0, NONE, np.append(order, NONE)[parent])[back],
        labels=tuple(labels[row] for row in back.tolist()),
        own=own[:, back],
    )


def _paths_below(parent: Ints, large: Flags, edge: Ints, of_caller: Ints, callers: int) -> Ints:
    """How many call paths go below each caller, those further down included. Shape (callers,)."""
    own = np.full(len(parent), NONE, np.int64)
    own[edge] = of_caller
    group = calltree.inherit(parent, own)
    return np.bincount(group[~large], minlength=callers)
