"""MNIST in its IDX files: magic number, big-endian u32 counts, u8 values (plain or gzip)."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from profkit.artefact import open_artefact
from profkit.datasets import Dataset, Images, Labels
from profkit.datasets.files import HINT, entries, require_shape, times
from profkit.datasets.synthetic import separable_splits
from profkit.errors import InputError
from profkit.layer_kinds import Shape
from profkit.write import write_whole

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
IMAGES_FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
LABELS_FILES = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
SHAPE = (1, 28, 28)
CLASSES = 10


def _read_idx(path: Path, magic: int, dimensions: int) -> Images:
    with open_artefact(path) as file:
        data = file.read()
    header = 4 * (1 + dimensions)
    if len(data) < header:
        raise InputError(f"{path} has {len(data)} bytes, fewer than an IDX header", "download it again")
    found, *counts = struct.unpack(f">{1 + dimensions}I", data[:header])
    if found != magic:
        raise InputError(f"{path} begins with {found}, not with the IDX number {magic}", "is it an MNIST file?")
    if len(data) - header != math.prod(counts):
        raise InputError(
            f"{path} promises {times(tuple(counts))} values and holds {len(data) - header}", "download it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(counts).copy()  # a view of bytes is read-only


def _file_in(directory: Path, name: str) -> Path:
    names = {entry.name for entry in entries(directory)}
    for candidate in (name, f"{name}.gz"):
        if candidate in names:
            return directory / candidate
    raise InputError(f"no {name} or {name}.gz in {directory}", HINT)


def read(directory: Path, split: str, shape: Shape, limit: int | None = None) -> tuple[Images, Labels]:
    """Read the images (n, 1, 28, 28) and labels (n,) of a split, in file order, at most `limit` of them.

    Raises:
        InputError: a file is missing, of another format, too short, without images, or has a label above 9; or `shape`
            is another.
    """
    require_shape("mnist", SHAPE, shape)
    images_path, labels_path = (_file_in(directory, files[split]) for files in (IMAGES_FILES, LABELS_FILES))
    images = _read_idx(images_path, IMAGES_MAGIC, 3)[:, None]
    if images.shape[1:] != SHAPE or not len(images):
        raise InputError(f"{images_path} holds {times(images.shape)} values", "MNIST has images of 1 x 28 x 28")
    labels = _read_idx(labels_path, LABELS_MAGIC, 1)
    if len(images) != len(labels):
        raise InputError(
            f"{images_path} has {len(images)} images, and {labels_path} has {len(labels)} labels",
            "they are of different sets",
        )
    if labels.max() >= CLASSES:
        index = int(np.argmax(labels >= CLASSES))
        raise InputError(f"{labels_path} has label {labels[index]} at image {index}", "digits are 0 to 9")
    return images[:limit], labels[:limit].astype(np.int64)


def write_synthetic(directory: Path, samples: int, seed: int, shape: Shape) -> None:
    """Write images of ten separable classes as the four IDX files.

    Raises:
        InputError: `shape` is not MNIST's.
        WriteError: a file cannot be written.
    """
    require_shape("mnist", SHAPE, shape)
    for split, (images, labels) in separable_splits(samples, SHAPE, CLASSES, seed).items():
        header = struct.pack(">4I", IMAGES_MAGIC, len(images), *SHAPE[1:])
        write_whole(directory / IMAGES_FILES[split], header + images.tobytes())
        header = struct.pack(">2I", LABELS_MAGIC, len(labels))
        write_whole(directory / LABELS_FILES[split], header + labels.astype(np.uint8).tobytes())


MNIST = Dataset(
    name="mnist",
    summary="handwritten digits, 1x28x28, 10 classes; IDX files (train-images-idx3-ubyte, ...), plain or .gz",
    samples=4096,
    read=read,
    write_synthetic=write_synthetic,
)
