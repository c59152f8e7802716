"""How the loop goes through a bundle, without a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from profkit.runner import loop
from profkit.runner.checkpoint import Checkpoint
from profkit.runner.engine import Choices, Conditions
from profkit.runner.loop import Course, Loop
from profkit.runner.region import Tool
from profkit.runner.scope import NO_SCOPES, Scopes
from profkit.runner.torch_engine import TorchEngine
from tests.small_bundles import make_bundle, read_bundle


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize(("steps", "epochs"), [(2, None), (None, 1)])
def test_how_the_steps_ran_is_asked_for_when_the_region_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, steps: int | None, epochs: int | None
) -> None:
    order: list[str] = []

    @contextmanager
    def region(_tool: Tool) -> Iterator[Scopes]:
        yield NO_SCOPES
        order.append("closed")

    class Asked(TorchEngine):
        def conditions(self, inputs: torch.Tensor) -> Conditions:
            order.append("asked")
            return super().conditions(inputs)

    monkeypatch.setitem(loop.REGIONS, "none", region)
    bundle = read_bundle(make_bundle(tmp_path / "bundle.pt", epochs=1))
    engine = Asked(bundle, Choices("cpu"))
    course = Course(mode, steps, epochs, 0, 0, "cpu", Tool("none"))
    start = Checkpoint(0, 0, engine.weights(), engine.optimizer_state(), [])
    conditions = Loop(engine, bundle, course, lambda _line: None).run(start, lambda _make: None).conditions
    assert order == ["closed", "asked"]
    assert conditions is not None
    assert (conditions.grad, conditions.training) == (mode == "train",) * 2
