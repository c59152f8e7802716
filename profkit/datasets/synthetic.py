"""Seeded images of classes that a small network can tell apart, so that training visibly learns."""

from __future__ import annotations

import numpy as np

from profkit.datasets import SPLITS, Images, Labels
from profkit.layer_kinds import Shape


def separable_splits(samples: int, shape: Shape, classes: int, seed: int) -> dict[str, tuple[Images, Labels]]:
    """Both splits: `samples` training images and a quarter as many test images, at least one.

    They are drawn alike, each from a random stream of its own.

    Args:
        samples: number of training images.
        shape: of one image (channels, height, width), pixels.
        classes: number of classes.
        seed: equal seeds give equal images.

    Returns:
        By split, images (n, *shape) and labels (n,).
    """
    sizes = {"train": samples, "test": max(1, samples // 4)}
    streams = np.random.default_rng(seed).spawn(len(SPLITS))
    return {
        split: separable_images(sizes[split], shape, classes, stream)
        for split, stream in zip(SPLITS, streams, strict=True)
    }


def separable_images(samples: int, shape: Shape, classes: int, random: np.random.Generator) -> tuple[Images, Labels]:
    """Images that are a smooth pattern of their class, shifted by up to two pixels, under noise.

    Args:
        samples: number of images.
        shape: of one image (channels, height, width), pixels.
        classes: number of classes; labels are 0 to classes - 1, equally often, in random order.
        random: where shifts, noise and order come from.

    Returns:
        Images (samples, *shape) and labels (samples,).
    """
    labels = random.permutation(np.arange(samples, dtype=np.int64) % classes)
    rows, columns = np.mgrid[0 : shape[1], 0 : shape[2]]
    directions = np.pi * np.arange(classes) / classes
    waves = np.cos(directions)[:, None, None] * rows + np.sin(directions)[:, None, None] * columns
    patterns = (128 + 80 * np.sin(2 * np.pi * waves / 9.0)).astype(np.float32)
    shifts = random.integers(-2, 3, size=(samples, 2))
    images = np.empty((samples, *shape), np.uint8)
    for image, label, shift in zip(images, labels, shifts, strict=True):
        noise = 40 * random.standard_normal(shape, np.float32)
        image[:] = np.clip(np.roll(patterns[label], shift, axis=(0, 1)) + noise, 0, 255)
    return images, labels
