from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from profkit.datasets.cifar10 import CIFAR10, SHAPE, write_synthetic_pickles
from profkit.errors import InputError, UsageError

PLANES = bytes([10]) * 1024 + bytes([20]) * 1024 + bytes([30]) * 1024


def python2_pickle(rows: bytes, labels: bytes) -> bytes:
    """A file as Python 2 and its numpy wrote CIFAR-10's own, opcode by opcode."""
    shape = b"M" + len(labels).to_bytes(2, "little") + b"M\x00\x0c\x86"
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
        + b"".join(b"K" + bytes([label]) for label in labels)
        + b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01b\x87Rq\n"
        + b"(K\x01"
        + shape
        + b"cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(rows).to_bytes(4, "little")
        + rows
        + b"tbU\tfilenamesq\r]q\x0eU\x10one_s_000001.pngq\x0fau."
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    CIFAR10.write_synthetic(tmp_path, 12, 0, SHAPE)
    return tmp_path


def test_records_written_by_hand_are_read_as_planes_in_file_order(tmp_path: Path) -> None:
    for number in range(1, 6):
        records = bytes([number]) + PLANES + bytes([number + 4]) + PLANES[::-1]
        (tmp_path / f"data_batch_{number}.bin").write_bytes(records)
    images, labels = CIFAR10.read(tmp_path, "train", SHAPE)
    assert images.shape == (10, 3, 32, 32)
    assert images[:2, :, 5, 7].tolist() == [[10, 20, 30], [30, 20, 10]]
    assert labels.tolist() == [1, 5, 2, 6, 3, 7, 4, 8, 5, 9]
    assert (images.dtype.name, labels.dtype.name) == ("uint8", "int64")
    assert images.flags.c_contiguous
    assert images.flags.writeable


def test_a_pickle_as_python_2_wrote_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "test_batch").write_bytes(python2_pickle(PLANES + PLANES[::-1], b"\x06\x09"))
    images, labels = CIFAR10.read(tmp_path, "test", SHAPE)
    assert images[:, :, 31, 0].tolist() == [[10, 20, 30], [30, 20, 10]]
    assert labels.tolist() == [6, 9]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_pickle_written_anew_is_read(tmp_path: Path, protocol: int, order: str) -> None:
    rows = np.random.default_rng(0).integers(256, size=(3, 3072), dtype=np.uint8)
    content = {b"data": np.array(rows, order="F" if order == "F" else "C"), b"labels": [1, 2, 3]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol))
    assert np.array_equal(CIFAR10.read(tmp_path, "test", SHAPE)[0].reshape(3, 3072), rows)


@pytest.mark.parametrize("split", ["train", "test"])
def test_pickles_and_binary_files_of_the_twin_are_equal(directory: Path, tmp_path: Path, split: str) -> None:
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    write_synthetic_pickles(pickles, 12, 0)
    binary, python = (CIFAR10.read(place, split, SHAPE) for place in (directory, pickles))
    assert len(binary[0]) == {"train": 12, "test": 3}[split]
    assert np.array_equal(binary[0], python[0])
    assert np.array_equal(binary[1], python[1])


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "cifar-10-batches-py"])
def test_the_folder_of_the_unpacked_archive_is_found(tmp_path: Path, folder: str) -> None:
    inner = tmp_path / folder
    inner.mkdir()
    if folder.endswith("bin"):
        CIFAR10.write_synthetic(inner, 12, 0, SHAPE)
    else:
        write_synthetic_pickles(inner, 12, 0)
    assert len(CIFAR10.read(tmp_path, "train", SHAPE)[0]) == 12


def test_binary_files_are_preferred_to_pickles(directory: Path) -> None:
    write_synthetic_pickles(directory, 20, 0)
    assert len(CIFAR10.read(directory, "train", SHAPE)[0]) == 12


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no images"),
        (bytes(3072), "has 3072 bytes, no whole number of records of 3073"),
        (bytes(3073 + 5), "has 3078 bytes, no whole number"),
        (bytes(3073) + b"\x0a" + bytes(3072), "has label 10 at image 1"),
    ],
)
def test_a_broken_binary_file_is_named_with_what_is_wrong(directory: Path, data: bytes, message: str) -> None:
    (directory / "data_batch_3.bin").write_bytes(data)
    with pytest.raises(InputError, match=rf"data_batch_3\.bin {message}"):
        CIFAR10.read(directory, "train", SHAPE)


def test_one_missing_file_of_five_is_named(directory: Path) -> None:
    (directory / "data_batch_4.bin").unlink()
    with pytest.raises(InputError, match=r"cannot read .*data_batch_4\.bin: No such file"):
        CIFAR10.read(directory, "train", SHAPE)


