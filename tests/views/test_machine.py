"""What a user reads of a machine: figures, their spread, the theoretical peak, within eighty columns."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from profkit.machine import Machine
from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, Rate
from profkit.views.machine import machine_view

MEASURED = Peaks(
    "A processor with a rather long name @ 2.60 GHz",
    (
        ComputePeak("cpu", "float32", 1, Rate(45e9, 40e9, 30e9, 9)),
        ComputePeak("cpu", "float32", 4, Rate(150e9, 140e9, 13e9, 9)),
        ComputePeak("cpu", "float16", 4, Rate(3e9, 2e9, 1e9, 9)),
        ComputePeak("cuda:0", "bfloat16", 0, Rate(700e12, 690e12, 600e12, 9)),
    ),
    (
        Bandwidth("cpu", "L1", 1, Rate(291e9, 274e9, 217e9, 31), 32768),
        Bandwidth("cpu", "memory", 4, Rate(30e9, 29e9, 28e9, 31)),
        Bandwidth("cuda:0", "memory", 0, Rate(3e12, 2.9e12, 2.8e12, 31)),
    ),
    (DispatchCost("cpu", "python", Rate(1090.0, 1200.0, 1780.0, 31)),),
    machine=Machine("a processor", "avx512", 8, 2**35, "Linux 6.1"),
    measured_at="2026-01-02T03:04:05+00:00",
    theoretical_flop_per_s={"float32": 200e9},
    cores=4,
    facts={"FLOP a cycle": "float32 32; assumed: " + "2 units that multiply and add, " * 4},
    notes=("no int8 on cpu: not implemented",),
)


def text_of(peaks: Peaks) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(machine_view(peaks))
    return out.getvalue()


def rows_of(peaks: Peaks) -> list[str]:
    return [" ".join(line.split()) for line in text_of(peaks).splitlines()]


def test_each_figure_stands_with_its_spread_and_its_share_of_the_theoretical_peak() -> None:
    rows = rows_of(MEASURED)
    assert "FLOP/s threads best median worst in theory share" in rows
    assert "float32 1 45.0 G 40.0 G 30.0 G 50.0 G 90.0 %" in rows
    assert "float32 4 150 G 140 G 13.0 G 200 G 75.0 %" in rows
    assert "float16 4 3.00 G 2.00 G 1.00 G - -" in rows
    assert "bfloat16 cuda:0 - 700 T 690 T 600 T - -" in rows
    assert "L1 1 291 G 274 G 217 G 32.0 KiB" in rows
    assert "memory cuda:0 - 3.00 T 2.90 T 2.80 T -" in rows
    assert "python 1.09 us 1.20 us 1.78 us" in rows


def test_more_threads_than_cores_have_the_peak_of_all_cores() -> None:
    peaks = replace(MEASURED, compute=(ComputePeak("cpu", "float32", 8, Rate(150e9, 140e9, 13e9, 9)),))
    assert "float32 8 150 G 140 G 13.0 G 200 G 75.0 %" in rows_of(peaks)


def test_it_says_when_it_was_measured_and_what_could_not_be() -> None:
    rows = rows_of(MEASURED)
    assert "measured 2026-01-02T03:04:05+00:00; profkit machine --again measures anew" in rows
    assert "8 logical processors, avx512, 32.0 GiB, Linux 6.1" in rows
    assert "note: no int8 on cpu: not implemented" in rows
    assert any("an estimate" in row for row in rows)


def test_no_line_is_wider_than_eighty_columns() -> None:
    assert max(map(len, text_of(MEASURED).splitlines())) <= 80


def test_published_peaks_have_a_source_and_neither_threads_nor_spread() -> None:
    published = Peaks(
        "A device",
        (ComputePeak("cuda", "float64", 0, Rate(67e12)), ComputePeak("cuda", "int8", 0, Rate(2e15))),
        (Bandwidth("cuda", "memory", 0, Rate(3.35e12)),),
        source="the maker's data sheet",
    )
    rows = rows_of(published)
    assert rows[:2] == ["A device", "source: the maker's data sheet"]
    assert "FLOP/s peak" in rows
    assert "float64 cuda 67.0 T" in rows
    assert "memory cuda 3.35 T -" in rows
    assert rows[-1] == "As published; nothing was measured. Of int8, integer operations."
