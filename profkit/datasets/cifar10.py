"""CIFAR-10 as records of 3073 bytes (label, 1024 red, 1024 green, 1024 blue) or as the pickles for Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from profkit.datasets import Dataset, Images, Labels
from profkit.datasets.cifar10_pickle import parse_pickle, pickle_bytes
from profkit.datasets.files import HINT, entries, read_bytes, require_shape
from profkit.datasets.synthetic import separable_splits
from profkit.errors import InputError, UsageError
from profkit.layer_kinds import Shape
from profkit.write import write_whole

SHAPE = (3, 32, 32)
CLASSES = 10
RECORD_BYTES = 1 + 3 * 32 * 32
STEMS = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}


def _parse_records(data: bytes, path: Path) -> tuple[Images, Labels]:
    if len(data) % RECORD_BYTES:
        raise InputError(
            f"{path} has {len(data)} bytes, no whole number of records of {RECORD_BYTES}", "download it again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD_BYTES)
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(np.int64)


@dataclass(frozen=True)
class _Layout:
    """A way that CIFAR-10 is distributed: the archive's folder, the files' suffix, and how one file is read."""

    folder: str
    suffix: str
    parse: Callable[[bytes, Path], tuple[Images, Labels]]


_LAYOUTS = (_Layout("cifar-10-batches-bin", ".bin", _parse_records), _Layout("cifar-10-batches-py", "", parse_pickle))
"""The first one that a directory has is read."""


def _files_in(directory: Path, split: str) -> tuple[_Layout, list[Path]]:
    """The split's files in the first layout that has any of them, in `directory` or in the archive's folder in it."""
    present = {entry.name for entry in entries(directory)}
    for layout in _LAYOUTS:
        names = [f"{stem}{layout.suffix}" for stem in STEMS[split]]
        if not present.isdisjoint(names):
            return layout, [directory / name for name in names]
        if layout.folder in present:
            return layout, [directory / layout.folder / name for name in names]
    stem = STEMS[split][0]
    places = " or ".join(layout.folder for layout in _LAYOUTS)
    raise InputError(f"no {stem}.bin or {stem} in {directory}, and no {places}", HINT)


def read(directory: Path, split: str, shape: Shape, limit: int | None = None) -> tuple[Images, Labels]:
    """Read the images (n, 3, 32, 32) and labels (n,) of a split, in file order, at most `limit` of them.

    Where there are both kinds of files, the binary ones are read.

    Raises:
        InputError: a file is missing, empty, cut off, of another format, has a label above 9, or is a pickle with more
            in it than numbers; or `shape` is another.
    """
    require_shape("cifar10", SHAPE, shape)
    layout, paths = _files_in(directory, split)
    parts = []
    for path in paths:
        images, labels = layout.parse(read_bytes(path), path)
        if not len(images):
            raise InputError(f"{path} has no images", "download it again")
        wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
        if len(wrong):
            raise InputError(f"{path} has label {labels[wrong[0]]} at image {wrong[0]}", "classes are 0 to 9")
        parts.append((images, labels))
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return images[:limit], labels[:limit]


def _write(directory: Path, samples: int, seed: int, suffix: str, pack: Callable[[Images, Labels], bytes]) -> None:
    files = len(STEMS["train"])
    if samples < files:
        raise UsageError(
            f"cifar10 with {samples} training images", f"{files} or more: it has {files} training files, none empty"
        )
    for split, (images, labels) in separable_splits(samples, SHAPE, CLASSES, seed).items():
        stems = STEMS[split]
        for stem, rows in zip(stems, np.array_split(np.arange(len(images)), len(stems)), strict=True):
            write_whole(directory / f"{stem}{suffix}", pack(images[rows], labels[rows]))


def write_synthetic(directory: Path, samples: int, seed: int, shape: Shape) -> None:
    """Write images of ten separable classes as the six binary files.

    Raises:
        InputError: `shape` is not CIFAR-10's.
        UsageError: fewer samples than training files.
        WriteError: a file cannot be written.
    """
    require_shape("cifar10", SHAPE, shape)
    _write(directory, samples, seed, ".bin", _records)


def write_synthetic_pickles(directory: Path, samples: int, seed: int) -> None:
    """Write the same images as `write_synthetic`, as the six pickles.

    Raises:
        UsageError: fewer samples than training files.
        WriteError: a file cannot be written.
    """
    _write(directory, samples, seed, "", pickle_bytes)


def _records(images: Images, labels: Labels) -> bytes:
    return np.concatenate([labels[:, None].astype(np.uint8), images.reshape(len(images), -1)], axis=1).tobytes()


CIFAR10 = Dataset(
    name="cifar10",
    summary="small photographs, 3x32x32, 10 classes; data_batch_1.bin to 5 and test_batch.bin, or the Python pickles",
    samples=2000,
    read=read,
    write_synthetic=write_synthetic,
)
