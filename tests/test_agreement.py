from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from profkit.agree import (
    DEVICE_TOLERANCE,
    Check,
    Platform,
    agreement_of,
    check_workload,
    compare,
    pairs,
    platforms,
    require,
)
from profkit.errors import DisagreementError, UsageError
from profkit.implementations import Implementation
from profkit.implementations.libtorch import LIBTORCH
from profkit.implementations.numba import NUMBA
from profkit.implementations.pytorch import PYTORCH
from profkit.native import Say
from profkit.options import Value
from profkit.prepare import Task, prepare
from profkit.rounding import FACTOR, TOLERANCE, Results, differences
from profkit.run import Agreement, Run, decode
from profkit.spec import Workload

SMALL: dict[str, Value] = {"filters1": 2, "filters2": 3, "hidden": 8}
EXACT = torch.ones(2, 10, dtype=torch.float64)


def results(scale: float = 1.0, weights: dict[str, torch.Tensor] | None = None) -> Results:
    found = {"conv1.weight": torch.full((2, 3), scale)} if weights is None else weights
    return Results(torch.full((2, 10), scale), torch.full((20,), scale, dtype=torch.float64), found)


def compared(
    candidate: Results, rounding: dict[str, float] | None = None, baseline: Results | None = None
) -> Agreement:
    """The agreement with results that are all one; without a rounding, float32 is as good as float64."""
    measured = differences(results(), results()) if rounding is None else rounding
    return compare(baseline or results(), candidate, EXACT, measured, "pytorch")


def test_the_largest_difference_of_each_kind_is_kept() -> None:
    names = {"conv1.weight": torch.full((2, 3), 1.5), "norm1.running_var": torch.full((3,), 1.25)}
    ones = {name: torch.ones_like(tensor) for name, tensor in names.items()}
    found = compared(results(1.5, names), baseline=results(weights=ones))
    assert (found.exact, found.output, found.loss, found.weight, found.statistics) == (0.5, 0.5, 0.5, 0.5, 0.25)
    assert (found.reference, found.steps, found.tolerance) == ("pytorch", 20, TOLERANCE)
    assert not found.holds


def test_a_difference_of_one_rounding_agrees() -> None:
    found = compared(results(1 + 2**-23))
    assert found.holds
    assert found.excess == pytest.approx(2**-23 / TOLERANCE)
    require({"numba": found})


@pytest.mark.parametrize(
    ("other", "worst"),
    [
        (results(float("nan")), "output"),
        (results(weights={"other.weight": torch.ones(2, 3)}), "weight conv1.weight"),
        (results(weights={"conv1.weight": torch.ones(3, 2)}), "weight conv1.weight"),
        (Results(torch.ones(2, 10), torch.ones(19), results().weights), "loss"),
        (results(1 + 2 * TOLERANCE), "output"),
    ],
    ids=["not a number", "another name", "another shape", "fewer steps", "beyond the tolerance"],
)
def test_anything_else_disagrees_and_the_worst_of_it_is_named(other: Results, worst: str) -> None:
    found = compared(other)
    assert not found.holds
    assert found.worst == worst
    with pytest.raises(DisagreementError, match=f"numba does not compute what pytorch computes: {worst} differs by"):
        require({"numba": found})


def test_a_tensor_that_rounds_much_may_differ_as_much_and_another_may_not() -> None:
    """Adam takes a gradient that is nothing but rounding for a whole step."""
    weights = {"conv1.bias": torch.ones(3), "conv1.weight": torch.ones(3)}
    rounding = {**differences(results(weights=weights), results(weights=weights)), "weight conv1.bias": 1e-3}
    for name, holds in (("conv1.bias", True), ("conv1.weight", False)):
        other = {**weights, name: torch.full((3,), 1 + 5e-3)}
        found = compared(results(weights=other), rounding, results(weights=weights))
        assert found.holds == holds
        assert found.weight == pytest.approx(5e-3, rel=1e-3)
        assert found.worst == f"weight {name}"
        assert found.excess == pytest.approx(5e-3 / (FACTOR * 1e-3 if holds else TOLERANCE), rel=1e-3)


def test_the_distance_from_float64_may_be_what_the_output_may_differ() -> None:
    rounding = {**differences(results(), results()), "output": 1e-3}
    other = Results(torch.full((2, 10), 1 + 5e-3), results().losses, results().weights)
    assert compared(other, rounding).holds
    assert not compared(other).holds


def test_every_implementation_that_disagrees_is_named() -> None:
    wrong, right = compared(results(2.0)), compared(results())
    with pytest.raises(DisagreementError, match=r"^numba and libtorch do not compute what pytorch computes"):
        require({"numba": wrong, "torch": right, "libtorch": wrong})


@pytest.mark.parametrize(("difference", "holds"), [("5e-6", True), ("2e-5", False)])
def test_a_run_from_before_rounding_was_measured_is_judged_by_its_tolerance(difference: str, holds: bool) -> None:
    old = f"""{{"tool": "torch", "agreement": {{"reference": "pytorch", "steps": 20, "exact": 1e-7, "output": 0.0,
        "loss": 1e-7, "weight": {difference}, "tolerance": 1e-5}}}}"""
    agreement = decode(old.encode(), Run, "run.json").agreement
    assert agreement
    assert agreement.excess is None
    assert agreement.holds == holds


