"""R10: the build type is set and optimised."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r10_build import R10, optimisation
from profkit.evidence import Binary, Evidence
from profkit.profile import Profile
from tests.audit.profiles import profile

TORCH = "PyTorch built with: - GCC 13.3 - Build settings: BLAS_INFO=mkl, BUILD_TYPE={}, USE_CUDA=0"
VERSIONS = {"torch": "2.13.0"}
PYTHON = profile(build={"torch": TORCH.format("Release")}, versions=VERSIONS, settings={"language": "python"})


def cpp(binary: Binary | None = None, torch: str = "Release", **build: str) -> Profile:
    return profile(
        implementation="libtorch",
        build={"torch": TORCH.format(torch), **build},
        versions=VERSIONS,
        settings={"language": "c++"},
        evidence=Evidence(binary=binary),
    )


@pytest.mark.parametrize("kind", ["Release", "RelWithDebInfo", "MinSizeRel"])
def test_an_optimised_build_is_fair(kind: str) -> None:
    found = R10.check((PYTHON, cpp(type=kind, flags="-O2 -g -DNDEBUG")))
    assert found.outcome is Outcome.PASS
    assert found.evidence["build type"] == (None, kind)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ({"type": "Debug", "flags": "-g"}, "B was built as Debug"),
        ({"type": "", "flags": ""}, "B was built without a build type"),
        ({"type": "Release", "flags": "-O3 -DNDEBUG -O0"}, "without optimisation (-O0)"),
        ({"type": "None", "flags": "-O -DNDEBUG"}, "without optimisation (-O1)"),
    ],
)
def test_a_build_without_optimisation_fails(build: dict[str, str], says: str) -> None:
    found = R10.check((PYTHON, cpp(**build)))
    assert found.outcome is Outcome.FAIL
    assert says in found.says
    assert "Release" in found.advice


def test_a_debug_build_fails_alone_too() -> None:
    found = R10.check((cpp(type="Debug"),))
    assert found.outcome is Outcome.FAIL
    assert found.says.startswith("it was built as Debug")


def test_a_binary_tells_where_nobody_recorded_the_build() -> None:
    assert R10.check((PYTHON, cpp(Binary(optimisation="-O2")))).outcome is Outcome.PASS
    assert R10.check((PYTHON, cpp(Binary(optimisation="-O0")))).outcome is Outcome.FAIL
    assert R10.check((PYTHON, cpp(Binary(optimisation="-O2", assertions=True)))).outcome is Outcome.WARN


def test_a_binary_may_tell_no_more_than_whether_it_is_optimised() -> None:
    found = R10.check((PYTHON, cpp(Binary(optimised=True))))
    assert found.outcome is Outcome.PASS
    assert "what is compiled as optimised code" in found.says
    assert R10.check((PYTHON, cpp(Binary(optimised=False)))).outcome is Outcome.FAIL


def test_a_binary_that_tells_nothing_leaves_it_unknown() -> None:
    found = R10.check((PYTHON, cpp(Binary())))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("build type",)


def test_assertions_warn() -> None:
    found = R10.check((PYTHON, cpp(type="Release", flags="-O3")))
    assert found.outcome is Outcome.WARN
    assert "assertions" in found.says


def test_the_file_itself_knows_better_than_flags_whether_it_has_assertions() -> None:
    assert R10.check((PYTHON, cpp(Binary(assertions=False), type="Release", flags="-O3"))).outcome is Outcome.PASS
    assert (
        R10.check((PYTHON, cpp(Binary(assertions=True), type="Release", flags="-O3 -DNDEBUG"))).outcome is Outcome.WARN
    )


def test_flags_that_nobody_set_say_nothing_of_assertions() -> None:
    assert R10.check((PYTHON, cpp(type="Release", flags=""))).outcome is Outcome.PASS
    assert "assertions" not in R10.check((PYTHON, cpp(type="Debug", flags=""))).says


def test_a_build_for_the_least_size_is_optimised() -> None:
    assert R10.check((PYTHON, cpp(type="None", flags="-Oz -DNDEBUG"))).outcome is Outcome.PASS


def test_a_debug_build_of_torch_fails_in_python_too() -> None:
    slow = profile(build={"torch": TORCH.format("Debug")}, versions=VERSIONS, settings={"language": "python"})
    found = R10.check((slow, PYTHON))
    assert found.outcome is Outcome.FAIL
    assert "A ran on a Debug build of torch" in found.says


def test_two_compiled_sides_with_other_flags_warn() -> None:
    found = R10.check((cpp(type="Release", flags="-O3 -DNDEBUG"), cpp(type="Release", flags="-O2 -DNDEBUG")))
    assert found.outcome is Outcome.WARN
    assert "A has flags -O3 -DNDEBUG, B -O2 -DNDEBUG" in found.says


def test_numba_needs_no_torch() -> None:
    numba = profile(versions={"torch": "2.13.0", "numba": "0.68"}, settings={"language": "python"})
    assert R10.check((PYTHON, numba)).outcome is Outcome.PASS


def test_a_trace_of_others_does_not_tell() -> None:
    found = R10.check((profile(), PYTHON))
    assert found.outcome is Outcome.UNKNOWN
    assert "of A" in found.says


@pytest.mark.parametrize(
    ("build", "level"),
    [({}, None), ({"flags": "-O3 -Og"}, "-Og"), ({"flags": "-Wall -DX=-O2"}, None), ({"flags": "-Ofast"}, "-Ofast")],
)
def test_the_last_level_counts(build: dict[str, Any], level: str | None) -> None:
    assert optimisation(cpp(**build).run) == level
