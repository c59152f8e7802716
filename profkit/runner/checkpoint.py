"""Checkpoints: weights and optimizer state between two runs, in a file that either language reads."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from profkit.errors import InputError
from profkit.runner import CHECKPOINT_SCHEMA
from profkit.write import write_whole


@dataclass(frozen=True)
class Checkpoint:
    """Where a training run stands.

    Attributes:
        epoch: epochs done.
        step: training steps done, without the warm-up.
        weights: parameters and buffers by name.
        optimizer: its state by `<weight>/<name>`.
        history: what the report says of each epoch done.
    """

    epoch: int = 0
    step: int = 0
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    optimizer: Mapping[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        WriteError: it cannot be written.
    """
    body = {
        "schema": CHECKPOINT_SCHEMA,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "weights": dict(checkpoint.weights),
        "optimizer": dict(checkpoint.optimizer),
        "history": json.dumps(checkpoint.history),
    }
    archive = io.BytesIO()
    torch.save(body, archive)
    write_whole(path, archive.getbuffer())


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what either runner wrote.

    Raises:
        InputError: the file cannot be read or is no checkpoint.
    """
    try:
        body = torch.load(path, weights_only=True)
        if body["schema"] != CHECKPOINT_SCHEMA:
            raise InputError(
                f"{path} is a checkpoint of schema {body['schema']}, this runner reads {CHECKPOINT_SCHEMA}"
            )
        return Checkpoint(body["epoch"], body["step"], body["weights"], body["optimizer"], json.loads(body["history"]))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "--resume takes what --checkpoint wrote") from error
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is no checkpoint", "--resume takes what --checkpoint wrote") from error
