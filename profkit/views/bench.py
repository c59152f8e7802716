"""What a benchmark found: tables that fit into eighty columns, and what is missing below them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.measures import PHASES, Estimate, Omission, Results, Summary, summarise
from profkit.sweep import varying
from profkit.units import format_count, format_ns, format_share

WIDTH = 80
GAP = 2

Cells = list[str]
Column = tuple[str, Cells]
"""Head and one text a row."""

PLURAL = {"threads": "thread", "workers": "worker", "repeats": "repeat", "epochs": "epoch", "steps": "step"}


def results_view(results: Results, directory: Path, charts: Sequence[Path]) -> RenderableType:
    """What is the same everywhere, the tables, what is missing and why, and where everything lies."""
    summaries = summarise(results)
    parts: list[RenderableType] = [Text(setting_line(results), style="bold"), Text(interval_line(summaries))]
    if summaries:
        axes = _axis_columns(results, summaries)
        parts += ["", _table(axes, _headline(results, summaries)), "", _table(axes, _split(summaries))]
    parts += omission_lines(results)
    parts.append(Text(f"results: {directory} (results.json, results.csv, runs.csv, epochs.csv)"))
    if charts:
        parts.append(Text(f"charts: {charts[0].parent} ({len(charts)} as PNG, SVG and HTML)"))
    return Group(*parts)


def setting_line(results: Results) -> str:
    """`convnet, train: cpu, batch size 8, 1 thread, 2 epochs`: the axes that do not vary and the length of a run."""
    different = varying(results.cells)
    axes = results.cells[0].axes if results.cells else {}
    same = {name: value for name, value in axes.items() if name not in different}
    plain = [str(same[name]) for name in ("workload", "mode", "implementation", "device") if name in same]
    named = [
        _counted(name, same[name]) for name in same if name not in ("workload", "mode", "implementation", "device")
    ]
    length = [
        _counted(name, results.configuration[name]) for name in ("epochs", "steps") if results.configuration[name]
    ]
    subset = results.configuration["subset"]
    return ", ".join([*plain, *named, *length, *([f"{subset} samples"] if subset else [])])


def interval_line(summaries: Sequence[Summary]) -> str:
    """What the brackets mean."""
    repeats = sorted({summary.repeats for summary in summaries})
    counts = " or ".join(map(str, repeats))
    if not repeats or repeats == [1]:
        return "one run each: no interval"
    covers = sorted({estimate.coverage for summary in summaries for estimate in _some(summary) if estimate.repeats > 1})
    shares = " or ".join(format_share(share) for share in covers)
    return f"median of {counts} fresh processes; [low, high] holds the true median with a probability of {shares}"


def omission_lines(results: Results) -> list[Text]:
    """Each reason once, with the cells that it is for."""
    different = varying([*results.cells, *(omission.cell for omission in results.omissions)])
    reasons: dict[tuple[str, str], list[str]] = {}
    for omission in results.omissions:
        reasons.setdefault((omission.kind, omission.reason), []).append(_where(omission, different))
    styles = {"skipped": "dim", "failed": "bold red", "disagrees": "bold red"}
    return [
        Text(f"{kind}: {'; '.join(dict.fromkeys(places))}: {reason}", style=styles[kind])
        for (kind, reason), places in reasons.items()
    ]


def _where(omission: Omission, different: Sequence[str]) -> str:
    axes = omission.cell.axes
    names = [name for name in ("workload", "implementation", "device") if name in different or name == "implementation"]
    rest = [_counted(name, axes[name]) for name in different if name not in names and name in axes]
    repeat = [] if omission.repeat is None else [f"repeat {omission.repeat + 1}"]
    return ", ".join([" ".join(str(axes[name]) for name in names), *rest, *repeat])


def _axis_columns(results: Results, summaries: Sequence[Summary]) -> list[Column]:
    names = varying(results.cells) or ["implementation"]
    return [(name.replace("_", " "), [str(summary.cell.axes.get(name, "")) for summary in summaries]) for name in names]


def _headline(results: Results, summaries: Sequence[Summary]) -> list[Column]:
    """How long, how much faster than the baseline, and how good."""
    what = "epoch" if results.time == "epoch_s" else "step"
    scale = 1e9 if results.time == "epoch_s" else 1e6
    columns = [
        _column(what, summaries, results.time, lambda value: format_ns(value * scale)),
        _column("[low, high]", summaries, results.time, lambda value: format_ns(value * scale), bounds=True),
        _column("samples/s", summaries, "samples_per_s", format_count),
        _column(f"saves on {results.baseline}", summaries, "improvement", lambda value: f"{100 * value:+.1f} %"),
    ]
    if results.configuration["mode"] == "latency":
        columns[0] = ("p50", columns[0][1])
        columns[2:2] = [
            _column(name, summaries, f"step_{name}_ms", lambda value: format_ns(value * 1e6))
            for name in ("p90", "p95", "p99")
        ]
    columns += [
        _column("test acc.", summaries, "test_accuracy", format_share),
        _column("test L1", summaries, "test_l1", lambda value: f"{value:.4f}"),
        _column("test L2", summaries, "test_l2", lambda value: f"{value:.4f}"),
        _column("train loss", summaries, "train_loss", lambda value: f"{value:.4f}"),
    ]
    return columns


def _split(summaries: Sequence[Summary]) -> list[Column]:
    """What the time is made of, and the memory."""
    columns = [
        _column(name.replace("host_to_device", "copy"), summaries, f"{name}_s", lambda value: format_ns(value * 1e9))
        for name in (*PHASES, "other")
        if any((estimate := summary.values[f"{name}_s"]) and estimate.median for summary in summaries)
    ]
    return [
        *columns,
        _column("peak RSS", summaries, "peak_rss_bytes", _mebibytes),
        _column("peak device", summaries, "device_peak_bytes", _mebibytes),
        _column("load", summaries, "load_s", lambda value: format_ns(value * 1e9)),
        _column("compile", summaries, "compile_s", lambda value: format_ns(value * 1e9)),
    ]


def _column(
    head: str, summaries: Sequence[Summary], metric: str, text: Callable[[float], str], *, bounds: bool = False
) -> Column:
    return head, [_text(summary.values[metric], text, bounds=bounds) for summary in summaries]


def _text(estimate: Estimate | None, text: Callable[[float], str], *, bounds: bool) -> str:
    if estimate is None:
        return ""
    if not bounds:
        return text(estimate.median)
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = text(estimate.low), text(estimate.high)
    number, _, unit = low.partition(" ")
    return f"[{number if high.endswith(f' {unit}') else low}, {high}]"


def _table(axes: Sequence[Column], columns: Sequence[Column]) -> Table:
    """The axes and as many columns as fit; columns without any number are left out, and the last ones go first."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    room = WIDTH - sum(_width(column) + GAP for column in axes)
    shown: list[Column] = []
    for column in columns:
        needed = _width(column) + GAP
        if any(column[1]) and needed <= room + GAP:  # the last one needs no gap
            shown.append(column)
            room -= needed
    for head, texts in axes:
        table.add_column(head, justify="right" if all(_is_number(text) for text in texts) else "left", overflow="fold")
    for head, _ in shown:
        table.add_column(head, justify="right", overflow="fold")
    for row in zip(*(texts for _, texts in (*axes, *shown)), strict=True):
        table.add_row(*row)
    return table


def _width(column: Column) -> int:
    return max(map(len, (column[0], *column[1])))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counted(name: str, value: object) -> str:
    """`1 thread`, `batch size 8`."""
    if name in PLURAL:
        return f"{value} {PLURAL[name] if value == 1 else name}"
    return f"{name.replace('_', ' ')} {value}"


def _mebibytes(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def _some(summary: Summary) -> list[Estimate]:
    return [estimate for estimate in summary.values.values() if estimate is not None]
