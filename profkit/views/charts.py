"""Charts of a benchmark: time, throughput and improvement against each swept option, learning curves, time split."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import altair as alt

from profkit.measures import PHASES, Results, Summary, summarise
from profkit.options import Value
from profkit.sweep import Cell, varying
from profkit.views.chart_look import (
    TITLES,
    Record,
    colour,
    dressed,
    finished,
    group,
    label,
    others_than,
    panels_of,
    place,
    series_of,
    whisker,
)
from profkit.write import write_whole

PHASE_COLOURS = {
    "data": "#999999",
    "host to device": "#CC79A7",
    "forward": "#0072B2",
    "backward": "#E69F00",
    "optimizer": "#009E73",
    "other": "#DDDDDD",
}
LOGARITHMIC_SPAN = 20
"""Largest over smallest value from which an axis is logarithmic."""


def save_charts(results: Results, directory: Path, say: Callable[[str], None]) -> list[Path]:
    """Draw every chart as PNG, SVG and interactive HTML that needs no network.

    Args:
        results: of a benchmark.
        directory: to write to; made where it is missing.
        say: told which chart is being drawn.

    Returns:
        The PNG files.

    Raises:
        WriteError: a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, chart in charts(results).items():
        say(f"drawing: {name}")
        for suffix, more in (("svg", {}), ("html", {"inline": True}), ("png", {"scale_factor": 2})):
            drawn: io.BytesIO | io.StringIO = io.BytesIO() if suffix == "png" else io.StringIO()
            chart.save(drawn, format=suffix, **more)
            data = drawn.getvalue()
            write_whole(directory / f"{name}.{suffix}", data.encode() if isinstance(data, str) else data)
        written.append(directory / f"{name}.png")
    return written


def charts(results: Results) -> dict[str, Any]:
    """Every chart by its name."""
    summaries = summarise(results)
    if not summaries:
        return {}
    different = varying(results.cells)
    swept = [name for name in different if name not in ("implementation", "device", "workload")]
    drawn: dict[str, Any] = {}
    for axis in swept or ["implementation"]:
        for name, metric, title, scale in _metrics(results):
            records = _records(results, summaries, metric, scale, axis)
            if records:
                titled = f"{title[0]} by {label(axis)}"
                drawn[f"{name}-by-{axis}"] = _against(axis, records, results, titled, title[1])
    if results.configuration["mode"] == "latency":
        drawn["percentiles"] = _percentiles(results, summaries)
    for name, measures, title in CURVES:
        records = _curve_records(results, measures)
        if records:
            drawn[f"{name}-by-epoch"] = _curve(records, results, title)
    drawn["time-split"] = _split(results, summaries)
    return drawn


def _metrics(results: Results) -> list[tuple[str, str, tuple[str, str], float]]:
    """Name, metric, title with the axis's, and factor to the axis's unit."""
    time = (
        ("epoch_s", ("Time of an epoch", "time of an epoch [s]"), 1.0)
        if results.time == "epoch_s"
        else ("step_p50_ms", ("Time of a step", "median time of a step [ms]"), 1.0)
    )
    saved = f"time saved against {results.baseline} [%]"
    return [
        ("time", *time),
        ("throughput", "samples_per_s", ("Throughput", "throughput [samples/s]"), 1.0),
        ("improvement", "improvement", (f"Time saved against {results.baseline}", saved), 100.0),
    ]


def _records(results: Results, summaries: Sequence[Summary], metric: str, scale: float, axis: str) -> list[Record]:
    """One record a cell that has the metric."""
    records = []
    for summary in summaries:
        estimate = summary.values[metric]
        if estimate is not None:
            low, high = estimate.low, estimate.high
            records.append(
                {
                    **place(summary.cell, results),
                    "x": place(summary.cell, results)["series"]
                    if axis == "implementation"
                    else summary.cell.axes[axis],
                    "value": estimate.median * scale,
                    "low": (estimate.median if low is None else low) * scale,
                    "high": (estimate.median if high is None else high) * scale,
                }
            )
    return records


