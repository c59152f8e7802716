"""R09: versions of libraries and flags are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r09_flags import R09
from profkit.profile import Profile, read_profile
from tests.audit.profiles import profile

BUILD = (
    "PyTorch built with: - GCC 13.3 - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 "
    "- Intel(R) MKL-DNN v3.12.0 (Git Hash 80af) - CPU capability usage: AVX512 - Build settings: BLAS_INFO=mkl"
)
SETTINGS = {
    "device": "cpu", "cpu_capability": "AVX512", "onednn": "true", "deterministic": "false",
    "cudnn_benchmark": "false", "cudnn_tf32": "true", "flush_denormals": "false", "GLIBC_TUNABLES": "x=1",
}  # fmt: skip
TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"


def side(versions: dict[str, str] | None = None, build: str = BUILD, tool: str = "torch", **settings: Any) -> Profile:
    """A run of torch; a setting of None is not recorded."""
    chosen = {name: value for name, value in {**SETTINGS, **settings}.items() if value is not None}
    return profile(
        tool=tool,
        versions={"torch": "2.13.0+cpu", "python": "3.11.7", **(versions or {})},
        build={"torch": build},
        settings=chosen,
    )


ONE = side()


def test_equal_versions_and_flags_are_fair() -> None:
    found = R09.check((ONE, side({"torch": "2.13.0", "compiler": "GNU 12", "python": "3.12.1"})))
    assert found.outcome is Outcome.PASS
    assert "torch 2.13.0, oneDNN 3.12.0, MKL 2024.2-Product, instruction set AVX512" in found.says
    assert R09.check((ONE,)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (side({"torch": "2.12.1"}), "torch is 2.13.0 in A and 2.12.1 in B"),
        (side({"onednn": "3.5.3"}), "oneDNN is 3.12.0 in A and 3.5.3 in B"),
        (side(build=BUILD.replace("2024.2", "2023.1")), "MKL is 2024.2-Product in A and 2023.1-Product in B"),
        (side(cpu_capability="AVX2"), "instruction set is AVX512 in A and AVX2 in B"),
        (side(ONEDNN_MAX_CPU_ISA="AVX2"), "ONEDNN_MAX_CPU_ISA is not set in A and AVX2 in B"),
        (side(deterministic="true"), "deterministic is false in A and true in B"),
        (side(onednn="false"), "oneDNN in use is true in A and false in B"),
        (side(flush_denormals="true"), "flush_denormals is false in A and true in B"),
    ],
)
def test_any_other_version_or_flag_fails(other: Profile, says: str) -> None:
    found = R09.check((ONE, other))
    assert (found.outcome, found.says) == (Outcome.FAIL, says)


def test_flags_of_cudnn_matter_on_its_device_only() -> None:
    assert R09.check((ONE, side(cudnn_benchmark="true"))).outcome is Outcome.PASS
    cuda = {"torch": "2.13.0+cu126", "cuda": "12.6", "cudnn": "90501"}
    one = side(cuda, device="cuda")
    for other, says in (
        (side(cuda, device="cuda", cudnn_benchmark="true"), "cudnn.benchmark is false in A and true in B"),
        (side(cuda, device="cuda", cudnn_tf32="false"), "cuDNN TF32 is true in A and false in B"),
        (side({**cuda, "cudnn": "90100"}, device="cuda"), "cuDNN is 90501 in A and 90100 in B"),
    ):
        found = R09.check((one, other))
        assert (found.outcome, found.says) == (Outcome.FAIL, says)


def test_the_instruction_set_that_valgrind_hides_warns_and_says_how_to_match_it() -> None:
    found = R09.check((ONE, side(tool="callgrind", cpu_capability="AVX2")))
    assert found.outcome is Outcome.WARN
    assert "ATEN_CPU_CAPABILITY=avx2" in found.advice


def test_another_allocator_warns() -> None:
    assert R09.check((ONE, side(GLIBC_TUNABLES="x=2"))).outcome is Outcome.WARN


def test_an_allocator_that_only_one_side_sets_warns() -> None:
    found = R09.check((ONE, side(GLIBC_TUNABLES=None)))
    assert (found.outcome, found.says) == (Outcome.WARN, "GLIBC_TUNABLES is x=1 in A and not set in B")
    assert R09.check((side(GLIBC_TUNABLES=None),) * 2).outcome is Outcome.PASS


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "GLIBC_TUNABLES"])
def test_of_a_file_without_settings_nobody_knows_the_variables(variable: str) -> None:
    found = R09.check((side(**{variable: "AVX2"}), profile(versions={"torch": "2.13.0"}, build={"torch": BUILD})))
    assert found.outcome is Outcome.UNKNOWN
    assert variable in found.missing


def test_numba_has_only_some_of_the_flags_in_common_with_torch() -> None:
    numba = {"numba": "0.68.1"}
    compiled = side(numba, "", cpu_capability="znver4", onednn="false", deterministic="true")
    assert R09.check((ONE, compiled)).outcome is Outcome.PASS
    assert R09.check((ONE, side(numba, "", flush_denormals="true"))).outcome is Outcome.FAIL
    assert R09.check((compiled, side(numba, "", cpu_capability="skylake"))).outcome is Outcome.FAIL


def test_what_only_one_side_tells_is_unknown() -> None:
    found = R09.check((ONE, side(flush_denormals=None)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("flush_denormals",)
    assert "of B" in found.says


def test_a_run_that_tells_nothing_is_unknown() -> None:
    found = R09.check((ONE, profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert "torch" in found.missing
    assert R09.check((profile(),)).missing == ("torch", "instruction set")
    assert R09.check((side(deterministic=None), side(deterministic=None))).outcome is Outcome.PASS


def test_real_recordings_of_both_languages_are_equal_and_one_under_valgrind_is_not() -> None:
    python, cpp, counted = (
        read_profile(TRACES / name / "profile.json")
        for name in ("pytorch/torch", "libtorch/torch", "pytorch/callgrind")
    )
    assert R09.check((python, cpp)).outcome is Outcome.PASS
    found = R09.check((python, counted))
    assert (found.outcome, found.says) == (Outcome.WARN, "instruction set is AVX512 in A and AVX2 in B")
