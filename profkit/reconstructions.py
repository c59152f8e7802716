"""What an autoencoder makes of pictures: taken from a program's results and kept beside the pictures themselves."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from profkit.bundle import Bundle
from profkit.write import write_whole


@contextmanager
def results_file(keep: Path | None, bundle: Bundle) -> Iterator[list[str]]:
    """The flags that make a program write its results; when it is done, its reconstructions are kept.

    Args:
        keep: `.npz` with images (n, 3, height, width), uint8; reconstructions, float32, as the network scales them;
            mean and deviation (3,). None to ask the program for nothing.
        bundle: that the program runs.

    Raises:
        WriteError: they cannot be kept.
    """
    if keep is None:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        file = Path(scratch, "results.pt")
        yield ["--results", str(file)]
        write_whole(keep, _archive(file, bundle))


def _archive(results: Path, bundle: Bundle) -> bytes:
    import torch

    made = torch.load(results, weights_only=True)["reconstruction"]
    content = torch.load(bundle.path, weights_only=True, mmap=True)
    images = content["test"]["images"] if len(content["test"]["images"]) else content["train"]["images"]
    archive = io.BytesIO()
    np.savez(
        archive,
        images=images[: len(made)].numpy(),
        reconstructions=made.numpy(),
        mean=content["mean"].numpy(),
        deviation=content["deviation"].numpy(),
    )
    return archive.getvalue()
