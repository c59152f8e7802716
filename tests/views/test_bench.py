"""What a user reads of a benchmark."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from profkit.measures import Omission, Results
from profkit.options import Value
from profkit.views.bench import results_view
from tests.small_results import cell, report, results


def text_of(found: Results) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(
        results_view(found, Path("out"), [Path("out/c/a.png")])
    )
    return out.getvalue()


def swept(**options: list[Value]) -> Results:
    """Two implementations with three repeats over every value of the options, one at a time."""
    places = [
        cell(name, **{each: value})
        for each, values in options.items()
        for value in values
        for name in ("pytorch", "libtorch")
    ]
    runs = [(place, report([20, 40 + repeat], epochs=2)) for place in places for repeat in range(3)]
    return results(runs, epochs=2, steps=None)


def test_constants_are_said_once_and_only_what_varies_is_a_column() -> None:
    lines = text_of(swept(kernel_size=[3, 5])).splitlines()
    assert lines[0] == "convnet, train, cpu, batch size 8, 1 thread, seed 0, 2 epochs"
    assert lines[1] == "median of 3 fresh processes; the true median is in [low, high] with 75.0 %"
    head = next(line for line in lines if line.startswith("kernel"))
    assert head.split()[:6] == ["kernel", "impl", "epoch", "[low,", "high]", "saves"]
    assert any(line.split()[:3] == ["3", "libtorch", "30.5"] for line in lines)


def test_nothing_is_wider_than_eighty_columns_however_much_is_swept() -> None:
    places = [
        cell(name, 2**size, kernel_size=3 + size, layers=size, optimizer="sgd" * size, lr=0.001 * size)
        for size in range(1, 4)
        for name in ("pytorch", "libtorch")
    ]
    found = results([(place, report([20, 40], epochs=2)) for place in places], epochs=2, steps=None)
    assert max(map(len, text_of(found).splitlines())) <= 80


def test_a_single_run_each_has_no_interval() -> None:
    said = text_of(results([(cell(), report([10, 12, 11]))]))
    assert "one run each: no interval" in said
    assert "[low" not in said


def test_what_is_missing_stands_below_with_its_reason() -> None:
    lost = [
        Omission(cell("numba"), "skipped", "no CUDA device"),
        Omission(cell("numba", 32), "skipped", "no CUDA device"),
        Omission(cell("pytorch", 32), "failed", "loss is nan at step 12", 1),
    ]
    said = " ".join(text_of(results([(cell(), report([10]))], lost)).split())
    assert "skipped: numba, batch size 8; numba, batch size 32: no CUDA device" in said
    assert "failed: pytorch, batch size 32, repeat 2: loss is nan at step 12" in said


def test_latency_shows_percentiles() -> None:
    said = text_of(results([(cell(mode="latency", batch_size=1), report(range(1, 201), 1))], mode="latency"))
    head = next(line for line in said.splitlines() if "p50" in line)
    assert head.split()[1:] == ["p50", "p90", "p95", "p99"]
    assert "198 ms" in said


def test_without_any_run_only_the_reasons_are_shown() -> None:
    lost = [Omission(cell("pytorch"), "failed", "loss is nan")]
    assert "failed: pytorch: loss is nan" in text_of(results([], lost, implementation=["pytorch"]))
