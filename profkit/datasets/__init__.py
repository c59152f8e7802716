"""Datasets: one file format a module, a value with the real reader and a seeded twin that writes the same files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Images = np.ndarray[Any, np.dtype[np.uint8]]
Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Dataset:
    """Labelled images on disk.

    Attributes:
        name: of the dataset.
        mean: of the pixels scaled to [0, 1], subtracted from them.
        deviation: that they are divided by.
        read: from a directory to (images [n, channels, height, width], labels [n]). Raises InputError.
        write_synthetic: write a small dataset of separable classes in the same files, from (directory, samples, seed).
    """

    name: str
    mean: float
    deviation: float
    read: Callable[[Path], tuple[Images, Labels]]
    write_synthetic: Callable[[Path, int, int], None]
