from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from profkit.datasets.class_folder import IMAGENET
from profkit.errors import InputError

SHAPE = (3, 28, 28)


def fill(folder: Path, greys: dict[str, list[int]]) -> None:
    """Class folders with pictures of one grey each."""
    for name, values in greys.items():
        (folder / name).mkdir(parents=True)
        for number, grey in enumerate(values):
            Image.new("RGB", (40, 36), 3 * (grey,)).save(folder / name / f"{number}.png")


def greys_and_labels(directory: Path, split: str) -> tuple[list[int], list[int]]:
    images, labels = IMAGENET.read(directory, split, SHAPE)
    return images[:, 0, 0, 0].tolist(), labels.tolist()


def test_classes_are_numbered_by_sorted_name_and_take_turns(tmp_path: Path) -> None:
    fill(tmp_path, {"n02": [3, 4], "n01": [1, 2], "n10": [5]})
    assert greys_and_labels(tmp_path, "train") == ([1, 3, 5, 2, 4], [0, 1, 2, 0, 1])


def test_folders_train_and_val_are_the_splits(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": [1], "b": [2], "c": [3]})
    fill(tmp_path / "val", {"c": [9], "a": [7]})
    assert greys_and_labels(tmp_path, "train") == ([1, 2, 3], [0, 1, 2])
    assert greys_and_labels(tmp_path, "test") == ([7, 9], [0, 2])


@pytest.mark.parametrize("folder", [".", "train", "val"])
def test_the_only_set_of_class_folders_serves_for_both_splits(tmp_path: Path, folder: str) -> None:
    fill(tmp_path / folder, {"a": [1], "b": [2]})
    assert greys_and_labels(tmp_path, "train") == greys_and_labels(tmp_path, "test") == ([1, 2], [0, 1])


def test_the_centre_is_cut_out_of_the_picture_at_eight_sevenths_of_the_wanted_side(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    columns = np.broadcast_to(np.arange(42, dtype=np.uint8)[:, None], (32, 42, 3))
    Image.fromarray(np.ascontiguousarray(columns)).save(tmp_path / "a" / "0.png")
    image = IMAGENET.read(tmp_path, "train", SHAPE)[0][0]
    assert image[0, 0].tolist() == list(range(7, 35))
    assert (image == image[:, :1]).all()


def test_labels_are_int64_and_images_bytes_in_c_order(tmp_path: Path) -> None:
    fill(tmp_path, {"a": [1]})
    images, labels = IMAGENET.read(tmp_path, "train", SHAPE)
    assert (images.dtype.name, labels.dtype.name) == ("uint8", "int64")
    assert images.flags.c_contiguous


@pytest.mark.parametrize("samples", [1, 3, 24])
def test_the_synthetic_twin_reads_back_with_every_class(tmp_path: Path, samples: int) -> None:
    IMAGENET.write_synthetic(tmp_path, samples, 0, SHAPE)
    for split, count in (("train", samples), ("test", max(1, samples // 4))):
        images, labels = IMAGENET.read(tmp_path, split, SHAPE)
        assert images.shape == (count, *SHAPE)
        assert set(labels.tolist()) == set(range(min(10, count)))


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "again", "other")]
    for place, seed in zip(places, (0, 0, 1), strict=True):
        place.mkdir()
        IMAGENET.write_synthetic(place, 12, seed, SHAPE)
    one, again, other = (b"".join(path.read_bytes() for path in sorted(place.rglob("*.JPEG"))) for place in places)
    assert one == again
    assert one != other


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no folders of classes"):
        IMAGENET.read(tmp_path, "train", SHAPE)


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"a": [1], "b": []})
    with pytest.raises(InputError, match=r"b has no pictures"):
        IMAGENET.read(tmp_path, "train", SHAPE)


def test_a_class_that_only_the_test_images_have_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": [1]})
    fill(tmp_path / "val", {"a": [1], "zebra": [2]})
    with pytest.raises(InputError, match="val has the class zebra, and the training images do not"):
        IMAGENET.read(tmp_path, "test", SHAPE)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"a": [1, 2]})
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a/1\.png is no picture"):
        IMAGENET.read(tmp_path, "train", SHAPE)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the directory .*nowhere: No such file"):
        IMAGENET.read(tmp_path / "nowhere", "train", SHAPE)


def test_a_shape_without_three_channels_is_refused_by_reader_and_twin(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="imagenet has images of 3 x height x width, not of 1 x 28 x 28"):
        IMAGENET.read(tmp_path, "train", (1, 28, 28))
    with pytest.raises(InputError, match="imagenet has images of 3 x height x width, not of 1 x 28 x 28"):
        IMAGENET.write_synthetic(tmp_path, 4, 0, (1, 28, 28))


@pytest.mark.parametrize(
    ("limit", "expected", "labels"),
    [
        (1, [1], [0]),
        (3, [1, 4, 6], [0, 1, 2]),
        (4, [1, 4, 6, 2], [0, 1, 2, 0]),
        (9, [1, 4, 6, 2, 5, 3], [0, 1, 2, 0, 1, 0]),
    ],
)
def test_a_limit_leaves_the_first_pictures_of_all_classes(
    tmp_path: Path, limit: int, expected: list[int], labels: list[int]
) -> None:
    fill(tmp_path, {"a": [1, 2, 3], "b": [4, 5], "c": [6]})
    images, found = IMAGENET.read(tmp_path, "train", SHAPE, limit)
    assert images[:, 0, 0, 0].tolist() == expected
    assert found.tolist() == labels


def test_pictures_behind_the_limit_are_not_even_opened(tmp_path: Path) -> None:
    fill(tmp_path, {"a": [1, 2], "b": [3]})
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    assert IMAGENET.read(tmp_path, "train", SHAPE, 2)[1].tolist() == [0, 1]
    with pytest.raises(InputError, match=r"a/1\.png is no picture"):
        IMAGENET.read(tmp_path, "train", SHAPE, 3)
