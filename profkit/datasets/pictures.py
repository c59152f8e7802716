"""Picture files (JPEG, PNG, ...): decoded by Pillow, scaled and cropped to one shape.

As torchvision does: bilinear with antialiasing until the shorter side fits, then the centre. Only then are published
weights worth what was published.
"""

from __future__ import annotations

import io
import struct
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from profkit.datasets import Images
from profkit.datasets.files import entries, times
from profkit.errors import InputError
from profkit.layer_kinds import Shape
from profkit.write import write_whole

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of `folder` by their suffix, sorted by name.

    Raises:
        InputError: the folder is missing, no folder, or not permitted.
    """
    return [entry for entry in entries(folder) if entry.suffix.lower() in SUFFIXES]


def read_pictures(paths: list[Path], shape: Shape, enlarged: float = 1.0) -> Images:
    """Decode pictures in the order of `paths`.

    Args:
        paths: of the files, n of them.
        shape: of one image, (3, height, width), pixels.
        enlarged: the shorter side is scaled to this many times the wanted one before the centre is cut out.

    Returns:
        Images (n, *shape).

    Raises:
        InputError: a file is no picture or damaged, or there are more images than memory.
    """
    import psutil
    from PIL import Image

    wanted, free = len(paths) * 3 * shape[1] * shape[2], psutil.virtual_memory().available
    if wanted > free:
        raise InputError(
            f"{len(paths)} images of {times(shape)} need {wanted:,} bytes of memory, and {free:,} are free",
            "--data names a directory with fewer of them",
        )
    Image.init()  # loads the decoders, before there are threads
    images = np.empty((len(paths), *shape), np.uint8)

    def decode(index: int) -> None:
        images[index] = _decode(paths[index], shape, enlarged)

    with ThreadPoolExecutor() as pool:
        deque(pool.map(decode, range(len(paths))), maxlen=0)
    return images


def _decode(path: Path, shape: Shape, enlarged: float) -> Images:
    """One picture (3, height, width)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.load()
            picture.info.pop("transparency", None)  # a palette's, which has no place in RGB
            return np.asarray(_cut(picture.convert("RGB"), shape[1], shape[2], enlarged)).transpose(2, 0, 1)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no picture that Pillow knows", "remove it, or copy it again") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"cannot read the picture {path}: {reason}", "remove it, or copy it again") from error


def _cut(picture: Image.Image, height: int, width: int, enlarged: float) -> Image.Image:
    """Scale the picture until it covers height x width, enlarged, and cut height x width out of its centre."""
    from PIL.Image import Resampling

    size = scaled_size(picture.size, (round(width * enlarged), round(height * enlarged)))
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return picture.resize(size, Resampling.BILINEAR).crop((left, top, left + width, top + height))


def scaled_size(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """The smallest size with the proportions of `size` that covers `wanted`; each is (width, height).

    >>> scaled_size((500, 375), (256, 256))
    (341, 256)
    >>> scaled_size((178, 218), (64, 64))
    (64, 78)
    """
    if wanted[0] * size[1] >= wanted[1] * size[0]:
        return wanted[0], wanted[0] * size[1] // size[0]
    return wanted[1] * size[0] // size[1], wanted[1]


def write_picture(path: Path, image: Images) -> None:
    """Write one image (3, height, width) as a JPEG file.

    Raises:
        WriteError: it cannot be written.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, "JPEG", quality=95)
    write_whole(path, file.getbuffer())
