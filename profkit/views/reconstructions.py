"""Pictures beside what an autoencoder makes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from profkit.write import write_whole

Array = np.ndarray[Any, Any]

COLUMNS = 8
GAP = 2
LEAST_SIDE = 96
"""A picture is enlarged to at least so many pixels, whole times."""


def save_reconstructions(folder: Path) -> list[Path]:
    """Draw every archive of reconstructions in a folder; returns the pictures, in the order of their names.

    Raises:
        WriteError: a picture cannot be written.
    """
    pictures = []
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as kept:
            png = reconstruction_png(kept["images"], kept["reconstructions"], kept["mean"], kept["deviation"])
        picture = file.with_suffix(".png")
        write_whole(picture, png)
        pictures.append(picture)
    return pictures


def reconstruction_png(images: Array, reconstructions: Array, mean: Array, deviation: Array) -> bytes:
    """A PNG of rows of pictures, each row with the reconstructions below it.

    Args:
        images: uint8 (n, 3, height, width), as they are on disk.
        reconstructions: float32 (n, 3, height, width), scaled as the network's input is.
        mean: of each channel of pixels in [0, 1], shape (3,).
        deviation: likewise.
    """
    from PIL import Image

    pixels = (reconstructions * deviation[:, None, None] + mean[:, None, None]) * 255
    made = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    count, _, height, width = images.shape
    bands = []
    for first in range(0, count, COLUMNS):
        chosen = slice(first, first + COLUMNS)
        bands += [_row(images[chosen]), _row(made[chosen])]
    sheet = np.concatenate(bands, axis=0)
    times = -(-LEAST_SIDE // max(height, width))
    picture = Image.fromarray(sheet).resize((sheet.shape[1] * times, sheet.shape[0] * times), Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _row(images: Array) -> Array:
    """Images side by side with gaps: (height + gap, columns x (width + gap), 3); white where there are fewer."""
    count, channels, height, width = images.shape
    row = np.full((height + GAP, COLUMNS, width + GAP, channels), 255, np.uint8)
    row[:height, :count, :width] = images.transpose(2, 0, 3, 1)
    return row.reshape(height + GAP, COLUMNS * (width + GAP), channels)
