"""Where names go beside the points of a chart, so that they hide neither each other nor the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER, LINE = 5.4, 12.0
"""Width and height of a letter of ten points [pixels]."""

Point = tuple[float, float]

_PARTS = 24
_DISTANCES = (12, 22, 34, 50, 70, 95, 125, 160, 200, 250)
_ANGLES = tuple(math.radians(sign * degrees) for degrees in range(0, 181, 15) for sign in (-1, 1))


@dataclass(frozen=True)
class Box:
    """A rectangle; pixels from the left and from the bottom."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether both cover some place."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide > 0 and high > 0

    def holds(self, points: Sequence[Point]) -> bool:
        """Whether any of the points lies in it."""
        return any(self.left <= x <= self.right and self.bottom <= y <= self.top for x, y in points)

    def lies_in(self, size: tuple[float, float]) -> bool:
        """Whether all of it lies in a chart of this width and height."""
        return self.left >= 0 and self.right <= size[0] and self.bottom >= 0 and self.top <= size[1]


@dataclass(frozen=True)
class Label:
    """A name and where it goes.

    Attributes:
        text: of it.
        point: that it names.
        at: middle of the text.
        edge: where a line from the point meets the text.
    """

    text: str
    point: Point
    at: Point
    edge: Point

    @property
    def box(self) -> Box:
        """What the text covers."""
        half = CHARACTER * len(self.text) / 2
        return Box(self.at[0] - half, self.at[1] - LINE / 2, self.at[0] + half, self.at[1] + LINE / 2)

    @property
    def line(self) -> list[Point]:
        """Points of the line from the point to just before the text."""
        (x, y), (to_x, to_y) = self.point, self.edge
        return [(x + (to_x - x) * part / _PARTS, y + (to_y - y) * part / _PARTS) for part in range(_PARTS)]


def place_labels(
    names: Sequence[tuple[str, float, float]], taken: Sequence[Box], size: tuple[float, float]
) -> list[Label]:
    """Put each name as near to its point as there is room; one that has no room anywhere near is left out.

    Args:
        names: text and point, the most important first.
        taken: what they must not cover.
        size: width and height of the chart.
    """
    placed: list[Label] = []
    for text, x, y in names:
        found = _place(text, (x, y), taken, placed, size)
        if found is not None:
            placed.append(found)
    return placed


def _place(
    text: str, point: tuple[float, float], taken: Sequence[Box], placed: Sequence[Label], size: tuple[float, float]
) -> Label | None:
    """The nearest place where neither the text nor its line covers anything, and no other line runs through it."""
    half = CHARACTER * len(text) / 2
    texts = [each.box for each in placed]
    for distance in _DISTANCES:
        for angle in _ANGLES:
            across, up = math.cos(angle), math.sin(angle)
            edge = (point[0] + distance * across, point[1] + distance * up)
            label = Label(text, point, (edge[0] + half * across, edge[1] + LINE / 2 * up), edge)
            if (
                label.box.lies_in(size)
                and not any(label.box.overlaps(each) for each in (*taken, *texts))
                and not any(each.holds(label.line) for each in texts)
                and not any(label.box.holds(each.line) for each in placed)
            ):
                return label
    return None
