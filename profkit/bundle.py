"""Bundle: everything an implementation needs to do the same work, in one file that Python and LibTorch both read.

`bundle.pt` is `torch.save` of a dict of plain values and tensors; `torch::pickle_load` reads it. It holds the network
as data, the initial weights, the images as they are on disk, the order, the crops and the scaling that make batches of
them, masks for dropout, and the output of the first samples in float64 arithmetic.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from profkit.artefact import sha256
from profkit.datasets import Images, Labels
from profkit.errors import InputError, UsageError
from profkit.runner import BUNDLE_SCHEMA
from profkit.spec import Network
from profkit.write import write_whole

MASKS = 8
"""Distinct dropout masks of a layer; longer runs start over."""
EXPECTED_SAMPLES = 16
"""Of the first batch, whose output in float64 arithmetic is kept."""


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: of `bundle.pt`.
        sha256: digest of weights, images, order and network; equal digests mean equal work.
        data: directory that the images were read from.
        macs: multiply-adds of a batch, forward.
    """

    path: Path
    sha256: str
    data: Path
    macs: int


@dataclass(frozen=True)
class Samples:
    """Images as they are on disk.

    Attributes:
        images: uint8 (n, channels, height, width).
        labels: (n,), zero where there are no classes.
    """

    images: Images
    labels: Labels


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle beside the network.

    Attributes:
        workload: name.
        dataset: name.
        train: samples to train on.
        test: samples to test on; may be none.
        batch_size: samples in a step.
        seed: of weights, order, crops and masks.
        epochs: with an order of their own, each of all training samples; None for one order of whole batches only.
        subset: number of training samples asked for; None for all.
        weights: to start from, in place of drawn ones.
    """

    workload: str
    dataset: str
    train: Samples
    test: Samples
    batch_size: int
    seed: int
    epochs: int | None = None
    subset: int | None = None
    weights: Path | None = None


def write_bundle(path: Path, network: Network, contents: Contents) -> str:
    """Draw weights, order, crops and masks, and write the bundle.

    Args:
        path: to write to.
        network: to draw weights for.
        contents: what else goes in.

    Returns:
        The digest of the file.

    Raises:
        UsageError: the data has less than one batch, or weights that do not fit.
        InputError: the file of weights cannot be read.
    """
    import torch

    from profkit.runner.network import build_network

    torch.manual_seed(contents.seed)
    layers = [
        {"path": layer.path, "kind": layer.kind, "settings": dict(layer.settings), "inputs": list(layer.inputs)}
        for layer in network.layers
    ]
    module = build_network(layers)
    if network.initialization == "normal":
        module.initialize_normal()
    if contents.weights:
        _load_weights(module, contents.weights)
    random = np.random.default_rng(contents.seed)
    order = _order(random, contents)
    body = {
        "schema": BUNDLE_SCHEMA,
        "workload": contents.workload,
        "dataset": contents.dataset,
        "subset": contents.subset or 0,
        "seed": contents.seed,
        "batch_size": contents.batch_size,
        "layers": layers,
        "loss": network.loss,
        "target": network.target,
        "optimizer": network.optimizer,
        "hyperparameters": dict(network.hyperparameters),
        "weights": module.weights(),
        "train": _tensors(contents.train),
        "test": _tensors(contents.test),
        "order": torch.from_numpy(order),
        "crops": torch.from_numpy(_crops(random, order.shape, network.crop_padding)),
        "crop_padding": network.crop_padding,
        "mean": torch.tensor(network.mean),
        "deviation": torch.tensor(network.deviation),
        "masks": _masks(network, contents.batch_size, contents.seed),
    }
    body["expected_output"] = _expected(module, body)
    archive = io.BytesIO()
    torch.save(body, archive)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, archive.getbuffer())
    return sha256(path)


def _tensors(samples: Samples) -> dict[str, Any]:
    import torch

    return {
        "images": torch.from_numpy(np.ascontiguousarray(samples.images)),
        "labels": torch.from_numpy(np.ascontiguousarray(samples.labels)),
    }


def _order(random: np.random.Generator, contents: Contents) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which training sample comes when, a row an epoch: shape (epochs, samples of an epoch)."""
    samples, size = len(contents.train.images), contents.batch_size
    if size > samples:
        raise too_few(size, samples)
    rows = [random.permutation(samples) for _ in range(contents.epochs or 1)]
    # Steps that are counted by themselves are all of one size.
    return np.stack(rows)[:, : samples // size * size if contents.epochs is None else samples]


def _crops(random: np.random.Generator, shape: tuple[int, ...], padding: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Top, left and whether to flip, for each place of the order: shape (*order, 3), or (0,) without augmentation."""
    if not padding:
        return np.zeros(0, np.int64)
    corners = random.integers(0, 2 * padding + 1, (*shape, 2))
    return np.concatenate([corners, random.integers(0, 2, (*shape, 1))], axis=-1)


def _masks(network: Network, batch_size: int, seed: int) -> dict[str, Any]:
    """Masks of each dropout layer: uint8 (masks, batch size, *shape of a sample), 1 where a value is kept."""
    import torch

    random = torch.Generator().manual_seed(seed)
    masks = {}
    for size in network.sizes():
        if size.layer.kind == "dropout":
            drawn = torch.rand((MASKS, batch_size, *size.outputs), generator=random)
            masks[size.layer.path] = (drawn >= size.layer.settings["p"]).to(torch.uint8)
    return masks


def _load_weights(module: Any, path: Path) -> None:
    """Take the weights from a `state_dict` file with the names of the layers."""
    import pickle

    import torch

    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is no state_dict: {reason}", "save one with torch.save(model.state_dict())"
        ) from error
    try:
        module.load_weights(weights)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"the weights in {path} do not fit: {error}", "they must be of the same network") from error


def _expected(module: Any, body: dict[str, Any]) -> Any:
    """Output of the first samples of the first batch in evaluation mode and float64 arithmetic."""
    import torch

    from profkit.runner.batches import Batches

    inputs, _ = Batches(body, "train", in_order=False).make(0)
    module.eval()
    with torch.no_grad():
        return module.double()(inputs[:EXPECTED_SAMPLES].double())


def too_few(batch_size: int, samples: int) -> UsageError:
    """The error for data that has less than one batch."""
    return UsageError(
        f"a batch of {batch_size} needs more than the {samples} samples there are",
        "choose a smaller --batch-size or a larger --subset",
    )


def bundle_key(settings: Mapping[str, object]) -> str:
    """Name of the cache entry for these settings: sixteen hexadecimal digits."""
    text = json.dumps({"schema": BUNDLE_SCHEMA, **settings}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