def _against(axis: str, records: list[Record], results: Results, title: str, y_title: str) -> Any:
    """Lines and points with intervals, one series an implementation."""
    x = _x(axis, [record["x"] for record in records])
    saved = "saved" in y_title
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=True, nice=True))
    others = others_than(results, axis)
    panels, lines = panels_of(others, results)
    shown = (
        []
        if axis == "implementation"
        else [name for name in series_of(results) if name in {r["series"] for r in records}]
    )
    chart = alt.Chart().encode(x=x, color=colour(results, shown), detail=[f"{name}:N" for name in lines])
    tips = [alt.Tooltip("series:N"), *(alt.Tooltip(f"{name}:N") for name in (*others, "x")), *_TIPS]
    value = (
        chart.mark_bar(width=48) if axis == "implementation" else chart.mark_point(filled=True, size=60, opacity=1)
    ).encode(y=y, tooltip=tips)
    interval = whisker(chart, y_title, "#333333" if axis == "implementation" else None)
    layers = (
        [value, interval] if axis == "implementation" else [chart.mark_line(strokeWidth=2).encode(y=y), interval, value]
    )
    if saved:
        layers.insert(0, alt.Chart().mark_rule(color="#666666", strokeDash=[4, 3]).encode(y=alt.datum(0)))
    return finished(alt.layer(*layers), records, panels, results, title)


_TIPS = [alt.Tooltip(f"{name}:Q", format=".4g") for name in ("value", "low", "high")]


def _x(axis: str, values: Sequence[Value]) -> Any:
    """A numeric axis with a tick at each value, logarithmic where they span much; names as they come."""
    title = TITLES.get(axis, axis.replace("_", " "))
    if axis == "implementation":
        return alt.X("x:N", title=None, sort=None, axis=alt.Axis(labelAngle=0))
    found = [value for value in dict.fromkeys(values) if not isinstance(value, str)]
    if len(found) < len(dict.fromkeys(values)):
        return alt.X("x:N", title=title, sort=None, axis=alt.Axis(labelAngle=0))
    logarithmic = min(found) > 0 and (axis == "batch_size" or max(found) / min(found) >= LOGARITHMIC_SPAN)
    scale = (
        alt.Scale(type="log", nice=False, padding=14) if logarithmic else alt.Scale(zero=False, nice=False, padding=14)
    )
    ticks = alt.Axis(values=sorted(found), format="~g", labelOverlap="greedy", grid=False)
    return alt.X("x:Q", title=title, scale=scale, axis=ticks)


CURVES = (
    ("loss", {"train_loss": "train", "test_loss": "test"}, ("Loss by epoch", "mean loss")),
    ("accuracy", {"train_accuracy": "train", "test_accuracy": "test"}, ("Accuracy by epoch", "accuracy [%]")),
    ("l1", {"test_l1": "test"}, ("L1 distance by epoch", "mean absolute difference")),
    ("l2", {"test_l2": "test"}, ("L2 distance by epoch", "mean squared difference")),
)
"""Name, columns of the report with what they are called, title and title of the axis."""


def _curve_records(results: Results, measures: Mapping[str, str]) -> list[Record]:
    """The median over the repeats of each epoch of each cell."""
    values: dict[tuple[Cell, int, str], list[float]] = {}
    for run in results.runs:
        for epoch in run.epochs:
            for column, part in measures.items():
                value = epoch.get(column)
                if value is not None:
                    number = int(epoch["epoch"] or 0) + 1
                    values.setdefault((run.cell, number, part), []).append(value * (100 if "accuracy" in column else 1))
    return [
        {**place(cell, results), "epoch": number, "part": part, "value": median(found)}
        for (cell, number, part), found in values.items()
    ]


def _curve(records: list[Record], results: Results, title: tuple[str, str]) -> Any:
    """Lines by epoch; the baseline is wide and pale, because implementations that agree lie on each other."""
    last = max(record["epoch"] for record in records)
    others = others_than(results, "epoch")
    panels, lines = panels_of(others, results)
    series = series_of(results)
    wide = [7.0 if name.split()[0] == results.baseline and len(series) > 1 and last > 1 else 1.8 for name in series]
    pale = [0.35 if width > 2 else 1.0 for width in wide]
    parts = sorted({record["part"] for record in records}, reverse=True)
    chart = alt.Chart().encode(
        x=alt.X(
            "epoch:Q", title="epoch", scale=_whole(last), axis=alt.Axis(values=_ticks(last), format="d", grid=False)
        ),
        y=alt.Y("value:Q", title=title[1], scale=alt.Scale(zero=False, nice=False, padding=10)),
        color=colour(results),
        detail=[f"{name}:N" for name in (*lines, "part")],
        tooltip=[
            *(alt.Tooltip(f"{name}:N") for name in ("series", *others, "part")),
            alt.Tooltip("epoch:Q"),
            alt.Tooltip("value:Q", format=".4g"),
        ],
    )
    dash = alt.StrokeDash("part:N", title=None, scale=alt.Scale(domain=parts, range=[[1, 0], [5, 4]][: len(parts)]))
    shape = alt.Shape("part:N", title=None, scale=alt.Scale(domain=parts, range=["circle", "square"][: len(parts)]))
    layer = alt.layer(
        chart.mark_line().encode(
            strokeDash=dash,
            strokeWidth=alt.StrokeWidth("series:N", legend=None, scale=alt.Scale(domain=series, range=wide)),
            opacity=alt.Opacity("series:N", legend=None, scale=alt.Scale(domain=series, range=pale)),
        ),
        chart.mark_point(filled=True, size=30, opacity=1).encode(shape=shape),
    )
    return finished(layer, records, panels, results, title[0], marked="")


