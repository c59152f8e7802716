"""How much more work one profile does than another, place by place, as far as multiply-adds are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from profkit.columns import Flags
from profkit.errors import UsageError
from profkit.profile import Profile
from profkit.quantities import derive
from profkit.summary import Key, group_rows

SAME_WORK = 0.01
"""Multiply-adds that differ by a smaller share are the same: operators count a bias or a border differently."""


@dataclass(frozen=True)
class Work:
    """FLOP and multiply-adds a step by place, without those that nobody knows.

    Attributes:
        flop: by place.
        macs: likewise.
        partial: whether some operators have no formula, so that a whole is the least that it can be.
    """

    flop: Mapping[Key, float] = field(default_factory=dict)
    macs: Mapping[Key, float] = field(default_factory=dict)
    partial: bool = True

    @property
    def whole(self) -> float | None:
        """All multiply-adds; None where nobody knows any."""
        return sum(self.macs.values()) if self.macs else None


def work_of(profile: Profile, rows: Flags, layered: bool) -> Work:
    """The work of some rows of a profile.

    Args:
        profile: of any tool.
        rows: which rows count, shape (rows,).
        layered: whether places are layers and phases; else phases alone.
    """
    by = ("layer", "phase") if layered else ("phase",)
    keys = group_rows(profile.operators, by)[0]
    try:
        found = derive(profile, by, [[key] for key in keys], ("flop", "macs"), rows, profile.run.steps or 1)
    except UsageError:  # no shapes and no network as data
        return Work()
    flop, macs = (
        {key: value for key, value in zip(keys, found.values[name], strict=True) if value} for name in ("flop", "macs")
    )
    return Work(flop, macs, found.least["macs"][-1])


@dataclass(frozen=True)
class Ratios:
    """How many times the baseline's work the candidate does.

    Attributes:
        ratios: by place, only where the work differs; infinite where only the candidate has any.
        layered: whether places are layers and phases; else phases alone.
    """

    ratios: Mapping[Key, float]
    layered: bool

    @staticmethod
    def of(left: Work, right: Work, layered: bool) -> Ratios:
        """Compare place by place, where the whole differs.

        By multiply-adds, and by FLOP in places that have none. Where the side that seems to do less may do more than
        has been counted, nobody knows whether it does less.
        """
        if left.whole is None or right.whole is None or alike(left.whole, right.whole):
            return Ratios({}, layered)
        if (left if left.whole < right.whole else right).partial:
            return Ratios({}, layered)
        found = {}
        for key in dict.fromkeys((*left.flop, *right.flop)):
            a, b = left.macs.get(key, 0.0), right.macs.get(key, 0.0)
            if not a and not b:
                a, b = left.flop.get(key, 0.0), right.flop.get(key, 0.0)
            if not alike(a, b):
                found[key] = b / a if a else np.inf
        return Ratios(found, layered)

    def at(self, key: Key) -> float:
        """The ratio of a layer and phase (and whatever follows in the key); 1 where the work is the same."""
        return self.ratios.get(key[:2] if self.layered else key[1:2], 1.0)


def alike(a: float, b: float) -> bool:
    """Whether two amounts of work are the same."""
    return abs(a - b) <= SAME_WORK * max(a, b)
