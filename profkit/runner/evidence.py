"""Evidence: tensors that a run leaves behind, to judge it by; `cpp/src/evidence.cpp` is the twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from profkit.runner.batches import Batch
from profkit.runner.engine import Engine
from profkit.runner.scope import NO_SCOPES


def write_evidence(folder: Path, engine: Engine, batch: Batch, fresh: Callable[[], Engine] | None, target: str) -> None:
    """Write weights, optimizer state, inputs and what one step makes of the bundle's weights, a file each.

    One after the other, because each may be as large as the network.

    Args:
        folder: to write to.
        engine: as the measured steps left it.
        batch: the first, as the program makes it.
        fresh: makes an engine that has not stepped yet and drops what the bundle says; None of inference.
        target: what the loss compares the output with: `labels` or `inputs`.
    """
    inputs, labels = batch
    _write(folder / "inputs.pt", {"inputs": inputs})
    _write(folder / "weights.pt", engine.weights())
    _write(folder / "state.pt", engine.optimizer_state())
    if fresh:
        other = fresh()
        other.start_epoch(0)
        given, targets = other.to_device(inputs), other.to_device(labels)
        other.train_step(given, targets if target == "labels" else given, NO_SCOPES)
        other.synchronize()
        _write(folder / "stepped.pt", other.weights())


def _write(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    torch.save(dict(tensors), path)
