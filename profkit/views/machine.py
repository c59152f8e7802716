"""What a machine can do at most, as tables: each figure with its spread, beside the theoretical peak."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.peaks import ComputePeak, Peaks, Rate
from profkit.units import format_count, format_ns, format_share, format_size

NONE = "-"


def machine_view(peaks: Peaks) -> RenderableType:
    """Who was measured and when, then arithmetic, memory and dispatch, then how it was done."""
    parts: list[RenderableType] = [Text(line) for line in _heading(peaks)]
    parts += [Text(), _compute(peaks), Text(), _bandwidth(peaks)]
    if peaks.dispatch:
        parts += [Text(), _dispatch(peaks)]
    parts += [Text(), Text(_legend(peaks), "dim")]
    parts += [_pairs(peaks.facts)] if peaks.facts else []
    parts += [Text(f"note: {note}") for note in peaks.notes]
    return Group(*parts)


def _heading(peaks: Peaks) -> list[str]:
    machine = peaks.machine
    lines = [peaks.name]
    if machine:
        about = f"{machine.cores} logical processors, {machine.instruction_set}"
        lines.append(f"{about}, {machine.memory_bytes / 2**30:.1f} GiB, {machine.system}")
    if peaks.measured_at:
        lines.append(f"{peaks.source} {peaks.measured_at}; profkit machine --again measures anew")
    else:
        lines.append(f"source: {peaks.source}")
    return lines


def _compute(peaks: Peaks) -> Table:
    table = _table(
        "FLOP/s", *_threads_head(peaks), *_rate_heads(peaks), *(("in theory", "share") if _spread(peaks) else ())
    )
    for peak in peaks.compute:
        limit = _theoretical(peaks, peak)
        in_theory = (format_count(limit), format_share(peak.flop_per_s.value / limit)) if limit else (NONE, NONE)
        table.add_row(
            _on(peak.dtype, peak.device),
            *_threads(peaks, peak.threads),
            *_rates(peaks, peak.flop_per_s),
            *(in_theory if _spread(peaks) else ()),
        )
    return table


def _bandwidth(peaks: Peaks) -> Table:
    table = _table("B/s", *_threads_head(peaks), *_rate_heads(peaks), "holds")
    for level in peaks.bandwidth:
        table.add_row(
            _on(level.level, level.device),
            *_threads(peaks, level.threads),
            *_rates(peaks, level.bytes_per_s),
            format_size(level.capacity_bytes) if level.capacity_bytes else NONE,
        )
    return table


def _dispatch(peaks: Peaks) -> Table:
    table = _table("time of a call", *_rate_heads(peaks))
    for cost in peaks.dispatch:
        times = (cost.ns.value, cost.ns.median, cost.ns.low) if _spread(peaks) else (cost.ns.value,)
        table.add_row(_on(cost.language, cost.device), *(format_ns(time) if time else NONE for time in times))
    return table


def _theoretical(peaks: Peaks, peak: ComputePeak) -> float | None:
    """Of the cores that the threads can have; that of a CUDA device is not known."""
    whole = (peaks.theoretical_flop_per_s or {}).get(peak.dtype)
    if whole is None or peak.device != "cpu" or not peaks.cores:
        return None
    return whole * min(peak.threads, peaks.cores) / peaks.cores


def _legend(peaks: Peaks) -> str:
    lines = ["Best, median and worst of the repeats." if _spread(peaks) else "As published; nothing was measured."]
    if any(peak.dtype == "int8" for peak in peaks.compute):
        lines.append("Of int8, integer operations.")
    if peaks.theoretical_flop_per_s:
        lines.append("In theory: cores x clock x FLOP a cycle, an estimate.")
    return " ".join(lines)


def _pairs(facts: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for head in others:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _on(what: str, device: str) -> str:
    return what if device == "cpu" else f"{what} {device}"


def _spread(peaks: Peaks) -> bool:
    """Whether there were repeats."""
    return any(peak.flop_per_s.repeats for peak in peaks.compute)


def _threads_head(peaks: Peaks) -> tuple[str, ...]:
    """Devices without threads need no column for them."""
    return ("threads",) if any(peak.threads for peak in peaks.compute) else ()


def _threads(peaks: Peaks, count: int) -> tuple[str, ...]:
    return (str(count) if count else NONE,) if _threads_head(peaks) else ()


def _rate_heads(peaks: Peaks) -> tuple[str, ...]:
    return ("best", "median", "worst") if _spread(peaks) else ("peak",)


def _rates(peaks: Peaks, rate: Rate) -> list[str]:
    values = (rate.value, rate.median, rate.low) if _spread(peaks) else (rate.value,)
    return [format_count(value) if value is not None else NONE for value in values]