def test_a_directory_without_the_files_is_told_what_they_are_called(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no test_batch\.bin or test_batch in .*, and no cifar-10-batches-bin or"):
        CIFAR10.read(tmp_path, "test", SHAPE)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the directory .*nowhere: No such file"):
        CIFAR10.read(tmp_path / "nowhere", "train", SHAPE)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"cposix\nsystem\n(S'touch ran'\ntR.", "posix.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.", "builtins.getattr"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"(S'1'\ni__builtin__\neval\n.", "__builtin__.eval"),
    ],
)
def test_a_pickle_that_would_call_anything_else_is_refused_by_name(
    tmp_path: Path, data: bytes, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_batch").write_bytes(data)
    with pytest.raises(InputError, match=f"wants {wanted}, which no file of CIFAR-10 needs"):
        CIFAR10.read(tmp_path, "test", SHAPE)
    assert not (tmp_path / "ran").exists()


def array(rows: int, columns: int = 3072, kind: str = "u1") -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return np.zeros((rows, columns), kind)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "has no data and no labels"),
        ({b"data": array(1)}, "has no labels"),
        ({b"data": array(1), b"fine_labels": [1]}, "has no labels"),
        ({b"data": array(2), b"labels": [1]}, "has 2 images and 1 labels"),
        ({b"data": array(0), b"labels": []}, "has no images"),
        ({b"data": array(2, 3071), b"labels": [1, 1]}, r"data has the shape \(2, 3071\) and holds 6142 values"),
        ({b"data": array(1, kind="i4"), b"labels": [1]}, "data is no array of bytes"),
        ({b"data": [1], b"labels": [1]}, "data is no array of bytes"),
        ({b"data": array(1, kind="O"), b"labels": [1]}, "data is no array of bytes"),
        ({b"data": array(2), b"labels": [1, 10]}, "has label 10 at image 1"),
        ({b"data": array(2), b"labels": [1, -1]}, "has label -1 at image 1"),
        ({b"data": array(1), b"labels": [2**64]}, "has a label of more than 64 bits"),
        ({b"data": array(1), b"labels": ["cat"]}, "labels is no list of whole numbers"),
        ({b"data": array(1), b"labels": 3}, "labels is no list of whole numbers"),
    ],
)
def test_a_pickle_of_something_else_is_named_with_what_is_wrong(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f"test_batch:? {message}"):
        CIFAR10.read(tmp_path, "test", SHAPE)


def test_an_array_whose_values_were_never_given_is_refused(tmp_path: Path) -> None:
    whole = python2_pickle(PLANES, b"\x01")
    (tmp_path / "test_batch").write_bytes(whole.replace(b"T\x00\x0c\x00\x00" + PLANES, b"N"))
    with pytest.raises(InputError, match="test_batch: data holds no bytes"):
        CIFAR10.read(tmp_path, "test", SHAPE)


def test_a_pickle_cut_off_anywhere_is_an_input_error(tmp_path: Path) -> None:
    whole = python2_pickle(PLANES, b"\x01")
    for length in [*range(350), *range(350, len(whole), 100), len(whole) - 1]:
        (tmp_path / "test_batch").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"test_batch is no readable pickle: ."):
            CIFAR10.read(tmp_path, "test", SHAPE)


def test_text_in_another_encoding_is_no_readable_pickle(tmp_path: Path) -> None:
    (tmp_path / "test_batch").write_bytes(b"c_codecs\nencode\n(V\xe9\nVrot13\ntR.")
    with pytest.raises(InputError, match="is no readable pickle: text encoded as rot13"):
        CIFAR10.read(tmp_path, "test", SHAPE)


def test_the_synthetic_twin_is_split_over_five_files_and_equal_seeds_give_equal_files(directory: Path) -> None:
    sizes = [(directory / f"data_batch_{number}.bin").stat().st_size for number in range(1, 6)]
    assert [size // 3073 for size in sizes] == [3, 3, 2, 2, 2]
    before = (directory / "test_batch.bin").read_bytes()
    CIFAR10.write_synthetic(directory, 12, 0, SHAPE)
    assert (directory / "test_batch.bin").read_bytes() == before
    CIFAR10.write_synthetic(directory, 12, 1, SHAPE)
    assert (directory / "test_batch.bin").read_bytes() != before


def test_a_twin_smaller_than_its_number_of_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cifar10 with 4 training images"):
        CIFAR10.write_synthetic(tmp_path, 4, 0, SHAPE)
    assert not list(tmp_path.iterdir())


def test_another_shape_is_refused_by_reader_and_twin(directory: Path) -> None:
    with pytest.raises(InputError, match="cifar10 has images of 3 x 32 x 32, not of 1 x 28 x 28"):
        CIFAR10.read(directory, "train", (1, 28, 28))
    with pytest.raises(InputError, match="not of 3 x 64 x 64"):
        CIFAR10.write_synthetic(directory, 12, 0, (3, 64, 64))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_limit_leaves_the_first_images_over_the_borders_of_files(directory: Path, split: str) -> None:
    images, labels = CIFAR10.read(directory, split, SHAPE)
    assert len(images) == {"train": 12, "test": 3}[split]
    for limit in (1, 2, 5, 12):  # the first file has three
        first, their = CIFAR10.read(directory, split, SHAPE, limit)
        assert np.array_equal(first, images[:limit])
        assert np.array_equal(their, labels[:limit])


def test_pickles_are_limited_like_records(directory: Path, tmp_path: Path) -> None:
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    write_synthetic_pickles(pickles, 12, 0)
    for one, other in zip(
        CIFAR10.read(pickles, "train", SHAPE, 5), CIFAR10.read(directory, "train", SHAPE, 5), strict=True
    ):
        assert len(one) == 5
        assert np.array_equal(one, other)
