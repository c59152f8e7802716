"""A flat folder of pictures without classes, as CelebA has it.

With folders `train` and `test` in it, these are the splits. Otherwise its own pictures, sorted by name, are both: every
tenth one (the tenth, the twentieth, ...) is a test image and the others are training images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from profkit.datasets import SPLITS, Dataset, Images, Labels
from profkit.datasets.files import entries, make_folder, require_pictures
from profkit.datasets.pictures import pictures_in, read_pictures, write_picture
from profkit.datasets.synthetic import separable_splits
from profkit.errors import InputError
from profkit.layer_kinds import Shape

TEST_EVERY = 10


def _files_of(directory: Path, split: str) -> list[Path]:
    if {entry.name for entry in entries(directory)}.issuperset(SPLITS):
        folder = directory / split
        found = chosen = pictures_in(folder)
    else:
        folder, found = directory, pictures_in(directory)
        chosen = [path for place, path in enumerate(found, 1) if (place % TEST_EVERY == 0) == (split == "test")]
    if not found:
        raise InputError(
            f"{folder} has no pictures", "--data names the folder with the pictures, or with folders train and test"
        )
    return chosen


def read(directory: Path, split: str, shape: Shape, limit: int | None = None) -> tuple[Images, Labels]:
    """Read the images (n, *shape) of a split, sorted by file name, at most `limit`, and labels (n,) of zeros.

    The shorter side is scaled to the wanted one and the centre is cut out. Fewer than ten pictures have no test images.

    Raises:
        InputError: there are no pictures, one of them is damaged, or `shape` has not three channels.
    """
    require_pictures("celeba", shape)
    images = read_pictures(_files_of(directory, split)[:limit], shape)
    return images, np.zeros(len(images), np.int64)


def write_synthetic(directory: Path, samples: int, seed: int, shape: Shape) -> None:
    """Write striped pictures in ten directions as JPEG files in folders `train` and `test`.

    Raises:
        InputError: `shape` has not three channels.
        WriteError: a file cannot be written.
    """
    require_pictures("celeba", shape)
    for split, (images, _) in separable_splits(samples, shape, 10, seed).items():
        make_folder(directory / split)
        for number, image in enumerate(images, start=1):
            write_picture(directory / split / f"{number:06}.jpg", image)


CELEBA = Dataset(
    name="celeba",
    summary="faces without classes, at the network's size; a folder of .jpg, .png, .webp, ..., or train and test",
    samples=512,
    read=read,
    write_synthetic=write_synthetic,
)
