"""R07: model and data are really on the device that is claimed."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r07_device import R07
from profkit.evidence import Evidence
from profkit.profile import Profile
from tests.audit.profiles import CONV, LINEAR, profile

KERNEL = {"operator": "gemm", "kind": "kernel", "category": "kernel", "device": "cuda:0", "self_ns": 4000}


def placed(
    claim: str | None, weights: str = "", inputs: str = "", kernels: bool = False, tool: str = "torch"
) -> Profile:
    return profile(
        [CONV, LINEAR, *([KERNEL] if kernels else [])],
        tool=tool,
        settings={} if claim is None else {"device": claim},
        evidence=Evidence(places={"weights": weights, "inputs": inputs or weights, "state": ""}),
    )


@pytest.mark.parametrize(
    "fair",
    [
        placed("cpu", "cpu"),
        placed("cuda", "cuda:0"),
        placed("cuda:0", "cuda:0", kernels=True),
        placed("cuda", kernels=True),
        placed("mps", "mps:0"),
        placed("cpu", "cpu", tool="py-spy"),
    ],
)
def test_what_lies_where_it_is_claimed_is_fair(fair: Profile) -> None:
    assert R07.check((fair, fair)).outcome is Outcome.PASS
    assert R07.check((fair,)).outcome is Outcome.PASS


def test_two_devices_are_each_what_they_claim() -> None:
    found = R07.check((placed("cpu", "cpu"), placed("cuda", "cuda:0")))
    assert (found.outcome, found.says) == (
        Outcome.PASS,
        "all tensors and kernels are where they should be: A on cpu, B on cuda",
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (placed("cuda", "cpu"), "B claims cuda, but weights are on cpu; B claims cuda, but inputs are on cpu"),
        (placed("cuda", "cuda:0", "cpu"), "B claims cuda, but inputs are on cpu"),
        (placed("cuda", "cpu,cuda:0", "cuda:0"), "B claims cuda, but weights are on cpu,cuda:0"),
        (placed("cuda:1", "cuda:0"), "B claims cuda:1, but weights are on cuda:0"),
        (placed("cpu", kernels=True), "B claims cpu, but kernels ran on cuda:0"),
        (placed("cuda"), "B claims cuda, but no kernel in its trace ran there"),
    ],
)
def test_what_lies_elsewhere_fails(wrong: Profile, says: str) -> None:
    found = R07.check((placed("cpu", "cpu"), wrong))
    assert found.outcome is Outcome.FAIL
    assert says in found.says


def test_what_nobody_claimed_or_looked_at_is_unknown() -> None:
    found = R07.check((placed("cpu", "cpu"), placed(None)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("claimed device",)
    assert R07.check((placed("cuda", tool="py-spy"),)).missing == ("places of tensors",)
    assert R07.check((placed("mps"),)).outcome is Outcome.UNKNOWN
    assert R07.check((placed(None, "cuda:0"),)).outcome is Outcome.PASS


@pytest.mark.parametrize("split", [placed(None, "cuda:0", "cpu"), placed(None, "cpu", kernels=True)])
def test_tensors_of_an_unclaimed_device_on_two_of_them_warn(split: Profile) -> None:
    found = R07.check((split,))
    assert found.outcome is Outcome.WARN
    assert found.says == "nobody said what device it is for, and its tensors and kernels are on cpu and cuda:0"
