from __future__ import annotations

import math

import pytest
import torch

from profkit.rounding import (
    FACTOR,
    FLIPPED,
    FLIPPED_LOSS,
    TOLERANCE,
    Results,
    allowed,
    differences,
    jumps,
    largest,
    most,
    worst,
)

NAN, INFINITE = float("nan"), float("inf")


def results(scale: float = 1.0, weights: dict[str, torch.Tensor] | None = None, steps: int = 3) -> Results:
    found = {"conv1.weight": torch.full((2, 3), scale)} if weights is None else weights
    return Results(torch.full((2, 10), scale), torch.full((steps,), scale, dtype=torch.float64), found)


def test_a_difference_is_relative_to_the_largest_value_only_where_that_is_above_one() -> None:
    assert largest(torch.tensor([0.25, 0.5]), torch.tensor([0.25, 0.75])) == 0.25
    assert largest(torch.tensor([-8.0, 2.0]), torch.tensor([-8.0, 4.0])) == 0.25


def test_tensors_of_two_types_are_compared_in_the_wider_one() -> None:
    assert largest(torch.tensor([1.0], dtype=torch.float64), torch.tensor([1.0])) == 0
    assert largest(torch.tensor([1 + 2**-40], dtype=torch.float64), torch.tensor([1.0])) == pytest.approx(2**-40)
    assert largest(torch.tensor(3), torch.tensor(4)) == pytest.approx(1 / 3)


def test_tensors_without_elements_are_equal_and_those_of_other_shapes_infinitely_far_apart() -> None:
    assert largest(torch.zeros(0, 3), torch.zeros(0, 3)) == 0
    assert largest(torch.zeros(0, 3), torch.zeros(3, 0)) == INFINITE
    assert largest(torch.zeros(2, 3), torch.zeros(6)) == INFINITE


@pytest.mark.parametrize("value", [NAN, INFINITE])
def test_what_is_no_number_stays_none_on_either_side(value: float) -> None:
    finite, other = torch.tensor([1.0, 2.0]), torch.tensor([1.0, value])
    assert not largest(finite, other) < INFINITE
    assert not largest(other, finite) < INFINITE


def test_every_tensor_has_a_difference_of_its_own() -> None:
    names = ("conv1.weight", "norm1.running_mean", "norm1.num_batches_tracked")
    found = differences(
        results(1.0, {name: torch.ones(2) for name in names}), results(1.5, {name: torch.ones(2) for name in names})
    )
    assert found == {
        "output": 0.5,
        "loss 0": 0.5,
        "loss 1": 0.5,
        "loss 2": 0.5,
        "weight conv1.weight": 0,
        "statistics norm1.running_mean": 0,
        "statistics norm1.num_batches_tracked": 0,
    }


def test_a_weight_that_only_one_side_has_and_other_steps_are_infinitely_far_apart() -> None:
    found = differences(results(), results(weights={"conv2.weight": torch.ones(2, 3)}, steps=4))
    assert found["loss"] == found["weight conv1.weight"] == found["weight conv2.weight"] == INFINITE


def test_a_tensor_is_allowed_a_multiple_of_its_own_rounding_and_never_less_than_the_tolerance() -> None:
    limits = allowed({"output": 1e-9, "weight linear.bias": 0.01, "weight linear.weight": 1e-6}, 1e-5)
    assert limits == {"output": 1e-5, "weight linear.bias": FACTOR * 0.01, "weight linear.weight": 1e-5}


def test_a_loss_is_allowed_the_largest_rounding_of_all_steps_so_far() -> None:
    rounding = {"output": 1.0, "loss 0": 0.0, "loss 1": 0.25, "loss 2": 0.125, "loss 3": 0.5, "weight w": 0.0}
    limits = allowed(rounding, TOLERANCE)
    assert [limits[f"loss {step}"] for step in range(4)] == [TOLERANCE, 2.5, 2.5, 5.0]
    assert limits["weight w"] == TOLERANCE


def test_the_worst_is_the_largest_share_of_what_is_allowed_and_not_the_largest_difference() -> None:
    found = {"output": 2e-5, "weight a": 0.5, "weight b": 1e-5}
    assert worst(found, {"output": 1e-5, "weight a": 1.0, "weight b": 1e-5}) == ("output", pytest.approx(2))


def test_a_difference_whose_rounding_nobody_measured_is_held_against_the_tolerance() -> None:
    assert worst({"loss": INFINITE}, {}) == ("loss", INFINITE)
    assert worst({"weight new": TOLERANCE}, {"weight old": 1.0}) == ("weight new", 1)


def test_what_is_no_number_is_worse_than_everything_else() -> None:
    for found in ({"output": NAN, "weight a": INFINITE}, {"weight a": INFINITE, "output": NAN}):
        name, share = worst(found, dict.fromkeys(found, 1.0))
        assert name == "output"
        assert math.isnan(share)


def test_the_largest_difference_of_a_kind_is_that_of_no_other_kind() -> None:
    found = {"output": 3.0, "loss 0": 0.5, "loss 1": 1.0, "weight a": 0.25}
    assert [most(found, kind) for kind in ("output", "loss", "weight", "statistics")] == [3.0, 1.0, 0.25, 0.0]
    assert math.isnan(most({"loss 0": 1.0, "loss 1": NAN, "loss 2": INFINITE}, "loss"))


def test_a_jump_is_a_share_of_how_far_training_moved_a_weight_and_of_how_far_the_loss_fell() -> None:
    names = ("conv1.weight", "norm1.running_mean")
    before = {name: torch.zeros(2) for name in names}
    losses = torch.tensor([2.0, 1.5, 1.75], dtype=torch.float64)
    after = Results(torch.ones(2, 10), losses, {names[0]: torch.full((2,), 0.5), names[1]: torch.zeros(2)})
    assert jumps(before, after) == pytest.approx(
        {
            "weight conv1.weight": FLIPPED * 0.5,
            "statistics norm1.running_mean": 0,
            "loss 0": 0,
            "loss 1": FLIPPED_LOSS * 0.5,
            "loss 2": FLIPPED_LOSS * 0.25,
        }
    )


def test_a_jump_widens_what_is_allowed_and_never_narrows_it() -> None:
    rounding = {"output": 1e-6, "loss 0": 0.0, "loss 1": 1e-4, "weight a": 1e-6, "weight b": 1e-3}
    limits = allowed(rounding, 1e-5, {"loss 0": 0.0, "loss 1": 1e-5, "weight a": 0.25, "weight b": 1e-4})
    assert limits == {
        "output": 1e-5,
        "loss 0": 1e-5,
        "loss 1": FACTOR * 1e-4,
        "weight a": 0.25,
        "weight b": FACTOR * 1e-3,
    }
