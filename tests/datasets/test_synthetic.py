from __future__ import annotations

import numpy as np
import pytest

from profkit.datasets import Dataset
from profkit.datasets.synthetic import separable_splits
from profkit.registry import discover


def test_every_dataset_is_found_by_its_name() -> None:
    assert list(discover("profkit.datasets", Dataset)) == ["celeba", "cifar10", "imagenet", "mnist"]


def test_every_class_occurs_equally_often_and_not_in_order() -> None:
    _, labels = separable_splits(40, (1, 12, 12), 10, 0)["train"]
    assert np.bincount(labels).tolist() == 10 * [4]
    assert labels.tolist() != sorted(labels)


@pytest.mark.parametrize(("samples", "tests"), [(1, 1), (3, 1), (8, 2), (41, 10)])
def test_there_is_a_quarter_as_many_test_images_but_at_least_one(samples: int, tests: int) -> None:
    splits = separable_splits(samples, (1, 9, 9), 10, 0)
    assert {split: len(images) for split, (images, _) in splits.items()} == {"train": samples, "test": tests}


def test_training_and_test_images_are_drawn_alike_but_are_different() -> None:
    splits = separable_splits(400, (3, 16, 16), 10, 0)
    train, test = (splits[split][0].astype(float) for split in ("train", "test"))
    assert abs(train.mean() - test.mean()) < 2
    assert abs(train.std() - test.std()) < 2
    assert not (train[:, None] == test[None, :20]).all(axis=(2, 3, 4)).any()


def test_the_nearest_class_mean_tells_most_test_images_apart() -> None:
    splits = separable_splits(1000, (1, 16, 16), 10, 0)
    (images, labels), (tests, answers) = splits["train"], splits["test"]
    spectra, test_spectra = (np.abs(np.fft.rfft2(part[:, 0] - 128.0)) for part in (images, tests))
    means = np.stack([spectra[labels == label].mean(axis=0) for label in range(10)])
    distances = ((test_spectra[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distances.argmin(axis=1) == answers).mean() > 0.9
