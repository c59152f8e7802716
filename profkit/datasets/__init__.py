"""Datasets: one file format a module, a value with the real reader and a seeded twin that writes the same files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from profkit.layer_kinds import Shape

Images = np.ndarray[Any, np.dtype[np.uint8]]
Labels = np.ndarray[Any, np.dtype[np.int64]]

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Dataset:
    """Images on disk, with labels where it has classes.

    Attributes:
        name: of the dataset.
        summary: one line, with its files.
        samples: training images of the synthetic twin, where nobody says how many; a quarter as many are to test on.
        read: from (directory, one of `SPLITS`, shape of one image [channels, height, width], number of images or None
            for all) to images (n, *shape) and labels (n,), all zero where there are no classes, in an order that every
            reader has. Raises InputError.
        write_synthetic: write a small dataset of separable classes in the same files, from (directory, training images,
            seed, shape of one image).
    """

    name: str
    summary: str
    samples: int
    read: Callable[[Path, str, Shape, int | None], tuple[Images, Labels]]
    write_synthetic: Callable[[Path, int, int, Shape], None]
