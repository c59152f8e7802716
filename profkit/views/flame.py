"""A differential flame graph in the terminal: the call paths that differ most, as a tree with signed bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.columns import NONE
from profkit.flame_graph.difference import SMALLEST_SHARE, Difference, pruned
from profkit.symbols import qualified_name
from profkit.views.cost import format_cost

_BAR = 7
"""Cells of a bar on either side of its middle."""
_LABEL = 31
"""What 80 columns leave for a name."""
_DEEPEST = 16
_PASSED_ON = 0.95
"""A frame that hands this share of both sides' costs to one callee says nothing that the callee does not."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLACES = ("phase/", "layer/", "nn.Module: ")
_MORE, _LESS = "red", "green"


@dataclass(frozen=True)
class _Line:
    """One line of the tree.

    Attributes:
        row: of the difference; of a sum of rows that are not shown, the caller's.
        depth: from 0.
        hidden: rows summed up here, empty of a row itself.
        skipped: frames above that only hand on.
    """

    row: int
    depth: int
    hidden: tuple[int, ...] = ()
    skipped: int = 0


def flame_view(found: Difference, top: int = 25, share: float = SMALLEST_SHARE) -> RenderableType:
    """The tree of differences, at 80 columns.

    Args:
        found: as `profkit.flame_difference.difference_of` gives it.
        top: rows shown; callees in order of their difference, the others summed up in `(n more)`.
        share: of the larger whole, below which paths are summed up before.
    """
    small = pruned(found, share)
    what = "share of the whole" if small.unit == "share" else "a step" if small.per_step else "in all"
    unit = "" if small.unit in ("ns", "share") else f" {small.unit}"
    head = [Text(f"A  {small.names[0]}"), Text(f"B  {small.names[1]}")]
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column(f"total{unit} {what}", no_wrap=True, overflow="ellipsis", ratio=1, min_width=20)
    for name in ("A", "B", "B - A"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("less │ more".center(2 * _BAR + 1), no_wrap=True)
    whole = float(small.whole[1] - small.whole[0])
    largest = float(np.abs(small.delta).max(initial=abs(whole)))
    table.add_row("all", *_cells(small, float(small.whole[0]), float(small.whole[1])), _bar(whole, largest))
    for line in _lines(small, top):
        table.add_row(*_row(small, line, largest), style="dim" if line.hidden else None)
    return Group(*head, table, *(Text(f"note: {note}", style="dim") for note in small.notes))


def _lines(found: Difference, top: int) -> list[_Line]:
    """The `top` rows with the largest differences whose callers are shown, in the order of a tree."""
    below = _callees(found)
    shown: set[int] = set()
    ready = {row: _handed_on(found, below, row) for row in below.get(NONE, [])}
    while ready and len(shown) < top:
        row = max(ready, key=lambda row: (abs(found.delta[row]), found.total[:, row].max(), -row))
        end, _ = ready.pop(row)
        shown.add(row)
        ready |= {callee: _handed_on(found, below, callee) for callee in below.get(end, [])}
    return _tree(found, below, shown)


def _tree(found: Difference, below: dict[int, list[int]], shown: set[int]) -> list[_Line]:
    """The rows shown, callees below callers, and the sum of those that are not."""
    lines: list[_Line] = []
    open_rows: list[tuple[int, int, bool]] = [(NONE, -1, False)]
    while open_rows:
        row, depth, is_rest = open_rows.pop()
        end, skipped = (row, 0) if row == NONE or is_rest else _handed_on(found, below, row)
        callees = below.get(end, [])
        if is_rest:
            rest = tuple(callee for callee in callees if callee not in shown)
            lines.append(_Line(row, depth, rest))
            continue
        if row != NONE:
            lines.append(_Line(end, depth, skipped=skipped))
        inside = [callee for callee in callees if callee in shown]
        if inside and len(inside) < len(callees):
            open_rows.append((end, depth + 1, True))
        open_rows += [(callee, depth + 1, False) for callee in reversed(inside)]
    return lines


def _callees(found: Difference) -> dict[int, list[int]]:
    """Rows by their caller, the largest difference first."""
    below: dict[int, list[int]] = {}
    for row in np.lexsort((-found.total.max(axis=0), -np.abs(found.delta))).tolist():
        below.setdefault(int(found.parent[row]), []).append(row)
    return below


def _handed_on(found: Difference, below: dict[int, list[int]], row: int) -> tuple[int, int]:
    """The row that stands for this one, and how many frames it stands for besides: a layer or a phase stays."""
    skipped = 0
    while not found.labels[row].startswith(_PLACES):
        costs = found.total[:, row]
        heirs = [callee for callee in below.get(row, []) if np.all(found.total[:, callee] >= _PASSED_ON * costs)]
        if len(heirs) != 1 or found.labels[heirs[0]].endswith(" smaller)"):
            break
        row, skipped = heirs[0], skipped + 1
    return row, skipped


def _sums(found: Difference, line: _Line) -> tuple[float, float]:
    rows = list(line.hidden) or [line.row]
    a, b = found.total[:, rows].sum(axis=1)
    return float(a), float(b)


def _label(found: Difference, line: _Line) -> str:
    if line.hidden:
        return f"({len(line.hidden)} more)"
    return ("… " if line.skipped else "") + found.labels[line.row]


def _row(found: Difference, line: _Line, largest: float) -> list[str | Text]:
    a, b = _sums(found, line)
    depth = min(line.depth, _DEEPEST)
    return [
        " " * (depth + 1) + _shortened(_label(found, line), _LABEL - depth),
        *_cells(found, a, b),
        _bar(b - a, largest),
    ]


def _shortened(label: str, width: int) -> str:
    """The end of a long name says more than its beginning, and arguments say least."""
    mark = "… " if label.startswith("… ") else ""
    native = len(label) > width and "::" in label and " more)" not in label
    name = mark + (qualified_name(label.removeprefix(mark)) or label) if native else label
    return name if len(name) <= width else f"…{name[1 - width :]}"


def _cells(found: Difference, a: float, b: float) -> list[str | Text]:
    delta = b - a
    text = format_cost(delta, found.unit, signed=True)
    return [format_cost(a, found.unit), format_cost(b, found.unit), Text(text, _style(delta))]


def _style(delta: float) -> str:
    return _MORE if delta > 0 else _LESS if delta < 0 else "dim"


def _bar(delta: float, largest: float) -> Text:
    """A bar to the left of the middle for less, to its right for more."""
    eighths = round(8 * _BAR * abs(delta) / largest) if largest else 0
    full, part = divmod(eighths, 8)
    if delta < 0:  # there are no blocks that grow from the right
        left = (("▐" if part >= 4 else "") + "█" * full).rjust(_BAR)
        return Text.assemble((left, _LESS), "│", " " * _BAR)
    right = ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR)
    return Text.assemble(" " * _BAR, "│", (right, _MORE))
