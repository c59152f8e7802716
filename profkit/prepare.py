"""Prepare: from a task to its bundle, made once and kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profkit.artefact import sha256
from profkit.bundle import Bundle, Contents, Samples, bundle_key, too_few, write_bundle
from profkit.cache import cache_directory
from profkit.datasets import Dataset
from profkit.errors import UsageError
from profkit.options import Value
from profkit.registry import find
from profkit.spec import Network, Workload
from profkit.write import whole_directory

BATCHES = 8
"""Distinct batches in a synthetic twin, at the least."""


@dataclass(frozen=True)
class Task:
    """The work that every implementation must do alike.

    Attributes:
        workload: network and recipe.
        batch_size: samples in a step.
        options: of the network, over the workload's defaults.
        seed: of weights, order, crops, masks and synthetic data.
        data: directory with the real files; None for the synthetic twin.
        subset: use only the first training samples, and a quarter as many to test on.
        epochs: with an order of their own; None for steps of whole batches.
        weights: `state_dict` file to start from; None to draw them.
    """

    workload: Workload
    batch_size: int
    options: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    data: Path | None = None
    subset: int | None = None
    epochs: int | None = None
    weights: Path | None = None


def prepare(task: Task) -> Bundle:
    """Make the bundle of a task, or take it from the cache.

    Raises:
        UsageError: an option, the batch size or the subset does not fit.
        InputError: the data or the weights cannot be read.
        WriteError: the cache cannot be written.
    """
    _check(task)
    network = task.workload.network(task.options)
    data = task.data or _synthetic(task, network)
    path = cache_directory() / "bundles" / _key(task, network, data) / "bundle.pt"
    digest = sha256(path) if path.exists() else write_bundle(path, network, _contents(task, network, data))
    return Bundle(path, digest, data, network.macs * task.batch_size)


def _contents(task: Task, network: Network, data: Path) -> Contents:
    dataset = find("profkit.datasets", Dataset, task.workload.dataset)
    few = None if task.subset is None else max(task.subset // 4, 1)
    train = Samples(*dataset.read(data, "train", network.input_shape, task.subset))
    test = Samples(*dataset.read(data, "test", network.input_shape, few))
    return Contents(
        workload=task.workload.name,
        dataset=task.workload.dataset,
        train=train,
        test=test,
        batch_size=task.batch_size,
        seed=task.seed,
        epochs=task.epochs,
        subset=task.subset,
        weights=task.weights,
    )


def _key(task: Task, network: Network, data: Path) -> str:
    """Name of the bundle by all that it is made of, the files by their names, sizes and times."""
    files = [*data.resolve().rglob("*"), *([task.weights.resolve()] if task.weights else [])]
    return bundle_key(
        {
            "workload": task.workload.name,
            "network": repr(network),
            "batch_size": task.batch_size,
            "seed": task.seed,
            "subset": task.subset,
            "epochs": task.epochs,
            "files": [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in sorted(files)],
        }
    )


def _check(task: Task) -> None:
    if task.subset is not None and 0 < task.subset < task.batch_size:
        raise too_few(task.batch_size, task.subset)
    for name, value, least in (
        ("batch-size", task.batch_size, 1),
        ("subset", task.subset, 1),
        ("epochs", task.epochs, 1),
        ("seed", task.seed, 0),
    ):
        if value is not None and value < least:
            raise UsageError(f"--{name} is {value}", f"{least} or more")


def _synthetic(task: Task, network: Network) -> Path:
    """The synthetic twin of the dataset, written once; it has as many samples as the task asks for."""
    dataset = find("profkit.datasets", Dataset, task.workload.dataset)
    samples = max(dataset.samples, BATCHES * task.batch_size if task.epochs is None else 0, task.subset or 0)
    shape = "x".join(map(str, network.input_shape))
    directory = cache_directory() / "data" / f"{dataset.name}-{shape}-{samples}-{task.seed}"
    if not directory.exists():
        with whole_directory(directory, "set PROFKIT_CACHE to a writable directory") as partial:
            dataset.write_synthetic(partial, samples, task.seed, network.input_shape)
    return directory
