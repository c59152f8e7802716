from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from profkit.datasets.idx import IMAGES_FILES, LABELS_FILES, MNIST, SHAPE
from profkit.errors import InputError

IMAGES, LABELS = IMAGES_FILES["train"], LABELS_FILES["train"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    MNIST.write_synthetic(tmp_path, 60, 0, SHAPE)
    return tmp_path


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_and_labels_written_by_hand_are_read_in_file_order(tmp_path: Path, split: str) -> None:
    pixels = bytes(range(256)) * 6 + bytes(32)
    (tmp_path / IMAGES_FILES[split]).write_bytes(b"\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c" + pixels)
    (tmp_path / LABELS_FILES[split]).write_bytes(b"\0\0\x08\x01\0\0\0\x02\x07\x03")
    images, labels = MNIST.read(tmp_path, split, SHAPE)
    assert images.shape == (2, 1, 28, 28)
    assert (images[0, 0, 1, 2], images[1, 0, 0, 0]) == (30, 784 % 256)
    assert labels.tolist() == [7, 3]
    assert (images.dtype.name, labels.dtype.name) == ("uint8", "int64")
    assert images.flags.c_contiguous
    assert images.flags.writeable


def test_the_synthetic_twin_is_valid_and_equal_seeds_give_equal_files(directory: Path, tmp_path: Path) -> None:
    images = (directory / IMAGES).read_bytes()
    assert struct.unpack(">4I", images[:16]) == (2051, 60, 28, 28)
    assert len(images) == 16 + 60 * 28 * 28
    again, other = tmp_path / "again", tmp_path / "other"
    for place, seed in ((again, 0), (other, 1)):
        place.mkdir()
        MNIST.write_synthetic(place, 60, seed, SHAPE)
    assert (again / IMAGES).read_bytes() == images
    assert (other / IMAGES).read_bytes() != images


def test_the_twin_has_a_quarter_as_many_test_images(directory: Path) -> None:
    assert len(MNIST.read(directory, "test", SHAPE)[0]) == 15


def test_files_read_alike_with_and_without_gzip(directory: Path) -> None:
    plain = MNIST.read(directory, "train", SHAPE)
    for name in (IMAGES, LABELS):
        (directory / f"{name}.gz").write_bytes(gzip.compress((directory / name).read_bytes()))
        (directory / name).unlink()
    packed = MNIST.read(directory, "train", SHAPE)
    assert np.array_equal(plain[0], packed[0])
    assert np.array_equal(plain[1], packed[1])


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (IMAGES, b"", "has 0 bytes, fewer than an IDX header"),
        (IMAGES, struct.pack(">4I", 2050, 60, 28, 28), "begins with 2050, not with the IDX number 2051"),
        (IMAGES, struct.pack(">4I", 2051, 60, 28, 28), "promises 60 x 28 x 28 values and holds 0"),
        (IMAGES, struct.pack(">4I", 2051, 1, 2, 2) + bytes(4), "holds 1 x 1 x 2 x 2 values"),
        (IMAGES, struct.pack(">4I", 2051, 0, 28, 28), "holds 0 x 1 x 28 x 28 values"),
        (LABELS, struct.pack(">2I", 2051, 60) + bytes(60), "begins with 2051, not with the IDX number 2049"),
        (LABELS, struct.pack(">2I", 2049, 2) + b"\x01\x02", "has 2 labels"),
        (LABELS, struct.pack(">2I", 2049, 60) + bytes(59) + b"\x0b", "has label 11 at image 59"),
        (LABELS, gzip.compress(struct.pack(">2I", 2049, 60) + bytes(60), mtime=0)[:-12], "is broken gzip"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(directory: Path, name: str, data: bytes, message: str) -> None:
    (directory / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}.*{message}"):
        MNIST.read(directory, "train", SHAPE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte\.gz in"):
        MNIST.read(tmp_path, "test", SHAPE)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the directory .*nowhere: No such file"):
        MNIST.read(tmp_path / "nowhere", "train", SHAPE)


def test_another_shape_is_refused_by_reader_and_twin(directory: Path) -> None:
    with pytest.raises(InputError, match="mnist has images of 1 x 28 x 28, not of 3 x 32 x 32"):
        MNIST.read(directory, "train", (3, 32, 32))
    with pytest.raises(InputError, match="not of 1 x 32 x 32"):
        MNIST.write_synthetic(directory, 8, 0, (1, 32, 32))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_limit_leaves_the_first_images_and_their_labels(directory: Path, split: str) -> None:
    images, labels = MNIST.read(directory, split, SHAPE)
    for limit in (1, 7, len(images), len(images) + 1):
        first, their = MNIST.read(directory, split, SHAPE, limit)
        assert np.array_equal(first, images[:limit])
        assert np.array_equal(their, labels[:limit])


def test_a_wrong_label_behind_the_limit_is_still_named(directory: Path) -> None:
    (directory / LABELS).write_bytes(struct.pack(">2I", 2049, 60) + bytes(59) + b"\x0b")
    with pytest.raises(InputError, match="has label 11 at image 59"):
        MNIST.read(directory, "train", SHAPE, 3)
