"""Small bundles of every workload, made of random images: what a test of a runner needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from profkit.bundle import Contents, Samples, write_bundle
from profkit.options import Value
from profkit.registry import find
from profkit.spec import Workload

SMALL: dict[str, dict[str, Value]] = {
    "mnist_cnn": {"filters1": 2, "filters2": 3, "hidden": 8},
    "convnet": {"kernel_size": 4},
    "resnet18": {"augment": "crop_flip", "stem": "imagenet"},
    "conv_autoencoder": {"nf": 4, "nz": 8, "size": 16},
    "alexnet": {"classes": 10},
}
"""Options that keep each network small."""


def samples(count: int, shape: tuple[int, ...], seed: int) -> Samples:
    generator = np.random.default_rng(seed)
    return Samples(generator.integers(0, 256, (count, *shape), np.uint8), generator.integers(0, 10, count))


def make_bundle(
    path: Path,
    name: str = "mnist_cnn",
    *,
    options: dict[str, Value] | None = None,
    train: int = 10,
    test: int = 6,
    batch_size: int = 4,
    epochs: int | None = None,
    seed: int = 0,
    weights: Path | None = None,
) -> Path:
    """Write a bundle of `train` and `test` random images to `path`."""
    workload = find("profkit.workloads", Workload, name)
    network = workload.network({**SMALL[name], **(options or {})})
    contents = Contents(
        workload=name,
        dataset=workload.dataset,
        train=samples(train, network.input_shape, seed),
        test=samples(test, network.input_shape, seed + 1),
        batch_size=batch_size,
        seed=seed,
        epochs=epochs,
        weights=weights,
    )
    write_bundle(path, network, contents)
    return path


def read_bundle(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)
