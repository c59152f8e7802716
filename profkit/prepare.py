"""Prepare: from a task to its bundle, made once and kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profkit.artefact import sha256
from profkit.bundle import Bundle, bundle_key, make_batches, write_bundle
from profkit.datasets import Dataset
from profkit.errors import UsageError
from profkit.native import cache_directory
from profkit.registry import find
from profkit.spec import Workload

BATCHES = 8
"""Distinct batches in a bundle; longer runs start over, so that the number of steps does not change the work."""
SYNTHETIC_SAMPLES = 4096


@dataclass(frozen=True)
class Task:
    """The work that every implementation must do alike.

    Attributes:
        workload: network and recipe.
        batch_size: samples in a step.
        options: of the network, over the workload's defaults.
        seed: of weights, order and synthetic data.
        data: directory with the real files; None for the synthetic twin.
        subset: use only the first samples.
    """

    workload: Workload
    batch_size: int
    options: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    data: Path | None = None
    subset: int | None = None


def prepare(task: Task) -> Bundle:
    """Make the bundle of a task, or take it from the cache.

    Raises:
        UsageError: an option, the batch size or the subset does not fit.
        InputError: the data cannot be read.
        WriteError: the cache cannot be written.
    """
    _check(task)
    network = task.workload.network(task.options)
    data = task.data or _synthetic(task)
    key = bundle_key(
        {
            "workload": task.workload.name,
            "network": repr(network),
            "batch_size": task.batch_size,
            "seed": task.seed,
            "subset": task.subset,
            "data": [
                (str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(data.resolve().glob("*"))
            ],
        }
    )
    path = cache_directory() / "bundles" / key / "bundle.pt"
    if path.exists():
        return Bundle(path, sha256(path))
    dataset = find("profkit.datasets", Dataset, task.workload.dataset)
    images, labels = dataset.read(data)
    scaling = (dataset.mean, dataset.deviation)
    chosen = slice(task.subset)
    inputs, targets = make_batches(images[chosen], labels[chosen], scaling, task.batch_size, BATCHES, task.seed)
    return write_bundle(path, network, inputs, targets, task.seed)


def _check(task: Task) -> None:
    if task.batch_size < 1:
        raise UsageError(f"--batch-size is {task.batch_size}", "1 or more")
    if task.subset is not None and task.subset < 1:
        raise UsageError(f"--subset is {task.subset}", "1 or more samples")
    if task.seed < 0:
        raise UsageError(f"--seed is {task.seed}", "0 or more")


def _synthetic(task: Task) -> Path:
    """The synthetic twin of the dataset, written once."""
    samples = max(SYNTHETIC_SAMPLES, BATCHES * task.batch_size)
    directory = cache_directory() / "data" / f"{task.workload.dataset}-{samples}-{task.seed}"
    if not directory.exists():
        dataset = find("profkit.datasets", Dataset, task.workload.dataset)
        dataset.write_synthetic(directory, samples, task.seed)
    return directory
