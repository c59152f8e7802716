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

HEADS = {"implementation": "impl", "batch_size": "batch", "kernel_size": "kernel", "weight_decay": "decay"}
_BARE = ("workload", "mode", "implementation", "device")
"""Axes whose values speak for themselves."""
PLURAL = {"threads": "thread", "workers": "worker", "repeats": "repeat", "epochs": "epoch", "steps": "step"}


def results_view(
    results: Results, directory: Path, charts: Sequence[Path], pictures: Sequence[Path] = ()
) -> RenderableType:
    """What is the same everywhere, the tables, what is missing and why, and where everything lies."""
    summaries = summarise(results)
    parts: list[RenderableType] = [Text(setting_line(results), style="bold"), Text(interval_line(summaries))]
    if any(summary.values["improvement"] for summary in summaries):
        parts.append(Text(f"saves: share of {results.baseline}'s time, repeat by repeat"))
    if summaries:
        axes = _axis_columns(results, summaries)
        parts += ["", _table(axes, _headline(results, summaries)), "", _table(axes, _split(summaries))]
    lines = omission_lines(results)
    parts += ["", *lines] if lines else []
    parts.append(Text(f"results: {directory} (results.json, results.csv, runs.csv, epochs.csv)"))
    if charts:
        parts.append(Text(f"charts: {charts[0].parent} ({len(charts)} as PNG, SVG and HTML)"))
    if pictures:
        parts.append(Text(f"reconstructions: {', '.join(str(picture) for picture in pictures)}"))
    return Group(*parts)


def setting_line(results: Results) -> str:
    """`convnet, train: cpu, batch size 8, 1 thread, 2 epochs`: the axes that do not vary and the length of a run."""
    different = varying(results.cells)
    axes = results.cells[0].axes if results.cells else {}
    same = {name: value for name, value in axes.items() if name not in different}
    plain = [str(same[name]) for name in _BARE if name in same]
    named = [_counted(name, same[name]) for name in same if name not in _BARE and (name, same[name]) != ("workers", 0)]
    length = [
        _counted(name, results.configuration[name]) for name in ("epochs", "steps") if results.configuration[name]
    ]
    subset = results.configuration["subset"]
    return ", ".join([*plain, *named, *length, *([f"subset {subset}"] if subset else [])])


def interval_line(summaries: Sequence[Summary], marked: str = "in [low, high]") -> str:
    """How often each cell ran, and what the interval means where one is shown.

    Args:
        summaries: of the cells.
        marked: where the interval is seen; empty where it is not.
    """
    repeats = sorted({summary.repeats for summary in summaries})
    if not repeats or repeats == [1]:
        return "one run each" + (": no interval" if marked else "")
    said = f"median of {' or '.join(map(str, repeats))} fresh processes"
    covers = sorted({found.coverage for summary in summaries for found in _known(summary) if found.repeats > 1})
    shares = " or ".join(format_share(share) for share in covers)
    return f"{said}; the true median is {marked} with {shares}" if marked else said


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
    return [
        (HEADS.get(name, name.replace("_", " ")), [str(summary.cell.axes.get(name, "")) for summary in summaries])
        for name in names
    ]


def _headline(results: Results, summaries: Sequence[Summary]) -> list[Column]:
    """How long, how much faster than the baseline, and how good."""
    what = "epoch" if results.time == "epoch_s" else "step"
    scale = 1e9 if results.time == "epoch_s" else 1e6
    length = _column(what, summaries, results.time, lambda value: format_ns(value * scale))
    bounds = _column("[low,\u00a0high]", summaries, results.time, lambda value: format_ns(value * scale), bounds=True)
    if results.configuration["mode"] == "latency":
        length = ("p50", length[1])
    columns = [
        length,
        bounds,
        _column("saves", summaries, "improvement", lambda value: f"{100 * value:+.1f} %"),
        _column("samples/s", summaries, "samples_per_s", format_count),
        _column("test acc", summaries, "test_accuracy", format_share),
        _column("test L1", summaries, "test_l1", lambda value: f"{value:.4f}"),
        _column("test L2", summaries, "test_l2", lambda value: f"{value:.4f}"),
        _column("train loss", summaries, "train_loss", lambda value: f"{value:.4f}"),
    ]
    if results.configuration["mode"] == "latency":
        columns[3:] = [
            _column(name, summaries, f"step_{name}_ms", lambda value: format_ns(value * 1e6))
            for name in ("p90", "p95", "p99")
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
        table.add_column(
            _stacked(head, texts),
            justify="right" if all(_is_number(text) for text in texts) else "left",
            overflow="fold",
        )
    for head, texts in shown:
        table.add_column(_stacked(head, texts), justify="right", overflow="fold")
    for row in zip(*(texts for _, texts in (*axes, *shown)), strict=True):
        table.add_row(*row)
    return table


def _stacked(head: str, texts: Cells) -> str:
    """The head in as many lines as it has words where it is the widest of its column."""
    return head.replace(" ", "\n") if len(head) > max(map(len, texts)) else head


def _width(column: Column) -> int:
    return max(map(len, (*column[0].split(), *column[1])))


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


def _known(summary: Summary) -> list[Estimate]:
    return [estimate for estimate in summary.values.values() if estimate is not None]
