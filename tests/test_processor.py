"""The processor: caches as Linux tells them, and what its instruction set can do in a cycle."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.processor import Cache, caches, flop_per_cycle, this_processor


def describe(system: Path, processor: int, place: int, **facts: str) -> None:
    """A cache as /sys has it."""
    folder = system / f"cpu{processor}" / "cache" / f"index{place}"
    folder.mkdir(parents=True)
    for name, value in facts.items():
        (folder / name).write_text(f"{value}\n")


@pytest.fixture
def four_threads(tmp_path: Path) -> Path:
    """Two cores of two threads each, with caches of their own and one that all share."""
    for processor in range(4):
        core = f"{processor // 2 * 2}-{processor // 2 * 2 + 1}"
        describe(tmp_path, processor, 0, level="1", type="Data", size="48K", shared_cpu_list=core)
        describe(tmp_path, processor, 1, level="1", type="Instruction", size="32K", shared_cpu_list=core)
        describe(tmp_path, processor, 2, level="2", type="Unified", size="2M", shared_cpu_list=core)
        describe(tmp_path, processor, 3, level="3", type="Unified", size="32768K", shared_cpu_list="0-3")
    return tmp_path


def test_threads_of_one_core_share_its_caches(four_threads: Path) -> None:
    assert caches(range(4), four_threads) == (Cache("L1", 49152, 2), Cache("L2", 2**21, 2), Cache("L3", 2**25, 1))


def test_only_the_processors_that_may_be_used_count(four_threads: Path) -> None:
    assert [cache.instances for cache in caches([0, 1], four_threads)] == [1, 1, 1]


def test_a_system_that_tells_nothing_has_no_caches(tmp_path: Path) -> None:
    assert caches(range(4), tmp_path) == ()


@pytest.mark.parametrize(
    ("flags", "vendor", "family", "expected"),
    [
        ({"avx2", "fma"}, "GenuineIntel", 6, {"float64": 16, "float32": 32}),
        ({"avx"}, "GenuineIntel", 6, {"float64": 8, "float32": 16}),
        ({"asimd"}, "ARM", 8, {"float64": 8, "float32": 16}),
        (
            {"avx512f", "fma", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "avx512_fp16"},
            "GenuineIntel",
            6,
            {"float64": 32, "float32": 64, "bfloat16": 1024, "float16": 128, "int8": 2048},
        ),
        ({"avx512f", "fma", "avx512_vnni"}, "AuthenticAMD", 25, {"float64": 16, "float32": 32, "int8": 128}),
        ({"avx512f", "fma", "avx512_vnni"}, "AuthenticAMD", 26, {"float64": 32, "float32": 64, "int8": 256}),
    ],
)
def test_flop_of_a_cycle_follow_from_the_instruction_set(
    flags: set[str], vendor: str, family: int, expected: dict[str, int]
) -> None:
    found, assumed = flop_per_cycle(frozenset(flags), vendor, family)
    assert found == expected
    assert "unit" in assumed or "multiplier" in assumed


def test_this_processor_has_cores_and_arithmetic() -> None:
    processor = this_processor()
    assert processor.logical >= processor.cores >= 1
    assert processor.flop_per_cycle["float32"] == 2 * processor.flop_per_cycle["float64"]
    assert [cache.capacity_bytes for cache in processor.caches] == sorted(
        cache.capacity_bytes for cache in processor.caches
    )
