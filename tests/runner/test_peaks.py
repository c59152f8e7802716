"""The measuring program: what it multiplies, what torch does not do, and rates that are rates."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch

from profkit.native import NativeBuild
from profkit.runner.peaks import dispatch_cost, gemm, gemm_peaks, triad_peak

REPEATS, CLOCK_REPEATS = 31, 101


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "int8"])
def test_the_product_is_of_the_type_that_it_is_named_after(dtype: str) -> None:
    product = gemm("cpu", dtype, 32)()
    assert isinstance(product, torch.Tensor)
    assert product.shape == (32, 32)
    assert product.dtype == (torch.int32 if dtype == "int8" else getattr(torch, dtype))


def test_a_type_that_torch_cannot_multiply_is_noted_and_tried_once() -> None:
    notes: list[str] = []
    told: list[str] = []
    assert gemm_peaks(("bool",), (1, 2), told.append, notes) == []
    assert told == ["arithmetic: bool, threads 1"]
    assert len(notes) == 1
    assert notes[0].startswith("no bool on cpu: ")


def test_the_memory_by_torch_has_its_spread_and_says_how() -> None:
    before = torch.get_num_threads()
    try:
        level = triad_peak(1, 24 * 1000, lambda _: None)
    finally:
        torch.set_num_threads(before)
    rate = level.bytes_per_s
    assert rate.median
    assert rate.low
    assert rate.value >= rate.median >= rate.low > 0
    assert (level.level, level.threads, level.capacity_bytes) == ("memory", 1, None)
    assert level.how == "triad a = b + s*c by aten::add over 24000 B"


def test_the_dispatch_is_the_shortest_of_its_repeats() -> None:
    before = torch.get_num_threads()
    try:
        cost = dispatch_cost()
    finally:
        torch.set_num_threads(before)
    assert cost.ns.median
    assert cost.ns.low
    assert 0 < cost.ns.value <= cost.ns.median <= cost.ns.low


def run(native: NativeBuild, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(native.machine), *words], capture_output=True, text=True, check=False)


def test_the_program_measures_what_it_is_told_in_that_order(native: NativeBuild, tmp_path: Path) -> None:
    report, progress = tmp_path / "report.json", tmp_path / "progress"
    words = ["--triad", "1,16384", "--triad", "2,100", "--clock", "2", "--dispatch", "cpu"]
    done = run(native, "--report", str(report), "--progress", str(progress), *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    body = json.loads(report.read_text())
    assert [(each["what"], each["of"], len(each["repeats"])) for each in body["measured"]] == [
        ("bandwidth", "1,16384", REPEATS),
        ("bandwidth", "2,100", REPEATS),
        ("clock", "2", CLOCK_REPEATS),
        ("dispatch", "cpu", REPEATS),
    ]
    assert all(number > 0 for each in body["measured"] for number in each["repeats"])
    assert progress.read_text().splitlines() == ["bandwidth 1,16384", "bandwidth 2,100", "clock 2", "dispatch cpu"]
    assert body["vectors"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--fly", "1"], 2, "unknown flag '--fly'"),
        (["--triad", "1"], 2, "is no positive number"),
        (["--clock", "0"], 2, "'0' is no positive number"),
        (["--clock", "many"], 2, "'many' is no positive number"),
        (["--clock"], 2, "--report and a value after every flag are needed"),
        (["--dispatch", "abacus"], 1, "abacus"),
    ],
)
def test_the_program_refuses_what_it_does_not_know(
    native: NativeBuild, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = run(native, "--report", str(tmp_path / "report.json"), *words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.startswith("profkit_machine: ")
    assert not (tmp_path / "report.json").exists()
