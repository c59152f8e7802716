"""What all charts of a benchmark have in common: colours, panels, intervals, titles."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from profkit.measures import Results, summarise
from profkit.sweep import Cell, varying
from profkit.views.bench import interval_line, setting_line

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Okabe and Ito's colours, told apart by every kind of colour vision."""
TITLES = {
    "batch_size": "batch size [samples]",
    "kernel_size": "kernel size [pixels]",
    "lr": "learning rate",
    "layers": "stages",
    "workers": "data workers",
}
SUBTITLE = 80
"""Characters of a line under the title."""
PANELS = 12
"""As many panels as one chart may have; axes of many values then have lines instead."""
WIDEST = 4
"""Panels side by side."""

WHISKERS = "between the whiskers"

Record = dict[str, Any]


@dataclass(frozen=True)
class Panels:
    """How a chart is cut into panels.

    Attributes:
        axes: a panel for each combination of their values; none for a single panel.
        groups: headings in their order.
        columns: panels side by side.
    """

    axes: tuple[str, ...]
    groups: tuple[str, ...]
    columns: int


def place(cell: Cell, results: Results) -> Record:
    """Where a cell stands in a chart: its series, and the other axes by name."""
    device = f" {cell.device}" if "device" in varying(results.cells) else ""
    others = {name: cell.axes.get(name) for name in varying(results.cells)}
    return {**others, "series": f"{cell.implementation}{device}", "cell": cell.key}


def colour(results: Results, shown: Sequence[str] | None = None) -> Any:
    """The colour of each series, the same in every chart; the legend has those that are shown."""
    series = series_of(results)
    names = series if shown is None else list(shown)
    scale = alt.Scale(domain=series, range=[PALETTE[index % len(PALETTE)] for index in range(len(series))])
    legend = alt.Legend(values=names, symbolOpacity=1, symbolStrokeWidth=0, symbolSize=110, symbolType="circle")
    return alt.Color("series:N", title=None, scale=scale, legend=legend if names else None)


def series_of(results: Results) -> list[str]:
    """Every series, in the order of the sweep."""
    return list(dict.fromkeys(str(place(cell, results)["series"]) for cell in results.cells))


def others_than(results: Results, axis: str) -> list[str]:
    """Axes that vary beside this one."""
    return [name for name in varying(results.cells) if name not in (axis, "implementation", "device")]


def panels_of(others: Sequence[str], results: Results) -> tuple[Panels, list[str]]:
    """The axes that get a panel for each combination of their values, and those that have but a line each.

    Workloads are never drawn into one panel. Panels are one wrapped list: in a grid of rows and columns, Vega-Lite
    puts panels under the wrong heading where a combination is missing.
    """
    chosen = list(others)

    def groups() -> list[str]:
        return list(dict.fromkeys(group(cell, chosen) for cell in results.cells))

    while len(groups()) > PANELS and (rest := [name for name in chosen if name != "workload"]):
        chosen.remove(max(rest, key=lambda name: len({cell.axes.get(name) for cell in results.cells})))
    last = len({str(cell.axes.get(chosen[-1])) for cell in results.cells}) if chosen else 1
    panels = Panels(tuple(chosen), tuple(groups()), last if 1 < last <= WIDEST else WIDEST)
    return panels, [name for name in others if name not in chosen]


def group(cell: Cell, names: Sequence[str]) -> str:
    """`convnet, batch size 8, kernel size 3`: the heading of a panel."""
    return ", ".join(
        str(cell.axes.get(name)) if name == "workload" else f"{label(name)} {cell.axes.get(name)}" for name in names
    )


def label(axis: str) -> str:
    """An axis in words, without its unit."""
    return TITLES.get(axis, axis.replace("_", " ")).partition(" [")[0]


def finished(
    chart: Any,
    records: Iterable[Record],
    panels: Panels,
    results: Results,
    title: str,
    marked: str = "between the whiskers",
) -> Any:
    """The chart with its data, its panels, its title and one look; `marked` says where the interval is seen."""
    cells = {cell.key: cell for cell in results.cells}
    data = alt.InlineData(values=[{**each, "panel": group(cells[each["cell"]], panels.axes)} for each in records])
    if panels.axes:
        header = alt.Header(title=None, labelFontWeight="bold", labelAnchor="start")
        facet = alt.Facet("panel:N", sort=list(panels.groups), header=header)
        chart = chart.properties(width=260, height=180).facet(facet, data=data, columns=panels.columns)
        if "workload" in panels.axes:
            chart = chart.resolve_scale(y="independent")
    else:
        chart = chart.properties(width=420, height=260)
        chart.data = data
    return dressed(chart, results, title, marked)


def dressed(chart: Any, results: Results, title: str, marked: str) -> Any:
    """The chart under its title, on white."""
    said = (setting_line(results), interval_line(summarise(results), marked))
    lines = [line for text in said for line in textwrap.wrap(text, SUBTITLE)]
    heading = alt.TitleParams(title, subtitle=lines, anchor="start", fontSize=16, subtitleColor="#555555", offset=14)
    return (
        chart.properties(title=heading, background="white")
        .configure_view(stroke="#DDDDDD")
        .configure_axis(gridColor="#EEEEEE", labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
        .configure_legend(orient="bottom", labelFontSize=12, titleFontSize=12)
        .configure_header(labelFontSize=12)
    )


def whisker(chart: Any, y_title: str, colour: str | None = None) -> Any:
    """The interval of each point."""
    ticks = {"size": 8, **({"color": colour} if colour else {})}
    rule = {"color": colour} if colour else {}
    bar = chart.mark_errorbar(ticks=ticks, rule=rule, thickness=1.2)
    bar = bar.encode(y=alt.Y("low:Q", title=y_title), y2="high:Q", detail="cell:N")
    return bar.encode(color=alt.value(colour)) if colour else bar
