"""A roofline in words and tables: what a step leaves on the table, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.roofline import KNOWN_BOUNDS, Roofline, Row
from profkit.roofline.comparison import Pair, pairs
from profkit.units import format_count, format_ns, format_share
from profkit.views.cost import name_of
from profkit.views.diff import agreement_lines
from profkit.views.run import name, title

_NAMED = 3
_OVER = 1.005
"""Shares that are printed as more than 100 %."""
_BOUND_WORDS = ("where arithmetic", "where memory", "where dispatch")
_SHOWN_UNCOSTED = 4


def roofline_view(found: Sequence[Roofline], top: int, macs: bool) -> RenderableType:
    """What was run, what is left in a sentence, and for the processor and the devices the places with most left."""
    parts: list[RenderableType] = [Text(title(found[0].run), style="bold")]
    for each in found:
        parts += [Text(line) for line in (sentence(each), roofs_line(each))]
        parts += ["", _table(each, top, macs)]
        parts += [Text(f"note: {note}", style="dim") for note in notes(each)]
        parts.append(Text(coverage_line(each)))
    return Group(*parts)


def sentence(found: Roofline) -> str:
    """`A step takes 14.2 ms. At its roof it would take 5.1 ms ...`."""
    total = found.total
    what = "A step" if found.steps else "The recording"
    where = "" if found.device == "cpu" else " on the device"
    line = f"{what} takes {format_ns(total.time_ns)}{where}"
    if total.unknown_ns:
        line += f", {format_ns(total.known_ns)} of it in rows with a roof"
    if total.share is None:
        return f"{line}."
    line += f". At the roof that is {format_ns(total.at_roof_ns)} ({format_share(total.share)})"
    lefts = [
        f"{format_ns(value)} {words} is the limit"
        for value, words in zip(total.left_by_bound_ns, _BOUND_WORDS, strict=True)
        if value
    ]
    return f"{line}: {', '.join([f'{format_ns(total.left_ns)} is left on the table', *lefts])}."


def roofs_line(found: Roofline) -> str:
    """The rates that the roofs are made of, and where they come from."""
    peaks = found.peaks
    threads = found.run.threads if found.device == "cpu" else None
    compute = [f"{dtype} {format_rate(rate, 'FLOP/s')}" for dtype, rate in found.compute.items()]
    memory = [f"{level} {format_rate(rate, 'B/s')}" for level, rate in found.memory.items()]
    when = f" {peaks.measured_at[:10]}" if peaks.measured_at else ""
    of = f"{threads} thread{'s' if threads != 1 else ''} of " if threads else ""
    return f"roofs of {of}{peaks.name} ({peaks.source}{when}): {', '.join([*compute, *memory])}"


def format_rate(value: float, unit: str) -> str:
    """`110 GFLOP/s`.

    >>> format_rate(1.1e11, "FLOP/s"), format_rate(12, "B")
    ('110 GFLOP/s', '12 B')
    """
    number, _, prefix = format_count(value).partition(" ")
    return f"{number} {prefix}{unit}"


def coverage_line(found: Roofline) -> str:
    """How much of the time has a roof, and what has none."""
    line = f"coverage: {format_share(found.coverage)} of the time has a roof"
    if not found.uncosted or not found.total.time_ns:
        return line
    parts = [
        f"{operator} {format_share(time / found.total.time_ns)}" for operator, time in found.uncosted[:_SHOWN_UNCOSTED]
    ]
    more = len(found.uncosted) - _SHOWN_UNCOSTED
    return f"{line}; none in {', '.join(parts)}{f' and {more} more' if more > 0 else ''}"


def notes(found: Roofline) -> list[str]:
    """What the reader must know before believing the table."""
    over = [row for row in found.rows if row.reached is not None and row.reached > _OVER]
    lines = list(found.notes)
    if over:
        best = max(over, key=lambda row: row.reached or 0.0)
        gained = format_ns(sum(row.above_ns for row in over))
        lines.append(
            f"{len(over)} of {len(found.rows)} places are above their roof ({_label(best, found.by)} "
            f"{format_share(best.reached or 0.0)}), by {gained} in all: the peaks are "
            "too low, or kernels do with less arithmetic than the formula (skipped padding, Winograd)"
        )
    slowdown = found.run.slowdown
    if slowdown and slowdown > _OVER:
        lines.append(f"times are those under {found.run.tool}, {slowdown:.3g} times the plain ones: shares are too low")
    return lines


def _table(found: Roofline, top: int, macs: bool) -> Table:
    table = _empty_table(found)
    for head in ("time", "left", "of roof", *(("FLOP", "MAC") if macs else ("FLOP/s", "FLOP/B"))):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("bound by", no_wrap=True)
    for row in found.rows[:top]:
        table.add_row(_label(row, found.by), *_cells(row, macs))
    rest = found.rows[top:]
    if rest:
        time, left = sum(row.time_ns for row in rest), sum(row.left_ns for row in rest)
        table.add_row(f"({len(rest)} more)", format_ns(time), format_ns(left), style="dim")
    if found.total.unknown_ns:
        table.add_row("(no roof)", format_ns(found.total.unknown_ns), "-", "-", "-", "-", "unknown", style="dim")
    table.add_section()
    table.add_row("all", *_cells(found.total, macs), style="bold")
    return table


def _empty_table(found: Roofline) -> Table:
    """A table without rows: what is in it, and the column of the keys."""
    caption = f"time left by {', '.join(found.by)}" + ("" if found.device == "cpu" else ", on the device")
    table = Table(
        title=caption,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        expand=True,
        padding=(0, 1, 0, 0),
    )
    table.add_column(" ".join(found.by).replace("_", " "), overflow="fold", ratio=1)
    return table


def _cells(row: Row, macs: bool) -> list[str]:
    numbers = (row.flop, row.macs) if macs else (row.flop_per_s, row.intensity)
    known = row.known_ns > 0 or row.roof_ns > 0
    return [
        format_ns(row.time_ns),
        format_ns(row.left_ns) if known else "-",
        _reached(row),
        *("-" if value is None or not known else format_count(value) for value in numbers),
        row.limit,
    ]


def _reached(row: Row, digits: int = 1) -> str:
    """Part of the time that is at the roof; how far above it is what is above it as a whole."""
    share = row.reached if row.key and row.reached is not None and row.reached > 1 else row.share
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _label(row: Row | Pair, by: tuple[str, ...]) -> str:
    """The key in words; of several, a layer or phase that there is none of goes without saying."""
    names = [
        name_of(value, dimension)
        for value, dimension in zip(row.key, by, strict=True)
        if value is not None or dimension not in ("layer", "phase") or len(by) == 1
    ]
    return " ".join(names) or "(outside every layer and phase)"


def comparison_view(a: Sequence[Roofline], b: Sequence[Roofline], top: int, macs: bool) -> RenderableType:
    """Which of two profiles is nearer to its roof, in words, then place by place."""
    parts: list[RenderableType] = [Text(line) for line in answer(a, b)]
    for left, right in _matched(a, b):
        parts += ["", _pair_table(left, right, top, macs)]
    for side, found in (("A", a), ("B", b)):
        for each in found:
            parts += [Text(f"note: {side}: {note}", style="dim") for note in notes(each)]
            parts.append(Text(f"{side}: {coverage_line(each)}"))
    return Group(*parts)


def _matched(a: Sequence[Roofline], b: Sequence[Roofline]) -> list[tuple[Roofline, Roofline]]:
    """Processor with processor, devices with devices."""
    others = {each.device: each for each in b}
    return [(each, others[each.device]) for each in a if each.device in others]


def answer(a: Sequence[Roofline], b: Sequence[Roofline]) -> list[str]:
    """The comparison in sentences."""
    lines = agreement_lines(a[0].run, b[0].run)
    for left, right in _matched(a, b):
        for side, each in (("A", left), ("B", right)):
            lines.append(f"{side} {name(each.run)}: {sentence(each)}")
        lines += [roofs_line(left), *verdict(left, right)]
    if not _matched(a, b):
        lines.append("One side ran on the processor only, the other on a device: there is nothing to compare.")
    return lines


def nearer(a: Sequence[Roofline], b: Sequence[Roofline]) -> list[str]:
    """Which of two profiles is nearer to its roof, in a sentence for the processor and one for the devices."""
    return [verdict(left, right)[0] for left, right in _matched(a, b)]


def verdict(a: Roofline, b: Roofline) -> list[str]:
    """Who is nearer in all and by place, and where each leaves more than the other."""
    whole = Pair((), a.total, b.total)
    shares = [each.total.share for each in (a, b)]
    if shares[0] is None or shares[1] is None:
        return ["At least one side has no time with a roof."]
    facts = f"A is at {format_share(shares[0])} of its roof, B at {format_share(shares[1])}"
    if whole.nearer == "same":
        lines = [f"{facts}: equally near within the noise."]
    else:
        less = abs(a.total.left_ns - b.total.left_ns)
        nearer, run = ("A", a.run) if whole.nearer == "A" else ("B", b.run)
        fewer = {"A": a.total, "B": b.total}[nearer].left_ns <= max(a.total.left_ns, b.total.left_ns)
        amount = (
            f" and leaves {format_ns(less)} {'less' if fewer else 'more'}" if a.total.left_ns != b.total.left_ns else ""
        )
        lines = [f"{facts}: {nearer} ({name(run)}) is nearer to its roof{amount}."]
    found = pairs(a, b)
    count = {verdict: sum(pair.nearer == verdict for pair in found) for verdict in ("A", "B", "same")}
    lines.append(
        f"Of {sum(count.values())} places with a roof in both, A is nearer in {count['A']}, B in {count['B']}, "
        f"and {count['same']} are the same within the noise."
    )
    for side, sign in (("A", 1), ("B", -1)):
        more = sorted(found, key=lambda pair: -sign * _more(pair))
        parts = [
            f"{_label(pair, a.by)} {format_ns(sign * _more(pair))}" for pair in more[:_NAMED] if sign * _more(pair) > 0
        ]
        if parts:
            lines.append(f"{side} leaves most more than the other in: {'; '.join(parts)}.")
    return lines


def _more(pair: Pair) -> float:
    """Time that A leaves beyond what B leaves."""
    return (pair.a.left_ns if pair.a else 0.0) - (pair.b.left_ns if pair.b else 0.0)


def _pair_table(a: Roofline, b: Roofline, top: int, macs: bool) -> Table:
    table = _empty_table(a)
    work = ("A FLOP", "B FLOP", "A MAC", "B MAC")
    for head in (*(work if macs else ("A time", "B time", "A left", "B left")), "A roof", "B roof"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("nearer", no_wrap=True)
    found = pairs(a, b)
    for pair in found[:top]:
        table.add_row(_label(pair, a.by), *_pair_cells(pair, macs))
    if len(found) > top:
        table.add_row(f"({len(found) - top} more)", style="dim")
    table.add_section()
    table.add_row("all", *_pair_cells(Pair((), a.total, b.total), macs), style="bold")
    return table


def _pair_cells(pair: Pair, macs: bool) -> list[str]:
    sides = (pair.a, pair.b)
    if macs:
        numbers = [
            *("-" if row is None else format_count(row.flop) for row in sides),
            *("-" if row is None else format_count(row.macs) for row in sides),
        ]
    else:
        numbers = [
            *("-" if row is None else format_ns(row.time_ns) for row in sides),
            *("-" if row is None else format_ns(row.left_ns) for row in sides),
        ]
    shares = ("-" if row is None else _reached(row, digits=0) for row in sides)
    return [*numbers, *shares, pair.nearer or "-"]


_NUMBERS = (
    "time_ns", "unknown_ns", "roof_ns", "at_roof_ns", "left_ns", "above_ns", "share", "reached",
    "calls", "flop", "macs", "traffic_bytes", "intensity",
    "flop_per_s", "bytes_per_s", "attainable_flop_per_s", "bound", "level", "dtype", "assumed",
)  # fmt: skip


def row_values(row: Row) -> dict[str, Any]:
    """Everything that is known of a row beside its key."""
    values = {each: getattr(row, each) for each in _NUMBERS}
    values["share_of_roof"] = values.pop("share")
    lefts = zip(KNOWN_BOUNDS, row.left_by_bound_ns, strict=True)
    return {**values, **{f"left_{bound}_ns": left for bound, left in lefts}}


def roofline_rows(found: Sequence[Roofline]) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV, every place."""
    heads = ["device", *found[0].by, *row_values(found[0].total)]
    return heads, [[each.device, *row.key, *row_values(row).values()] for each in found for row in each.rows]


