from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from profkit.runner.batches import Batches, Feed
from tests.small_bundles import make_bundle, read_bundle


@pytest.mark.parametrize("name", ["mnist_cnn", "resnet18"])
def test_a_batch_is_gathered_cropped_mirrored_and_scaled(tmp_path: Path, name: str) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle.pt", name, epochs=2))
    batches = Batches(bundle, "train", in_order=False)
    assert len(batches) == 3
    for index in (0, 2, 3, 5, 6):
        inputs, labels = batches.make(index)
        epoch, first = index // 3 % 2, index % 3 * 4
        assert len(inputs) == (2 if index % 3 == 2 else 4)
        for place, (image, label) in enumerate(zip(inputs, labels, strict=True)):
            row = int(bundle["order"][epoch, first + place])
            pixels = bundle["train"]["images"][row].numpy()
            if bundle["crop_padding"]:
                top, left, flip = bundle["crops"][epoch, first + place].tolist()
                padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4)))[:, top : top + 32, left : left + 32]
                pixels = padded[:, :, ::-1] if flip else padded
            mean, deviation = (bundle[key].numpy()[:, None, None] for key in ("mean", "deviation"))
            expected = (pixels.astype(np.float32) / np.float32(255) - mean) / deviation
            assert np.array_equal(image.numpy(), expected)
            assert label == bundle["train"]["labels"][row]


def test_every_epoch_has_every_sample_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    order = read_bundle(make_bundle(tmp_path / "bundle.pt", epochs=3))["order"]
    assert [sorted(row.tolist()) for row in order] == 3 * [list(range(10))]
    assert len({tuple(row.tolist()) for row in order}) == 3


def test_steps_without_epochs_are_all_of_one_size(tmp_path: Path) -> None:
    batches = Batches(read_bundle(make_bundle(tmp_path / "bundle.pt")), "train", in_order=False)
    assert [len(batches.make(index)[0]) for index in range(4)] == [4, 4, 4, 4]


def test_images_to_test_on_come_in_the_order_of_the_files_and_whole(tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle.pt", "resnet18"))
    batches = Batches(bundle, "test", in_order=True)
    labels = torch.cat([batches.make(index)[1] for index in range(len(batches))])
    assert torch.equal(labels, bundle["test"]["labels"])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_made_ahead_come_in_their_order(tmp_path: Path, workers: int) -> None:
    batches = Batches(read_bundle(make_bundle(tmp_path / "bundle.pt", epochs=2)), "train", in_order=False)
    feed = Feed(batches, workers, first=1, count=5)
    for index in range(1, 6):
        assert torch.equal(feed.take()[0], batches.make(index)[0])
    feed.close()
