"""What each change is worth: a table of trials that were measured, and why others were not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.rerun import Ratio, Tried, WhatIf, all_changes
from profkit.units import format_ns
from profkit.views.run import name

_FACTORS_FROM = 2.0
"""A ratio that is told as a factor; smaller ones are told in percent."""
_WORDS = {"within noise": "noise", "unknown": "", "faster": "faster", "slower": "slower"}
_STYLES = {"within noise": "dim", "unknown": "dim", "faster": "green", "slower": "red"}


def what_if_view(results: WhatIf) -> RenderableType:
    """Both sides as they were, one row for each change and side, and what was not tried."""
    lines = [_as_they_were(results), *_answer(results)]
    parts: list[RenderableType] = [*(Text(line) for line in lines)]
    if results.tried:
        parts += ["", _table(results), Text(_caption(results), "dim")]
    parts += [Text(f"not tried: {each.change} of {each.side}: {each.reason}", "dim") for each in results.untried]
    return Group(*parts)


def what_if_json(results: WhatIf) -> dict[str, Any]:
    """The same for programs, with the times of every step."""
    questions = all_changes()
    return {
        "rounds": results.rounds,
        "interrupted": results.interrupted,
        "steps": dict(results.steps),
        "unchanged": {
            side: {
                "implementation": results.runs[side].implementation,
                "typical_ns": measured.typical(),
                "step_ns": measured.step_ns,
            }
            for side, measured in results.unchanged.items()
        },
        "gap": _ratio_json(results.gap),
        "tried": [
            {
                "side": tried.side,
                "change": tried.change,
                "question": questions[tried.change].question,
                "label": tried.label,
                "statistic": tried.statistic,
                "typical_ns": tried.measured.typical(tried.statistic),
                "worth": _ratio_json(tried.worth),
                "gap_before": _ratio_json(tried.gap_before),
                "gap_after": _ratio_json(tried.gap_after),
                "seen": {fact: list(values) for fact, values in tried.seen.items()},
                "step_ns": tried.measured.step_ns,
            }
            for tried in results.tried
        ],
        "untried": [asdict(each) for each in results.untried],
    }


def _as_they_were(results: WhatIf) -> str:
    sides = ", ".join(
        f"{side} ({name(results.runs[side])}) {format_ns(measured.typical())} a step"
        for side, measured in results.unchanged.items()
    )
    cut_short = ", interrupted" if results.interrupted else ""
    processes = f"{results.rounds} fresh process{'es' if results.rounds != 1 else ''} each, by turns{cut_short}"
    return f"Run again as they were: {sides}: B takes {_factor(results.gap)} of A ({processes})."


def _answer(results: WhatIf) -> list[str]:
    """The changes that are worth something, the largest first."""
    surely = [tried for tried in results.tried if tried.worth.verdict in ("faster", "slower")]
    surely.sort(key=lambda tried: -max(tried.worth.value, 1 / tried.worth.value))
    if not results.tried:
        return ["Nothing was changed."]
    if not surely:
        return ["No change is worth more than the noise."]
    return [
        f"{tried.side} with {tried.label}: {_change(tried.worth.value)} a step, and B takes "
        f"{tried.gap_after.value:.3g}x of A in place of {tried.gap_before.value:.3g}x."
        for tried in surely
    ]


def _table(results: WhatIf) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("one thing changed", overflow="fold", ratio=1)
    for head in ("a step", "worth", "95 %", "B / A"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for tried in results.tried:
        table.add_row(*_cells(tried), style=_STYLES[tried.worth.verdict])
    return table


def _cells(tried: Tried) -> tuple[str, ...]:
    return (
        f"{tried.side}: {tried.label}",
        format_ns(tried.measured.typical(tried.statistic)),
        _change(tried.worth.value),
        _interval(tried.worth),
        f"{tried.gap_after.value:.3g}x",
        _WORDS[tried.worth.verdict],
    )


def _caption(results: WhatIf) -> str:
    steps = ", ".join(f"{count} steps of {side}" for side, count in results.steps.items())
    means = sorted({tried.change for tried in results.tried if tried.statistic == "mean"})
    mean = f"; {' and '.join(means)} by their mean" if means else ""
    return (
        f"A process counts as one measurement: the median of its steps ({steps}){mean}. Of twenty changes that are "
        "worth nothing, one will look as if it were."
    )


def _change(ratio: float) -> str:
    """`-12.0 %` or `34x`: by how much a step gets longer."""
    return f"{100 * (ratio - 1):+.1f} %" if ratio < _FACTORS_FROM else f"{ratio:.3g}x"


def _interval(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return "-"
    return f"{_change(ratio.low)} .. {_change(ratio.high)}"


def _factor(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3g}x"
    return f"{ratio.value:.3g}x ({ratio.low:.3g} to {ratio.high:.3g})"


def _ratio_json(ratio: Ratio) -> dict[str, Any]:
    return {**asdict(ratio), "verdict": ratio.verdict}
