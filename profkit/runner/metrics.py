"""What a network makes of all test batches: totals over totals, so that a smaller last batch counts by its size."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from profkit.runner.batches import Batches
from profkit.runner.engine import Engine
from profkit.runner.scope import NO_SCOPES


@dataclass
class Totals:
    """Sums over samples.

    Attributes:
        samples: seen.
        loss: sum of each batch's mean loss times its samples.
        correct: answers.
    """

    samples: int = 0
    loss: float = 0.0
    correct: int = 0

    def add(self, samples: int, mean_loss: float, correct: int) -> None:
        """Count a batch in."""
        self.samples += samples
        self.loss += samples * mean_loss
        self.correct += correct

    def mean_loss(self) -> float | None:
        """Mean over samples; None where it was never asked for."""
        return self.loss / self.samples if self.loss == self.loss else None

    def accuracy(self) -> float:
        """Share of correct answers."""
        return self.correct / self.samples


def count_correct(outputs: torch.Tensor, labels: torch.Tensor) -> int:
    """How many samples have their largest output (batch size, classes) at their label (batch size,)."""
    return int((outputs.argmax(1) == labels).sum())


def evaluate(engine: Engine, batches: Batches, loss: str) -> tuple[dict[str, float | None], int]:
    """Loss and accuracy, or for an autoencoder L1 and L2, over all batches, and the time that took [ns].

    Args:
        engine: with the network.
        batches: to test on; every value is None where there are none, or where it is no number.
        loss: of the recipe; `l1` and `l2` compare the output with the input.
    """
    found: dict[str, float | None] = dict.fromkeys(("test_loss", "test_accuracy", "test_l1", "test_l2"))
    if not len(batches):
        return found, 0
    start = time.perf_counter_ns()
    labelled = loss == "cross_entropy"
    samples, correct, sums = 0, 0, [0.0, 0.0]
    for index in range(len(batches)):
        inputs, labels = batches.make(index)
        outputs = engine.to_host(engine.infer_step(engine.to_device(inputs), NO_SCOPES))
        samples += len(labels)
        if labelled:
            correct += count_correct(outputs, labels)
            sums[0] += len(labels) * float(functional.cross_entropy(outputs, labels))
        else:
            sums[0] += len(labels) * float(functional.l1_loss(outputs, inputs))
            sums[1] += len(labels) * float(functional.mse_loss(outputs, inputs))
    if labelled:
        found |= {"test_loss": sums[0] / samples, "test_accuracy": correct / samples}
    else:
        found |= {"test_l1": sums[0] / samples, "test_l2": sums[1] / samples}
        found["test_loss"] = found[f"test_{loss}"]
    finite = {name: value if value is not None and math.isfinite(value) else None for name, value in found.items()}
    return finite, time.perf_counter_ns() - start


def reconstruct(engine: Engine, batches: Batches) -> Any:
    """The network's output for the first images, (at most 16, channels, height, width), on the host."""
    inputs, _ = batches.make(0)
    return engine.to_host(engine.infer_step(engine.to_device(inputs[:RECONSTRUCTIONS]), NO_SCOPES))


RECONSTRUCTIONS = 16
"""Samples whose reconstruction goes into the results."""
