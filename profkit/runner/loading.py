"""Read the images of a dataset in the running program, so that loading itself can be timed and compared."""

from __future__ import annotations

from pathlib import Path

import torch

from profkit.datasets import SPLITS, Dataset
from profkit.layer_kinds import Shape
from profkit.registry import find


def load_images(dataset: str, directory: Path, shape: Shape) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Images uint8 (n, *shape) and labels int64 (n,) of each part of a dataset.

    Raises:
        InputError: a file cannot be read.
    """
    reader = find("profkit.datasets", Dataset, dataset)
    parts = {}
    for split in SPLITS:
        images, labels = reader.read(directory, split, shape)
        parts[split] = torch.from_numpy(images), torch.from_numpy(labels)
    return parts
