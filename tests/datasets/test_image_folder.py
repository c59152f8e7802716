from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from profkit.datasets.image_folder import CELEBA
from profkit.datasets.synthetic import separable_splits
from profkit.errors import InputError, WriteError

SHAPE = (3, 16, 16)


def fill(folder: Path, count: int, first: int = 0) -> None:
    """Pictures of one grey each, which is their number."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", (20, 18), 3 * (number,)).save(folder / f"{number:03}.png")


def greys(directory: Path, split: str) -> list[int]:
    return CELEBA.read(directory, split, SHAPE)[0][:, 0, 0, 0].tolist()


def test_every_tenth_picture_of_a_flat_folder_is_a_test_image(tmp_path: Path) -> None:
    fill(tmp_path, 25)
    assert greys(tmp_path, "test") == [9, 19]
    assert greys(tmp_path, "train") == [number for number in range(25) if number not in (9, 19)]


def test_fewer_than_ten_pictures_have_no_test_images(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    images, labels = CELEBA.read(tmp_path, "test", SHAPE)
    assert (images.shape, labels.shape) == ((0, *SHAPE), (0,))
    assert len(greys(tmp_path, "train")) == 9


def test_folders_train_and_test_are_the_splits(tmp_path: Path) -> None:
    fill(tmp_path / "train", 11)
    fill(tmp_path / "test", 2, first=40)
    assert greys(tmp_path, "train") == list(range(11))
    assert greys(tmp_path, "test") == [40, 41]


def test_other_files_are_left_alone_and_labels_are_zero(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "list_attr_celeba.txt").write_text("202599")
    labels = CELEBA.read(tmp_path, "train", SHAPE)[1]
    assert labels.tolist() == [0, 0, 0]
    assert labels.dtype == np.int64


def test_the_synthetic_twin_reads_back_nearly_as_drawn(tmp_path: Path) -> None:
    CELEBA.write_synthetic(tmp_path, 12, 3, SHAPE)
    drawn = separable_splits(12, SHAPE, 10, 3)
    for split, count in (("train", 12), ("test", 3)):
        images, labels = CELEBA.read(tmp_path, split, SHAPE)
        assert images.shape == (count, *SHAPE)
        assert not labels.any()
        loss = np.abs(images.astype(int) - drawn[split][0].astype(int)).mean(axis=(1, 2, 3))
        assert (loss < 30).all()  # JPEG keeps a quarter of the colours


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "again", "other")]
    for place, seed in zip(places, (0, 0, 1), strict=True):
        place.mkdir()
        CELEBA.write_synthetic(place, 4, seed, SHAPE)
    one, again, other = ((place / "train" / "000004.jpg").read_bytes() for place in places)
    assert one == again
    assert one != other


@pytest.mark.parametrize("folders", [(), ("train", "test"), ("train",)])
def test_a_folder_without_pictures_is_named(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match="has no pictures") as caught:
        CELEBA.read(tmp_path, "train", SHAPE)
    assert "folders train and test" in caught.value.hint


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "001.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"001\.png is no picture"):
        CELEBA.read(tmp_path, "train", SHAPE)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the directory .*nowhere: No such file"):
        CELEBA.read(tmp_path / "nowhere", "train", SHAPE)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3,)])
def test_a_shape_without_three_channels_is_refused_by_reader_and_twin(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="celeba has images of 3 x height x width, not of"):
        CELEBA.read(tmp_path, "train", shape)
    with pytest.raises(InputError, match="celeba has images of 3 x height x width, not of"):
        CELEBA.write_synthetic(tmp_path, 4, 0, shape)


def test_a_twin_cannot_be_written_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "train").touch()
    with pytest.raises(WriteError, match=r"cannot make the folder .*train: File exists"):
        CELEBA.write_synthetic(tmp_path, 4, 0, SHAPE)


@pytest.mark.parametrize(
    ("split", "limit", "numbers"),
    [
        ("train", 3, [0, 1, 2]),
        ("train", 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]),  # 9 is a test image
        ("train", 99, [number for number in range(25) if number not in (9, 19)]),
        ("test", 1, [9]),
        ("test", 3, [9, 19]),
    ],
)
def test_a_limit_leaves_the_first_pictures_of_a_split(
    tmp_path: Path, split: str, limit: int, numbers: list[int]
) -> None:
    fill(tmp_path, 25)
    images, labels = CELEBA.read(tmp_path, split, SHAPE, limit)
    assert images[:, 0, 0, 0].tolist() == numbers
    assert labels.tolist() == [0] * len(numbers)


def test_pictures_behind_the_limit_are_not_even_opened(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    (tmp_path / "004.png").write_bytes(b"no picture")
    assert len(CELEBA.read(tmp_path, "train", SHAPE, 4)[0]) == 4
    with pytest.raises(InputError, match=r"004\.png is no picture"):
        CELEBA.read(tmp_path, "train", SHAPE, 5)