def _whole(last: int) -> Any:
    return alt.Scale(domain=[1, last] if last > 1 else [0.5, 1.5], nice=False, padding=12)


def _ticks(last: int) -> list[int]:
    """At most ten whole numbers."""
    step = -(-last // 10)
    return [1, *range(step, last + 1, step)] if step > 1 else list(range(1, last + 1))


def _percentiles(results: Results, summaries: Sequence[Summary]) -> Any:
    """Latency at each percentile."""
    records = [
        {
            **place(summary.cell, results),
            "percentile": name,
            "value": found.median,
            "low": found.low,
            "high": found.high,
        }
        for summary in summaries
        for name in ("p50", "p90", "p95", "p99")
        if (found := summary.values[f"step_{name}_ms"])
    ]
    others = others_than(results, "percentile")
    panels, lines = panels_of(others, results)
    chart = alt.Chart().encode(
        x=alt.X("percentile:N", title="percentile of the steps", sort=None, axis=alt.Axis(labelAngle=0)),
        color=colour(results),
        detail=[f"{name}:N" for name in lines],
    )
    tips = [alt.Tooltip(f"{name}:N") for name in ("series", *others, "percentile")]
    y = alt.Y("value:Q", title="latency [ms]", scale=alt.Scale(zero=True))
    layer = alt.layer(
        chart.mark_line(strokeWidth=2).encode(y=y),
        whisker(chart, "latency [ms]"),
        chart.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=[*tips, *_TIPS]),
    )
    return finished(layer, records, panels, results, "Latency of one sample")


def _split(results: Results, summaries: Sequence[Summary]) -> Any:
    """Stacked bars: what the time of an epoch or a step is made of."""
    scale, unit = (1.0, "an epoch [s]") if results.configuration["epochs"] else (1e3, "a step [ms]")
    others = others_than(results, "")
    names = [name for name in (*PHASES, "other") if any(_median(summary, f"{name}_s") for summary in summaries)]
    records = [
        {
            **place(summary.cell, results),
            "group": group(summary.cell, others),
            "phase": name.replace("_", " "),
            "place": number,
            "value": _median(summary, f"{name}_s") * scale,
        }
        for summary in summaries
        for number, name in enumerate(names)
    ]
    phases = [name.replace("_", " ") for name in names]
    colours = alt.Scale(domain=phases, range=[PHASE_COLOURS[name] for name in phases])
    chart = (
        alt.Chart(alt.InlineData(values=records))
        .mark_bar(height=16)
        .encode(
            x=alt.X("value:Q", title=f"mean time of {unit}", stack="zero", axis=alt.Axis(tickCount=6)),
            y=alt.Y("series:N", title=None, sort=None),
            color=alt.Color("phase:N", title=None, scale=colours),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip(f"{name}:N") for name in ("series", "group", "phase")]
            + [alt.Tooltip("value:Q", format=".4g")],
        )
        .properties(width=420, height=alt.Step(22))
    )
    if others:
        groups = list(dict.fromkeys(record["group"] for record in records))
        header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelFontWeight="bold", labelPadding=4)
        chart = chart.encode(row=alt.Row("group:N", sort=groups, header=header, spacing=14))
        if "workload" in others:
            chart = chart.resolve_scale(x="independent")
    return dressed(chart, results, "What the time is made of", "")


def _median(summary: Summary, metric: str) -> float:
    found = summary.values[metric]
    return found.median if found else 0.0
