"""Every change changes one thing of a run, and says why where there is nothing to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profkit.registry import discover
from profkit.what_if import Change, Statistic, Trial
from profkit.what_if.build_type import BUILD_TYPE
from profkit.what_if.cudnn import CUDNN
from profkit.what_if.flush_denormals import FLUSH_DENORMALS
from profkit.what_if.instruction_set import INSTRUCTION_SET
from profkit.what_if.loader import LOADER
from profkit.what_if.threads import THREADS
from profkit.what_if.warm_up import WARM_UP
from tests.what_if.recorded import MACHINE, labels, only, trial

CHANGES = discover("profkit.what_if", Change)


def test_all_changes_are_found() -> None:
    assert set(CHANGES) == {
        "build_type",
        "cudnn",
        "flush_denormals",
        "instruction_set",
        "loader",
        "threads",
        "warm_up",
    }


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("implementation", ["pytorch", "libtorch", "numba"])
def test_a_change_is_refused_with_a_reason_or_changes_one_part_of_the_trial(
    name: str, device: str, implementation: str
) -> None:
    one, other = trial(implementation, settings={"device": device}), trial()
    change = CHANGES[name]
    reason = change.refusal(one, other)
    assert reason is None or reason
    for variant in change.variants(one, other) if reason is None else ():
        assert variant.label
        assert len(parts_that_differ(one, variant.trial)) == 1


def parts_that_differ(one: Trial, other: Trial) -> list[str]:
    parts = ("run", "task", "implementation", "environment", "build")
    different = [part for part in parts if getattr(one, part) != getattr(other, part)]
    fields = vars(one.course)
    return different + [name for name, value in fields.items() if value != getattr(other.course, name)]


def test_threads_are_one_those_of_the_other_side_and_all() -> None:
    assert labels(THREADS, trial(threads=2), trial(threads=3)) == ["1 thread", "3 threads", "4 threads"]
    assert labels(THREADS, trial(threads=1), trial(threads=1)) == ["4 threads"]


def test_threads_on_one_core_cannot_be_changed() -> None:
    alone = trial(machine=replace(MACHINE, cores=1))
    assert THREADS.refusal(alone, alone)


@pytest.mark.parametrize(("used", "aten", "onednn"), [("AVX512", "avx2", "AVX2"), ("AVX2", "default", "SSE41")])
def test_the_instruction_set_goes_one_level_down_in_every_library(used: str, aten: str, onednn: str) -> None:
    environment = only(INSTRUCTION_SET, trial(settings={"cpu_capability": used})).environment
    assert environment["ATEN_CPU_CAPABILITY"] == aten
    assert environment["ONEDNN_MAX_CPU_ISA"] == onednn


def test_numba_names_a_processor_and_is_held_to_a_plainer_one() -> None:
    here = trial("numba", settings={"cpu_capability": "znver4"})
    assert only(INSTRUCTION_SET, here).environment["NUMBA_CPU_NAME"] == "haswell"
    held = trial("numba", settings={"cpu_capability": "haswell"})
    assert held.environment["NUMBA_CPU_NAME"] == "haswell"
    assert only(INSTRUCTION_SET, held).environment["NUMBA_CPU_NAME"] == "nehalem"


@pytest.mark.parametrize("settings", [{"cpu_capability": "DEFAULT"}, {"device": "cuda"}])
def test_the_instruction_set_cannot_go_below_the_least_nor_on_a_device(settings: dict[str, str]) -> None:
    one = trial(settings=settings)
    assert INSTRUCTION_SET.refusal(one, one)


def test_denormals_are_flushed_or_kept_whichever_they_were_not() -> None:
    assert only(FLUSH_DENORMALS, trial()).course.flush_denormals
    assert not only(FLUSH_DENORMALS, trial(settings={"flush_denormals": "true"})).course.flush_denormals


def test_only_a_compiled_program_has_another_build() -> None:
    assert labels(BUILD_TYPE, trial("libtorch"), trial()) == ["debug build"]
    assert labels(BUILD_TYPE, trial("libtorch", build={"type": "Debug"}), trial()) == ["release build"]
    assert BUILD_TYPE.refusal(trial("pytorch"), trial("libtorch"))
    assert BUILD_TYPE.refusal(trial("numba"), trial("libtorch"))


def test_batches_are_made_ahead_or_not_whichever_they_were_not() -> None:
    assert only(LOADER, trial()).course.workers > 0
    assert only(LOADER, trial(settings={"workers": "3"})).course.workers == 0


def test_cudnn_is_changed_on_cuda_only() -> None:
    on_device = trial(settings={"device": "cuda", "cudnn_tf32": "true"})
    timed, rounded = CUDNN.variants(on_device, on_device)
    assert timed.trial.course.cudnn_benchmark
    assert rounded.trial.environment["NVIDIA_TF32_OVERRIDE"] == "0"
    assert CUDNN.refusal(trial(), on_device)
    assert CUDNN.refusal(trial("numba", settings={"device": "cuda"}), on_device)


def test_without_a_warm_up_the_first_steps_count_in_the_mean() -> None:
    assert WARM_UP.statistic is Statistic.MEAN
    assert [variant.trial.course.warmup for variant in WARM_UP.variants(trial(), trial())] == [0, 20]
    assert [variant.trial.course.warmup for variant in WARM_UP.variants(trial(warmup=15), trial())] == [0, 30]
    assert labels(WARM_UP, trial(warmup=0), trial()) == ["20 steps of warm-up"]
