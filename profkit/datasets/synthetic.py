"""Seeded images of classes that a small network can tell apart, so that training visibly learns."""

from __future__ import annotations

import numpy as np

from profkit.datasets import Images, Labels


def separable_images(samples: int, shape: tuple[int, int, int], classes: int, seed: int) -> tuple[Images, Labels]:
    """Images that are a smooth pattern of their class, shifted by up to two pixels, under noise.

    Args:
        samples: number of images.
        shape: of one image (channels, height, width), pixels.
        classes: number of classes; labels are 0 to classes - 1, in random order.
        seed: equal seeds give equal images.

    Returns:
        Images (samples, *shape) and labels (samples,).
    """
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=samples)
    rows, columns = np.mgrid[0 : shape[1], 0 : shape[2]]
    directions = np.pi * np.arange(classes) / classes
    waves = np.cos(directions)[:, None, None] * rows + np.sin(directions)[:, None, None] * columns
    patterns = np.sin(2 * np.pi * waves / 9.0)[:, None].repeat(shape[0], axis=1)
    shifts = random.integers(-2, 3, size=(samples, 2))
    images = np.empty((samples, *shape))
    for vertical in range(-2, 3):
        for horizontal in range(-2, 3):
            chosen = (shifts == (vertical, horizontal)).all(axis=1)
            images[chosen] = np.roll(patterns, (vertical, horizontal), axis=(2, 3))[labels[chosen]]
    noisy = 128 + 80 * images + random.normal(0, 40, images.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), labels.astype(np.int64)
