"""An explanation as a waterfall: from A to B in causes that sum to the gap, each with what speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from profkit.explanation import NOISE, SHARE, Cause, Explanation, Place
from profkit.explanation.causes import INTERPRETER
from profkit.profile import Profile
from profkit.units import format_share
from profkit.views.cause_words import evidence, headline, mainly, notes, place_name
from profkit.views.cost import format_cost
from profkit.views.diff import agreement_lines

_BAR = 8
_NAME, _DELTA = 16, 20
_INDENT = 4
_SMALL = 0.01
"""Share of the gap below which a cause has no places named."""
_TAX_ROWS = 12
_STYLES = {NOISE: "dim"}


def explain_view(found: Sequence[Explanation], baseline: Profile, candidate: Profile, top: int) -> RenderableType:
    """Agreement, then headline, waterfall, the Python tax where both sides are exact, and notes.

    Args:
        found: what is explained: the processor's costs, and those of devices where there are any.
        baseline: the profiles that it is of.
        candidate: likewise.
        top: places of each cause.
    """
    lines = agreement_lines(baseline.run, candidate.run)
    each = [part for one in found for part in (*_explained(one, top), *_notes(one, baseline, candidate), "")]
    return Group(*map(Text, lines), *each[:-1])


def _explained(found: Explanation, top: int) -> list[RenderableType]:
    told = [cause for cause in found.causes if cause.baseline or cause.candidate or cause.delta or cause.places]
    silent = [cause.name for cause in found.causes if cause not in told]
    parts: list[RenderableType] = [*map(Text, (headline(found), *mainly(found))), ""]
    largest = max((abs(cause.delta) for cause in told), default=0.0)
    for cause in told:
        parts += _cause(found, cause, largest, top)
    if found.unit != SHARE:
        parts.append(_sum(found))
    if silent:
        parts.append(Text(f"nothing in: {', '.join(silent)}", style="dim"))
    if has_tax(found):
        parts += ["", *(_tax_table(found, column, max(top, _TAX_ROWS)) for column in ("layer", "operator"))]
    return parts


def _notes(found: Explanation, baseline: Profile, candidate: Profile) -> list[Text]:
    return [Text(f"note: {note}", style="dim") for note in notes(found, baseline, candidate)]


def has_tax(found: Explanation) -> bool:
    """Whether the cost of Python is known exactly, apart from everything else."""
    tax = found.cause(INTERPRETER)
    return found.exact and bool(tax.baseline or tax.candidate)


def _cause(found: Explanation, cause: Cause, largest: float, top: int) -> list[RenderableType]:
    """A line of the waterfall, its evidence and its places."""
    style = _STYLES.get(cause.confidence, "")
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(width=_NAME, no_wrap=True)
    line.add_column(width=_DELTA, justify="right", no_wrap=True)
    line.add_column(width=8, justify="right", no_wrap=True)
    line.add_column(width=2 * _BAR + 1, no_wrap=True)
    line.add_column(ratio=1, no_wrap=True)
    color = style or ("red" if cause.delta > 0 else "green")
    line.add_row(
        Text(cause.name, style or "bold"),
        Text(_delta(found, cause), color),
        Text("" if cause.share is None else format_share(cause.share), style),
        Text(bar(cause.delta, largest), color),
        Text(cause.confidence, style),
    )
    parts: list[RenderableType] = [line, Padding(Text(evidence(found, cause), "dim"), (0, 0, 0, _INDENT))]
    if cause.delta and (cause.share is None or abs(cause.share) >= _SMALL):
        named = [place for place in cause.places if place.delta][:top]
        parts += [Padding(_place(found, place), (0, 0, 0, _INDENT)) for place in named]
    return parts


def _place(found: Explanation, place: Place) -> Text:
    costs = f"{format_cost(place.baseline, found.unit)} -> {format_cost(place.candidate, found.unit)}"
    return Text(f"{place_name(place)}: {costs}, {format_cost(place.delta, found.unit, signed=True)}", "dim")


def bar(delta: float, largest: float) -> str:
    """A bar about a middle line: to the left for less, to the right for more.

    >>> bar(-1.0, 2.0), bar(2.0, 2.0)
    ('    ####|        ', '        |########')
    """
    length = round(_BAR * abs(delta) / largest) if largest else 0
    drawn = "#" * length
    left, right = (drawn, "") if delta < 0 else ("", drawn)
    return f"{left:>{_BAR}}|{right:<{_BAR}}"


def _delta(found: Explanation, cause: Cause) -> str:
    """The difference, and half the width of its interval where it has one."""
    text = format_cost(cause.delta, found.unit, signed=True)
    if cause.low is None or cause.high is None:
        return text
    return f"{text} ± {format_cost((cause.high - cause.low) / 2, found.unit)}"


def _sum(found: Explanation) -> Text:
    total = sum(cause.delta for cause in found.causes)
    return Text(f"{'B - A':<{_NAME}} {format_cost(total, found.unit, signed=True):>{_DELTA}}", "bold")


def _tax_table(found: Explanation, column: str, top: int) -> Table:
    """What interpreter and binding cost by layer or by operator."""
    rows = found.python_tax(column)
    table = Table(
        title=f"Python tax (interpreter, binding) by {column}, {found.unit} {'a step' if found.per_step else 'in all'}",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        expand=True,
    )
    table.add_column(column, overflow="fold", ratio=1)
    for head in ("A", "B", "B - A", "of the gap"):
        table.add_column(head, justify="right", no_wrap=True)
    for place in rows[:top]:
        table.add_row(_tax_name(place, column), *_tax_cells(found, place))
    if len(rows) > top:
        rest = rows[top:]
        sums = sum(place.baseline for place in rest), sum(place.candidate for place in rest)
        table.add_row(f"({len(rest)} more)", *_tax_cells(found, Place(None, None, None, *sums)), style="dim")
    whole = sum(place.baseline for place in rows), sum(place.candidate for place in rows)
    table.add_row("all", *_tax_cells(found, Place(None, None, None, *whole)), style="bold")
    return table


def _tax_name(place: Place, column: str) -> str:
    if column == "layer":
        return place_name(place)
    return place.operator or "(outside every layer and operator)"


def _tax_cells(found: Explanation, place: Place) -> list[str]:
    share = format_share(place.delta / found.gap) if found.gap else "-"
    costs = [format_cost(cost, found.unit) for cost in (place.baseline, place.candidate)]
    return [*costs, format_cost(place.delta, found.unit, signed=True), share]


def explain_json(found: Sequence[Explanation], baseline: Profile, candidate: Profile) -> dict[str, Any]:
    """Everything, for programs: all causes with all their places, for the processor and for the devices."""
    return {
        "agreement": agreement_lines(baseline.run, candidate.run),
        "baseline": asdict(baseline.run),
        "candidate": asdict(candidate.run),
        "explanations": [_json(one, baseline, candidate) for one in found],
    }


def _json(found: Explanation, baseline: Profile, candidate: Profile) -> dict[str, Any]:
    tax = {column: _places(found.python_tax(column)) for column in ("layer", "operator")} if has_tax(found) else None
    return {
        "device": found.device,
        "answer": [headline(found), *mainly(found)],
        "unit": found.unit,
        "per_step": found.per_step,
        "basis": found.basis,
        "baseline_cost": found.costs[0],
        "candidate_cost": found.costs[1],
        "gap": found.gap,
        "low": found.low,
        "high": found.high,
        "causes": [
            {**asdict(cause), "evidence": evidence(found, cause), "places": _places(cause.places)}
            for cause in found.causes
        ],
        "python_tax": tax,
        "notes": notes(found, baseline, candidate),
    }


def _places(places: Sequence[Place]) -> list[dict[str, Any]]:
    return [{**asdict(place), "delta": place.delta} for place in places]
