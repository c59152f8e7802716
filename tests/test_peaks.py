"""Peaks of a machine: which one holds for a device and so many threads, and files that cannot be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profkit.errors import InputError, WriteError
from profkit.machine import Machine
from profkit.peaks import (
    Bandwidth,
    ComputePeak,
    DispatchCost,
    Peaks,
    Rate,
    cached_peaks,
    dispatch_ns,
    flop_peak,
    memory_levels,
    peaks_file,
    rate_of,
    read_peaks,
    to_json,
    write_peaks,
)

H100 = Path(__file__).parents[1] / "examples" / "machines" / "h100-sxm.json"
MACHINE = Machine("four cores", "avx2", 4, 2**34, "Linux 6.1")
PEAKS = Peaks(
    "four cores and two devices",
    (
        ComputePeak("cpu", "float32", 2, Rate(2e11, 1.9e11, 1e11, 9)),
        ComputePeak("cpu", "float32", 4, Rate(4e11)),
        ComputePeak("cuda:0", "float32", 0, Rate(1e13)),
        ComputePeak("cuda:1", "float32", 0, Rate(2e13)),
    ),
    (
        Bandwidth("cpu", "memory", 1, Rate(2e10)),
        Bandwidth("cpu", "memory", 4, Rate(3e10)),
        Bandwidth("cpu", "L2", 1, Rate(1e11), 2**20),
        Bandwidth("cpu", "L1", 4, Rate(1e12), 2**17),
        Bandwidth("cuda:0", "memory", 0, Rate(1e12)),
        Bandwidth("cuda:1", "memory", 0, Rate(2e12)),
    ),
    (DispatchCost("cpu", "python", Rate(900.0)), DispatchCost("cuda:0", "c++", Rate(4000.0))),
    machine=MACHINE,
    measured_at="2026-01-02T03:04:05+00:00",
    theoretical_flop_per_s={"float32": 5e11},
    cores=4,
    facts={"torch": "2.13.0"},
    notes=("no int8",),
)


@pytest.mark.parametrize(("threads", "measured_with"), [(1, 2), (2, 2), (3, 2), (4, 4), (64, 4)])
def test_a_peak_is_of_the_most_threads_that_are_not_more_than_asked_for(threads: int, measured_with: int) -> None:
    peak = flop_peak(PEAKS, "cpu", "float32", threads)
    assert peak
    assert peak.threads == measured_with


def test_levels_are_fastest_first_each_with_its_own_best_thread_count() -> None:
    assert [(level.level, level.threads) for level in memory_levels(PEAKS, "cpu", 2)] == [
        ("L1", 4),
        ("L2", 1),
        ("memory", 1),
    ]
    assert [level.threads for level in memory_levels(PEAKS, "cpu", 4)] == [4, 1, 4]


def test_a_cuda_device_has_its_own_peaks_and_else_those_of_the_first() -> None:
    rates = [flop_peak(PEAKS, device, "float32", 1) for device in ("cuda:0", "cuda:1", "cuda:7", "cuda")]
    assert [rate and rate.flop_per_s.value for rate in rates] == [1e13, 2e13, 1e13, 1e13]
    assert dispatch_ns(PEAKS, "cuda:5", "c++") == 4000.0
    assert memory_levels(PEAKS, "cuda:1", 3)[0].bytes_per_s.value == 2e12


def test_what_was_not_measured_is_none() -> None:
    assert flop_peak(PEAKS, "cpu", "float16", 1) is None
    assert flop_peak(PEAKS, "mps", "float32", 1) is None
    assert memory_levels(PEAKS, "mps", 1) == ()
    assert dispatch_ns(PEAKS, "cpu", "c++") is None


def test_the_best_time_is_the_smallest_and_the_worst_the_largest() -> None:
    assert rate_of([5.0, 4.0, 9.0], best=min) == Rate(4.0, 5.0, 9.0, 3)
    assert rate_of([5.0, 4.0, 9.0]) == Rate(9.0, 5.0, 4.0, 3)


def test_a_file_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_peaks(PEAKS, tmp_path / "machine.json")
    assert read_peaks(tmp_path / "machine.json") == PEAKS
    assert json.loads((tmp_path / "machine.json").read_text()) == json.loads(json.dumps(to_json(PEAKS)))


def test_peaks_are_found_again_by_their_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path))
    assert cached_peaks(MACHINE) is None
    path = peaks_file(MACHINE)
    path.parent.mkdir()
    write_peaks(PEAKS, path)
    assert cached_peaks(MACHINE) == PEAKS
    assert cached_peaks(replace(MACHINE, cores=2)) is None
    path.write_text('{"of": "another version"}')
    assert cached_peaks(MACHINE) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot write"):
        write_peaks(PEAKS, tmp_path / "none" / "machine.json")


def test_the_published_h100_has_dense_rates_for_every_device_and_no_cache() -> None:
    peaks = read_peaks(H100)
    assert peaks.machine is None
    assert "dense" in peaks.source
    rates = {dtype: flop_peak(peaks, "cuda:3", dtype, 1) for dtype in ("float32", "bfloat16", "float8_e4m3fn")}
    assert {dtype: peak and peak.flop_per_s.value for dtype, peak in rates.items()} == {
        "float32": 67e12,
        "bfloat16": 989.4e12,
        "float8_e4m3fn": 1978.9e12,
    }
    assert [(level.level, level.bytes_per_s.value) for level in memory_levels(peaks, "cuda:0", 0)] == [
        ("memory", 3.35e12)
    ]


Edit = Callable[[dict[str, Any]], object]


def first(group: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: body[group][0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda body: body.pop("source"), "has no `source`: say where the numbers are published"),
        (lambda body: body.update(source=""), "has no `source`"),
        (lambda body: body.pop("bandwidth"), "has no `bandwidth`: there is no bandwidth of the memory"),
        (lambda body: body.update(compute=[]), "has no `compute`: there is no peak of arithmetic"),
        (lambda body: body["bandwidth"].pop(), "there is no bandwidth of level memory for cuda:1"),
        (lambda body: first("compute")(body).update(dtype="fp32"), "unknown dtype 'fp32'"),
        (lambda body: first("compute")(body).update(dtype="bfloat"), "unknown dtype 'bfloat': did you mean bfloat16"),
        (lambda body: first("bandwidth")(body).update(level="HBM"), "unknown level 'HBM': L1, L2"),
        (lambda body: first("dispatch")(body).update(language="java"), "unknown language 'java'"),
        (lambda body: first("compute")(body).update(device="gpu"), "unknown device 'gpu': it is cpu, cuda or cuda:N"),
        (
            lambda body: first("compute")(body)["flop_per_s"].update(value=-1e9),
            "flop_per_s of float32 on cpu is -1e\\+09",
        ),
        (lambda body: first("compute")(body)["flop_per_s"].update(low=0), "flop_per_s of float32 on cpu is 0"),
        (lambda body: first("bandwidth")(body)["bytes_per_s"].update(value=0), "bytes_per_s of memory of cpu is 0"),
        (lambda body: first("dispatch")(body)["ns"].update(value=-3), "ns of python on cpu is -3"),
        (lambda body: first("compute")(body).update(threads=-2), "float32 on cpu has -2 threads"),
        (lambda body: first("compute")(body).update(threads=4), "float32 on cpu with 4 threads is there 2 times"),
        (lambda body: first("bandwidth")(body).update(capacity_bytes=-1), "capacity_bytes of memory of cpu is -1"),
        (lambda body: body["theoretical_flop_per_s"].update(float32=-1), "theoretical_flop_per_s of float32 is -1"),
        (lambda body: first("compute")(body).update(flop_per_s=67e12), "object.*compute"),
        (lambda body: first("compute")(body)["flop_per_s"].update(value="fast"), "float.*value"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, edit: Edit, words: str) -> None:
    body = json.loads(json.dumps(to_json(PEAKS)))
    edit(body)
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(body))
    with pytest.raises(InputError, match=words) as refused:
        read_peaks(path)
    assert str(path) in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no machine file"),
        ("peaks: many", "is no machine file"),
        ("[1, 2]", "it has no fields"),
        (b"\xff\xfe{}".decode("latin-1"), "is no machine file"),
        (json.dumps(to_json(PEAKS)).replace("200000000000.0", "NaN", 1), "is no machine file"),
        (json.dumps(to_json(PEAKS)).replace("200000000000.0", "1e999", 1), "Number out of range"),
    ],
)
def test_what_is_no_machine_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_peaks(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.json"):
        read_peaks(tmp_path / "none.json")