def test_all_devices_are_those_that_each_implementation_has() -> None:
    found = platforms([LIBTORCH, NUMBA, PYTORCH], "all")
    assert [platform.name for platform in found] == [
        "libtorch", "libtorch:cuda", "numba", "numba:cuda", "pytorch", "pytorch:cuda", "pytorch:mps"
    ]  # fmt: skip


def test_named_devices_are_asked_of_every_implementation() -> None:
    found = platforms([NUMBA, PYTORCH], "cpu, mps")
    assert [platform.name for platform in found] == ["numba", "numba:mps", "pytorch", "pytorch:mps"]


@pytest.mark.parametrize(("device", "hint"), [("cdua", "did you mean cuda"), ("gpu", "did you mean cpu")])
def test_an_unknown_device_is_answered_with_the_nearest(device: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"unknown device '{device}'") as caught:
        platforms([NUMBA, PYTORCH], f"cpu,{device}")
    assert hint in caught.value.hint


def test_pairs_are_every_two_platforms_once() -> None:
    names = [(one.name, other.name) for one, other in pairs(platforms([NUMBA, PYTORCH], "cpu,cuda"))]
    assert len(set(names)) == len(names) == 6
    assert names[0] == ("numba", "numba:cuda")


@pytest.fixture(scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache, so that programs run and nothing is remembered from before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROFKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def instead_of(bundle: Path) -> Implementation:
    """A real program that does other work: the reference, given another bundle."""

    def command(say: Say) -> list[str]:
        swap = f"import sys; sys.argv[sys.argv.index('--bundle') + 1] = {str(bundle)!r}"
        return [PYTORCH.command(say)[0], "-c", f"{swap}; from profkit.runner.run import main; main()"]

    return Implementation("wrong", "", "python", ("cpu", "mps"), command, lambda _, device: NO_MPS.get(device))


NO_MPS = {"mps": "this one only adds"}


@pytest.mark.usefixtures("_cache")
def test_a_program_that_trains_from_other_weights_disagrees_at_once(mnist_cnn: Workload) -> None:
    wrong = instead_of(prepare(Task(mnist_cnn, 4, SMALL, seed=1)).path)
    found = agreement_of(wrong, prepare(Task(mnist_cnn, 4, SMALL)), 1, print)
    assert not found.holds
    assert min(found.exact, found.output, found.loss, found.weight) > 1e-3


@pytest.mark.usefixtures("_cache")
def test_a_program_that_sums_gradients_in_place_of_their_mean_disagrees_after_the_first_step(
    mnist_cnn: Workload,
) -> None:
    """The reference at the learning rate times the batch size, which is the same."""
    task = Task(mnist_cnn, 4, SMALL)
    wrong = instead_of(prepare(Task(mnist_cnn, 4, {**SMALL, "lr": 4 * 0.01})).path)
    check = check_workload(task, [Platform(wrong, "mps"), Platform(wrong, "cpu"), Platform(PYTORCH, "cpu")], 1, print)
    assert check.refused == {"wrong:mps": "this one only adds"}
    assert list(check.found) == ["pytorch, wrong"]  # the reference comes first
    found = check.found["pytorch, wrong"]
    assert not found.holds
    assert found.worst.startswith(("loss", "weight"))
    assert found.output == 0
    assert found.exact < TOLERANCE
    assert min(found.loss, found.weight) > 100 * TOLERANCE


@pytest.mark.usefixtures("_cache")
def test_the_reference_alone_is_compared_with_itself_and_not_run_again(mnist_cnn: Workload) -> None:
    def check() -> tuple[Check, list[str]]:
        heard: list[str] = []
        return check_workload(Task(mnist_cnn, 4, SMALL), [Platform(PYTORCH, "cpu")], 1, heard.append), heard

    (first, heard), (again, then) = check(), check()
    assert first == again
    assert any(line.startswith("checking that pytorch") for line in heard)
    assert then == ["preparing mnist_cnn"]
    ((pair, found),) = first.found.items()
    assert pair == "pytorch, pytorch"
    assert found.holds
    assert found.output == found.loss == found.weight == 0
    assert 0 < found.exact < 1e-6


def test_nothing_is_prepared_where_no_platform_can_run_it(mnist_cnn: Workload) -> None:
    heard: list[str] = []
    check = check_workload(Task(mnist_cnn, 4, SMALL), [Platform(NUMBA, "mps")], 1, heard.append)
    assert check == Check("mnist_cnn", {}, {"numba:mps": "numba does not run on mps"})
    assert heard == []


def test_an_accelerator_is_allowed_the_rounding_of_its_own_formats() -> None:
    rounding = differences(results(), results())
    other = results(1 + DEVICE_TOLERANCE / 2)
    found = compare(results(), other, EXACT, rounding, "pytorch", DEVICE_TOLERANCE)
    assert found.holds
    assert found.tolerance == DEVICE_TOLERANCE
