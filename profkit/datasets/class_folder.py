"""Pictures in a folder for each class, as ImageNet has them once its validation images are sorted into classes.

The class folders lie in the directory itself, or in `train` and `val` in it. Where there is only one set of them, it
serves for both splits. A class is known by the place of its folder's name among the sorted names (of `train`, if there
is one).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from profkit.datasets import Dataset, Images, Labels
from profkit.datasets.files import entries, make_folder, require_pictures
from profkit.datasets.pictures import pictures_in, read_pictures, write_picture
from profkit.datasets.synthetic import separable_splits
from profkit.errors import InputError
from profkit.layer_kinds import Shape

SPLIT_FOLDERS = {"train": "train", "test": "val"}
ENLARGED = 256 / 224
"""The shorter side before the crop, over the wanted side."""
SYNTHETIC_CLASSES = 10


def _classes_in(folder: Path) -> list[str]:
    """The names of the class folders, sorted."""
    classes = [entry.name for entry in entries(folder) if entry.is_dir()]
    if not classes:
        raise InputError(
            f"{folder} has no folders of classes", "each class has a folder with its pictures; sort them into such"
        )
    return classes


def _folders_of(directory: Path, split: str) -> tuple[Path, list[str]]:
    """The folder that serves for `split`, and the classes in the order of their labels."""
    present = [name for name in SPLIT_FOLDERS.values() if (directory / name).is_dir()]
    if not present:
        return directory, _classes_in(directory)
    own = SPLIT_FOLDERS[split]
    return directory / (own if own in present else present[0]), _classes_in(directory / present[0])


def read(directory: Path, split: str, shape: Shape, limit: int | None = None) -> tuple[Images, Labels]:
    """Read the images (n, *shape) and labels (n,) of a split: the first of each class, then the second of each, ...

    So the first `limit` of them, where only so many are wanted, are of all classes. The shorter side is scaled to
    256/224 of the wanted one and the centre is cut out.

    Raises:
        InputError: there are no class folders, one has no pictures, a class occurs only among the test images, a
            picture is damaged, or `shape` has not three channels.
    """
    require_pictures("imagenet", shape)
    folder, classes = _folders_of(directory, split)
    pictures: list[tuple[int, int, Path]] = []
    for name in _classes_in(folder):
        if name not in classes:
            raise InputError(f"{folder} has the class {name}, and the training images do not", "give both the same")
        found = pictures_in(folder / name)
        if not found:
            raise InputError(f"{folder / name} has no pictures", "each class has a folder with its pictures")
        pictures += [(place, classes.index(name), path) for place, path in enumerate(found)]
    chosen = sorted(pictures)[:limit]
    labels = np.array([label for _, label, _ in chosen], np.int64)
    return read_pictures([path for _, _, path in chosen], shape, ENLARGED), labels


def write_synthetic(directory: Path, samples: int, seed: int, shape: Shape) -> None:
    """Write images of up to ten separable classes as JPEG files in class folders in `train` and `val`.

    Raises:
        InputError: `shape` has not three channels.
        WriteError: a file cannot be written.
    """
    require_pictures("imagenet", shape)
    for split, (images, labels) in separable_splits(samples, shape, SYNTHETIC_CLASSES, seed).items():
        folders = [directory / SPLIT_FOLDERS[split] / f"class{label}" for label in range(SYNTHETIC_CLASSES)]
        for label in np.unique(labels):
            make_folder(folders[label])
        for number, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
            write_picture(folders[label] / f"{number:06}.JPEG", image)


IMAGENET = Dataset(
    name="imagenet",
    summary="photographs at the network's size; a folder a class (<class>/*.JPEG), or such in train and val",
    samples=64,
    read=read,
    write_synthetic=write_synthetic,
)
