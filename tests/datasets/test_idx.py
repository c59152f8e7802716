from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from profkit.datasets.idx import IMAGES_FILE, LABELS_FILE, MNIST, read
from profkit.errors import InputError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    MNIST.write_synthetic(tmp_path, 60, 0)
    return tmp_path


def test_the_synthetic_twin_is_valid_and_equal_seeds_give_equal_files(directory: Path, tmp_path: Path) -> None:
    images = (directory / IMAGES_FILE).read_bytes()
    assert struct.unpack(">4I", images[:16]) == (2051, 60, 28, 28)
    assert len(images) == 16 + 60 * 28 * 28
    again, other = tmp_path / "again", tmp_path / "other"
    MNIST.write_synthetic(again, 60, 0)
    MNIST.write_synthetic(other, 60, 1)
    assert (again / IMAGES_FILE).read_bytes() == images
    assert (other / IMAGES_FILE).read_bytes() != images


def test_files_read_alike_with_and_without_gzip(directory: Path) -> None:
    plain = read(directory)
    for name in (IMAGES_FILE, LABELS_FILE):
        (directory / f"{name}.gz").write_bytes(gzip.compress((directory / name).read_bytes()))
        (directory / name).unlink()
    packed = read(directory)
    assert plain[0].shape == (60, 1, 28, 28)
    assert all(np.array_equal(before, after) for before, after in zip(plain, packed, strict=True))


def test_every_label_is_a_digit_and_every_class_occurs(directory: Path) -> None:
    assert set(read(directory)[1]) == set(range(10))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (IMAGES_FILE, b"", "is empty|fewer than an IDX header"),
        (IMAGES_FILE, struct.pack(">4I", 2050, 60, 28, 28), "begins with 2050, not with the IDX number 2051"),
        (IMAGES_FILE, struct.pack(">4I", 2051, 60, 28, 28), "promises 60 x 28 x 28 values and holds 0"),
        (LABELS_FILE, struct.pack(">2I", 2049, 2) + b"\x01\x02", "60 images and 2 labels"),
        (LABELS_FILE, struct.pack(">2I", 2049, 60) + b"\x0b" * 60, "has label 11"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(directory: Path, name: str, data: bytes, message: str) -> None:
    (directory / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        read(directory)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no train-images-idx3-ubyte or train-images-idx3-ubyte\.gz in"):
        read(tmp_path)
