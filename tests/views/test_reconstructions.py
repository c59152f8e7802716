from __future__ import annotations

import io

import numpy as np
from PIL import Image

from profkit.views.reconstructions import reconstruction_png


def test_every_picture_stands_over_its_reconstruction() -> None:
    images = np.zeros((9, 3, 32, 32), np.uint8)
    images[:, 0] = 25 * np.arange(9)[:, None, None]
    scaled = (images.astype(np.float32) / 255 - 0.5) / 0.25
    half = np.full(3, 0.5, np.float32)
    sheet = np.asarray(Image.open(io.BytesIO(reconstruction_png(images, scaled, half, half / 2))))
    assert sheet.shape == (4 * 34 * 3, 8 * 34 * 3, 3)
    for number in range(9):
        band, column = divmod(number, 8)
        for row in (2 * band, 2 * band + 1):
            assert sheet[3 * (34 * row + 5), 3 * (34 * column + 5)].tolist() == [25 * number, 0, 0]
    assert sheet[-9, -9].tolist() == [255, 255, 255]
