"""Bundle: everything an implementation needs to do the same work, in one file that Python and LibTorch both read.

`bundle.pt` is `torch.save` of a dict of plain values and tensors; `torch::pickle_load` reads it. It holds the network
as data, the initial weights, the batches in the order of their use, and the output of the first batch in float64
arithmetic.
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
from profkit.errors import UsageError
from profkit.runner import BUNDLE_SCHEMA
from profkit.spec import Network
from profkit.write import write_whole


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: of `bundle.pt`.
        sha256: digest of weights, batches and network; equal digests mean equal work.
    """

    path: Path
    sha256: str


def write_bundle(
    path: Path, network: Network, inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], seed: int
) -> Bundle:
    """Draw the weights and write the bundle.

    Args:
        path: to write to.
        network: to draw weights for.
        inputs: float32 (batches, batch size, *input shape).
        targets: int64 (batches, batch size).
        seed: of the weights.
    """
    import torch

    from profkit.runner.layers import build_layer

    torch.manual_seed(seed)
    modules = [(layer, build_layer(layer.kind, layer.settings)) for layer in network.layers]
    weights = {
        f"{layer.path}.{name}": parameter.detach().clone()
        for layer, module in modules
        for name, parameter in module.named_parameters()
    }
    with torch.no_grad():
        output = torch.from_numpy(inputs[0]).double()
        for _, module in modules:
            output = module.double()(output)
    body = {
        "schema": BUNDLE_SCHEMA,
        "layers": [
            {"path": layer.path, "kind": layer.kind, "settings": dict(layer.settings)} for layer in network.layers
        ],
        "loss": network.loss,
        "optimizer": network.optimizer,
        "hyperparameters": dict(network.hyperparameters),
        "weights": weights,
        "inputs": torch.from_numpy(inputs),
        "targets": torch.from_numpy(targets),
        "expected_output": output,
    }
    archive = io.BytesIO()
    torch.save(body, archive)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, archive.getbuffer())
    return Bundle(path, sha256(path))


def make_batches(
    images: np.ndarray[Any, np.dtype[np.uint8]],
    labels: np.ndarray[Any, np.dtype[np.int64]],
    scaling: tuple[float, float],
    batch_size: int,
    batches: int,
    seed: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Scale, shuffle and cut the data into batches.

    Args:
        images: (n, channels, height, width).
        labels: (n,).
        scaling: mean and deviation of pixels scaled to [0, 1].
        batch_size: samples a batch.
        batches: wanted; fewer where the data has no more, and a run then starts over with the first.
        seed: of the order.

    Returns:
        Inputs float32 (batches, batch size, channels, height, width) and targets int64 (batches, batch size).

    Raises:
        UsageError: the data has less than one batch.
    """
    if batch_size > len(images):
        raise UsageError(
            f"a batch of {batch_size} needs more than the {len(images)} samples there are",
            "choose a smaller --batch-size or a larger --subset",
        )
    order = np.random.default_rng(seed).permutation(len(images))[: min(batches, len(images) // batch_size) * batch_size]
    mean, deviation = scaling
    inputs = ((images[order].astype(np.float32) / 255 - mean) / deviation).astype(np.float32)
    return inputs.reshape(-1, batch_size, *images.shape[1:]), labels[order].reshape(-1, batch_size)


def bundle_key(settings: Mapping[str, object]) -> str:
    """Name of the cache entry for these settings: sixteen hexadecimal digits."""
    text = json.dumps({"schema": BUNDLE_SCHEMA, **settings}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
