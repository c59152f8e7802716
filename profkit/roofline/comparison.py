"""Two rooflines place by place: which implementation is nearer to its roof, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from profkit.comparison import interval
from profkit.roofline import Roofline, Row
from profkit.summary import Key

CLOSE = 0.01
"""Two shares of a roof that differ by less, of each other, are the same."""


@dataclass(frozen=True)
class Pair:
    """One place in two profiles.

    Attributes:
        key: of the place.
        a: row of the first profile; None where it has none.
        b: of the second.
    """

    key: Key
    a: Row | None
    b: Row | None

    @property
    def nearer(self) -> str | None:
        """`A` or `B`, whichever is nearer to its roof; `same` within the noise; None where a side has no time."""
        if not self.a or not self.b or self.a.share is None or self.b.share is None:
            return None
        # Where there is no work, nearer is who takes less time: as shares of it, with the smaller time for a roof.
        least = 0.0 if self.a.roof_ns or self.b.roof_ns else min(self.a.known_ns, self.b.known_ns)
        shares = [(row.at_roof_ns + least) / row.known_ns for row in (self.a, self.b)]
        low, high = _interval(self.a, self.b)
        if abs(shares[0] - shares[1]) <= CLOSE * max(shares):
            return "same"
        if low is not None and high is not None and low <= 0 <= high:
            return "same"
        return "A" if shares[0] > shares[1] else "B"

    @property
    def left_ns(self) -> float:
        """The larger time left of the two."""
        return max(row.left_ns if row else 0.0 for row in (self.a, self.b))


def _interval(a: Row, b: Row) -> tuple[float | None, float | None]:
    """95 % interval of the difference of the times left."""
    if not a.samples_ns or not b.samples_ns:
        return None, None
    return interval(np.array(a.samples_ns) - a.roof_ns, np.array(b.samples_ns) - b.roof_ns)


def pairs(a: Roofline, b: Roofline) -> list[Pair]:
    """The rows of two profiles side by side, most time left in either first."""
    left, right = ({row.key: row for row in each.rows} for each in (a, b))
    found = [Pair(key, left.get(key), right.get(key)) for key in dict.fromkeys((*left, *right))]
    return sorted(found, key=lambda pair: -pair.left_ns)
