"""Read the images of a dataset in the running program, so that loading itself can be timed and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from profkit.datasets import SPLITS, Dataset
from profkit.layer_kinds import Shape
from profkit.registry import find


def load_images(
    dataset: str, directory: Path, shape: Shape, counts: Mapping[str, int]
) -> dict[str, dict[str, torch.Tensor]]:
    """Images uint8 (n, *shape) and labels int64 (n,) of each part of a dataset, so many as `counts` says of each.

    Raises:
        InputError: a file cannot be read.
    """
    reader = find("profkit.datasets", Dataset, dataset)
    parts = {}
    for split in SPLITS:
        images, labels = reader.read(directory, split, shape, counts[split])
        parts[split] = {"images": torch.from_numpy(images), "labels": torch.from_numpy(labels)}
    return parts
