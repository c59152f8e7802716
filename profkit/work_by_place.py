"""How much work a profile does, place by place, and how much more than another, as far as it is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from profkit.columns import Flags
from profkit.errors import UsageError
from profkit.profile import Profile
from profkit.quantities import derive
from profkit.summary import Key, group_rows

SAME_WORK = 0.01
"""Multiply-adds that differ by a smaller share are the same: operators count a bias or a border differently."""

Places = set[Key]


@dataclass(frozen=True)
class Work:
    """FLOP and multiply-adds by place, without those that nobody knows.

    Attributes:
        flop: by place.
        macs: likewise.
        whole: all multiply-adds; None where nobody knows any.
        whole_flop: all FLOP, likewise.
        partial: whether some operators have no formula, so that a whole is the least that it can be.
    """

    flop: Mapping[Key, float] = field(default_factory=dict)
    macs: Mapping[Key, float] = field(default_factory=dict)
    whole: float | None = None
    whole_flop: float | None = None
    partial: bool = True


def work_of(profile: Profile, rows: Flags | None = None, *, layered: bool = False, per_step: bool = True) -> Work:
    """The work of some rows of a profile.

    Args:
        profile: of any tool.
        rows: which rows count, shape (rows,); None for all.
        layered: whether places are layers and phases; else phases alone.
        per_step: whether it is the work of a step, or of all the recording.
    """
    by = ("layer", "phase") if layered else ("phase",)
    keys = group_rows(profile.operators, by)[0]
    steps, flop_column = profile.run.steps, profile.operators["flop"]
    if not per_step and not steps and flop_column.null_count == len(flop_column):
        return Work()  # a network as data says what a step is, and nobody how many there were
    try:
        found = derive(profile, by, [[key] for key in keys], ("flop", "macs"), rows, (steps or 1) if per_step else 1)
    except UsageError:  # no shapes and no network as data
        return Work()
    flop, macs = (
        {key: value for key, value in zip(keys, found.values[name], strict=True) if value} for name in ("flop", "macs")
    )
    return Work(flop, macs, found.whole["macs"] or None, found.whole["flop"] or None, found.least["macs"][-1])


@dataclass(frozen=True)
class Ratios:
    """How many times the baseline's work the candidate does.

    Attributes:
        left: work of the baseline; none where the whole is the same.
        right: of the candidate.
        layered: whether places are layers and phases; else phases alone.
    """

    left: Work
    right: Work
    layered: bool

    @staticmethod
    def of(left: Work, right: Work, layered: bool) -> Ratios:
        """Compare where the whole differs.

        Where the side that seems to do less may do more than has been counted, nobody knows whether it does less.
        """
        same = left.whole is None or right.whole is None or alike(left.whole, right.whole)
        if same or (left if (left.whole or 0.0) < (right.whole or 0.0) else right).partial:
            return Ratios(Work(), Work(), layered)
        return Ratios(left, right, layered)

    def of_rows(self, left: Sequence[Key], right: Sequence[Key]) -> float:
        """The ratio in the places of rows that are set against each other, wherever either side has them.

        By multiply-adds, and by FLOP in places that have none. Rows that the other side has no counterpart of are held
        against its work in their own places.

        Args:
            left: keys of the baseline's rows: layer, phase and whatever follows.
            right: of the candidate's.

        Returns:
            1 where the work is the same; infinite where only the candidate has any.
        """
        places = self._places(left or right), self._places(right or left)
        if self.layered and (None in _layers(places[0])) != (None in _layers(places[1])):
            # What one side has outside of its layers, the other has in several.
            places = self._phases(self.left, places[0]), self._phases(self.right, places[1])
        a, b = _sum(self.left.macs, places[0]), _sum(self.right.macs, places[1])
        if not a and not b:
            a, b = _sum(self.left.flop, places[0]), _sum(self.right.flop, places[1])
        if alike(a, b):
            return 1.0
        return b / a if a else np.inf

    def _places(self, keys: Sequence[Key]) -> Places:
        return {key[:2] if self.layered else key[1:2] for key in keys}

    def _phases(self, work: Work, places: Places) -> Places:
        """All places of the phases of some."""
        phases = {phase for _, phase in places}
        return {place for place in (*work.flop, *work.macs) if place[1] in phases}


def _layers(places: Places) -> set[str | None]:
    return {place[0] for place in places}


def _sum(work: Mapping[Key, float], places: Places) -> float:
    return sum(work.get(place, 0.0) for place in places)


def alike(a: float, b: float) -> bool:
    """Whether two amounts of work are the same."""
    return abs(a - b) <= SAME_WORK * max(a, b)