def comparison_rows(a: Sequence[Roofline], b: Sequence[Roofline]) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV: every place of both, A's numbers and then B's."""
    empty = dict.fromkeys(row_values(a[0].total))
    heads = ["device", *a[0].by, *(f"a_{each}" for each in empty), *(f"b_{each}" for each in empty), "nearer"]
    rows: list[list[Any]] = []
    for left, right in _matched(a, b):
        for pair in pairs(left, right):
            sides = [empty if row is None else row_values(row) for row in (pair.a, pair.b)]
            rows.append([left.device, *pair.key, *sides[0].values(), *sides[1].values(), pair.nearer])
    return heads, rows


def roofline_json(found: Sequence[Roofline], operators: Sequence[Roofline]) -> dict[str, Any]:
    """Run, peaks, totals and every row, also by operator, for programs."""
    finest = {each.device: each for each in operators}
    return {
        "title": title(found[0].run),
        "run": asdict(found[0].run),
        "peaks": asdict(found[0].peaks),
        "per_step": found[0].steps is not None,
        "sides": [
            {
                "device": each.device,
                "coverage": each.coverage,
                "roofs": {"flop_per_s": each.compute, "bytes_per_s": each.memory},
                "notes": notes(each),
                "uncosted": [{"operator": operator, "time_ns": time} for operator, time in each.uncosted],
                "total": row_values(each.total),
                "rows": _keyed(each),
                "operators": _keyed(finest[each.device]) if each.device in finest else [],
            }
            for each in found
        ],
    }


def _keyed(found: Roofline) -> list[dict[str, Any]]:
    return [{**dict(zip(found.by, row.key, strict=True)), **row_values(row)} for row in found.rows]


def comparison_json(
    a: Sequence[Roofline], b: Sequence[Roofline], a_json: dict[str, Any], b_json: dict[str, Any]
) -> dict[str, Any]:
    """The comparison in sentences and place by place, and each profile for itself."""
    heads, rows = comparison_rows(a, b)
    compared = [dict(zip(heads, row, strict=True)) for row in rows]
    return {"answer": answer(a, b), "rows": compared, "baseline": a_json, "candidate": b_json}
