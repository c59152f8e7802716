from __future__ import annotations

import pytest
import torch

from profkit.agree import TOLERANCE, Results, agreement_of, compare, require
from profkit.errors import DisagreementError
from profkit.implementations import Implementation
from profkit.implementations.pytorch import PYTORCH
from profkit.native import Say
from profkit.prepare import Task, prepare
from profkit.spec import Workload


def results(scale: float = 1.0, weights: dict[str, torch.Tensor] | None = None) -> Results:
    found = {"conv1.weight": torch.full((2, 3), scale)} if weights is None else weights
    return Results(torch.full((2, 10), scale), torch.full((20,), scale, dtype=torch.float64), found)


EXACT = torch.ones(2, 10, dtype=torch.float64)


def test_the_largest_difference_of_each_kind_is_kept() -> None:
    found = compare(results(), results(1.5), EXACT, "pytorch")
    assert (found.exact, found.output, found.loss, found.weight) == (0.5, 0.5, 0.5, 0.5)
    assert not found.holds


def test_a_difference_of_one_rounding_agrees() -> None:
    assert compare(results(), results(1 + 2**-23), EXACT, "pytorch").holds


@pytest.mark.parametrize(
    "other",
    [
        results(float("nan")),
        results(weights={"other.weight": torch.ones(2, 3)}),
        results(weights={"conv1.weight": torch.ones(3, 2)}),
        results(1 + 2 * TOLERANCE),
    ],
    ids=["not a number", "another name", "another shape", "beyond the tolerance"],
)
def test_anything_else_disagrees(other: Results) -> None:
    found = compare(results(), other, EXACT, "pytorch")
    assert not found.holds
    with pytest.raises(DisagreementError, match="numba does not compute what pytorch computes"):
        require({"numba": found})


def test_an_implementation_that_trains_on_twice_the_seed_disagrees(
    mnist_cnn: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """A real program that does other work: the runner with one thread more and another bundle."""
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path))
    other = prepare(Task(mnist_cnn, batch_size=4, seed=1))

    def command(say: Say) -> list[str]:
        swap = f"import sys; sys.argv[sys.argv.index('--bundle') + 1] = {str(other.path)!r}"
        return [PYTORCH.command(say)[0], "-c", f"{swap}; from profkit.runner.run import main; main()"]

    wrong = Implementation("wrong", "", "python", ("cpu",), command, lambda _network, _device: None)
    bundle = prepare(Task(mnist_cnn, batch_size=4))
    assert agreement_of(PYTORCH, bundle, 1, print).holds
    assert not agreement_of(wrong, bundle, 1, print).holds
