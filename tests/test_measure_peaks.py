"""Measuring a machine: working sets, what the C++ program's report becomes, and who else was busy."""

from __future__ import annotations

import time

import pytest

from profkit.measure_peaks import (
    NativeReport,
    Repeats,
    Spent,
    facts,
    memory_working_set,
    theoretical,
    triads,
    with_native,
)
from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, Rate
from profkit.processor import Cache, Processor

CACHES = (Cache("L1", 2**15, 4), Cache("L2", 2**20, 4), Cache("L3", 2**25, 2))
PROCESSOR = Processor(8, 4, CACHES, {"float64": 16, "float32": 32}, "2 units a core", 2.5e9)


def test_a_working_set_is_half_of_what_the_caches_of_so_many_threads_hold() -> None:
    planned = triads(CACHES, (1, 8), 2**28)
    assert [(each.level, each.threads, each.working_set, each.capacity_bytes) for each in planned] == [
        ("L1", 1, 2**14, 2**15),
        ("L2", 1, 2**19, 2**20),
        ("L3", 1, 2**24, 2**25),
        ("memory", 1, 2**28, None),
        ("L1", 8, 4 * 2**14, 4 * 2**15),
        ("L2", 8, 4 * 2**19, 4 * 2**20),
        ("L3", 8, 2 * 2**24, 2 * 2**25),
        ("memory", 8, 2**28, None),
    ]


@pytest.mark.parametrize(
    ("caches", "available", "expected"),
    [(CACHES, 2**40, 4 * 2 * 2**25), (CACHES, 2**28, 2**26), ((), 2**40, 2**29)],
)
def test_the_memory_is_past_every_last_cache_as_far_as_it_is_free(
    caches: tuple[Cache, ...], available: int, expected: int
) -> None:
    assert memory_working_set(caches, available) == expected


def test_repeats_of_every_round_count_and_a_time_is_best_when_it_is_short() -> None:
    report = NativeReport(
        "avx2",
        [
            Repeats("bandwidth", "1,100", [1e9, 3e9]),
            Repeats("dispatch", "cpu", [600.0, 500.0]),
            Repeats("bandwidth", "1,100", [2e9, 4e9]),
            Repeats("dispatch", "cpu", [550.0, 900.0]),
        ],
    )
    torch = Peaks(
        "",
        (ComputePeak("cpu", "float32", 1, Rate(1e11)),),
        (Bandwidth("cuda:0", "memory", 0, Rate(3e12)),),
        (DispatchCost("cpu", "python", Rate(1e3)),),
        facts={"torch": "2.13.0"},
    )
    peaks = with_native(torch, report, triads((), (1,), 100))
    assert peaks.bandwidth == (
        Bandwidth("cpu", "memory", 1, Rate(4e9, 2.5e9, 1e9, 4), None, "triad a = b + s*c of float64 over 100 B"),
        *torch.bandwidth,
    )
    assert [(cost.language, cost.ns) for cost in peaks.dispatch] == [
        ("python", Rate(1e3)),
        ("c++", Rate(500.0, 575.0, 900.0, 4)),
    ]
    assert peaks.facts == {"torch": "2.13.0", "vectors of triads": "avx2"}


def test_the_theoretical_peak_is_cores_times_clock_times_flop_a_cycle() -> None:
    assert theoretical(PROCESSOR, 3e9) == {"float64": 192e9, "float32": 384e9}
    assert theoretical(PROCESSOR, None) is None


def test_a_clock_that_was_not_seen_is_the_advertised_one_and_says_so() -> None:
    assert facts(PROCESSOR, 3.5e9)["clock"].startswith("3.50 GHz, the highest of dependent additions")
    assert facts(PROCESSOR, None)["clock"].startswith("2.50 GHz, as advertised")
    assert facts(PROCESSOR, None)["FLOP a cycle"] == "float64 16, float32 32; assumed: 2 units a core"
    assert facts(PROCESSOR, None)["L3"] == "32.0 MiB, 2 of them"


def test_what_others_used_is_what_was_used_and_not_by_our_own_programs() -> None:
    spent = Spent(110.0, 50.0, 12.0).since(Spent(100.0, 30.0, 2.0))
    assert spent == Spent(10.0, 20.0, 10.0)
    assert spent.others == 1.0
    assert spent.facts(4) == {"measured in": "10 s, with 1.00 of 4 processors busy elsewhere"}
    assert Spent(1.0, 0.5, 0.6).others == 0.0


def test_the_work_of_this_process_is_seen_as_somebody_elses() -> None:
    before = Spent.now()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert Spent.now().since(before).busy > 0.1
