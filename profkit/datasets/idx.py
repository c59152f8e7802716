"""MNIST in its IDX files: magic number, big-endian u32 counts, u8 values (plain or gzip)."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from profkit.artefact import open_artefact
from profkit.datasets import Dataset, Images, Labels
from profkit.datasets.synthetic import separable_images
from profkit.errors import InputError
from profkit.write import write_whole

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
IMAGES_FILE, LABELS_FILE = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def _read_idx(path: Path, magic: int, dimensions: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with open_artefact(path) as file:
        data = file.read()
    header = 4 * (1 + dimensions)
    if len(data) < header:
        raise InputError(f"{path} has {len(data)} bytes, fewer than an IDX header", "download it again")
    found, *counts = struct.unpack(f">{1 + dimensions}I", data[:header])
    if found != magic:
        raise InputError(f"{path} begins with {found}, not with the IDX number {magic}", "is it an MNIST file?")
    if len(data) - header != math.prod(counts):
        shape = " x ".join(map(str, counts))
        raise InputError(f"{path} promises {shape} values and holds {len(data) - header}", "download it again")
    return np.frombuffer(data, np.uint8, offset=header).reshape(counts)


def _file_in(directory: Path, name: str) -> Path:
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(f"no {name} or {name}.gz in {directory}", "--data names the directory with the MNIST files")


def read(directory: Path) -> tuple[Images, Labels]:
    """Read the training images (n, 1, height, width) and labels (n,).

    Raises:
        InputError: a file is missing, of another format, too short, or has a label above 9.
    """
    images = _read_idx(_file_in(directory, IMAGES_FILE), IMAGES_MAGIC, 3)
    path = _file_in(directory, LABELS_FILE)
    labels = _read_idx(path, LABELS_MAGIC, 1)
    if len(images) != len(labels):
        raise InputError(f"{directory} has {len(images)} images and {len(labels)} labels", "they are of different sets")
    if len(labels) and labels.max() > 9:
        raise InputError(f"{path} has label {labels.max()}", "digits are 0 to 9")
    return images[:, None], labels.astype(np.int64)


def write_synthetic(directory: Path, samples: int, seed: int) -> None:
    """Write `samples` images of ten separable classes as the two IDX files."""
    images, labels = separable_images(samples, (1, 28, 28), 10, seed)
    directory.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">4I", IMAGES_MAGIC, samples, 28, 28)
    write_whole(directory / IMAGES_FILE, header + images.tobytes())
    header = struct.pack(">2I", LABELS_MAGIC, samples)
    write_whole(directory / LABELS_FILE, header + labels.astype(np.uint8).tobytes())


MNIST = Dataset(name="mnist", mean=0.1307, deviation=0.3081, read=read, write_synthetic=write_synthetic)
