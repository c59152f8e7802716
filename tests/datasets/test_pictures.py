from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from profkit.datasets import Images
from profkit.datasets.pictures import pictures_in, read_pictures, scaled_size
from profkit.errors import InputError


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG file of 8-bit RGB rows, chunk by chunk."""
    lines = b"".join(b"\0" + rows[3 * width * row : 3 * width * (row + 1)] for row in range(height))
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def gradient(width: int, height: int) -> Images:
    """A picture (height, width, 3) whose pixels tell their place: column, row, 7."""
    places = np.mgrid[0:height, 0:width]
    return np.stack([places[1], places[0], np.full_like(places[0], 7)], axis=2).astype(np.uint8)


def test_a_picture_written_by_hand_is_read_channel_by_channel(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 2, bytes(range(12))))
    images = read_pictures([path], (3, 2, 2))
    assert images.tolist() == [[[[0, 3], [6, 9]], [[1, 4], [7, 10]], [[2, 5], [8, 11]]]]
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous


@pytest.mark.parametrize(("width", "height", "left", "top"), [(5, 2, 2, 0), (2, 6, 0, 2), (7, 2, 2, 0)])
def test_the_centre_is_cut_out_of_the_longer_side(tmp_path: Path, width: int, height: int, left: int, top: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(width, height, gradient(width, height).tobytes()))
    image = read_pictures([path], (3, 2, 2))[0]
    assert image[0].tolist() == 2 * [[left, left + 1]]
    assert image[1].tolist() == [2 * [top], 2 * [top + 1]]


def test_scaling_down_averages_instead_of_picking_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    path.write_bytes(png(64, 64, stripes.tobytes()))
    image = read_pictures([path], (3, 8, 8))[0]
    assert (abs(image[:, :, 1:-1].astype(int) - 100) <= 5).all()


@pytest.mark.parametrize(
    ("size", "wanted", "scaled"),
    [
        ((500, 375), (256, 256), (341, 256)),
        ((375, 500), (256, 256), (256, 341)),
        ((10, 10), (64, 64), (64, 64)),
        ((100, 50), (20, 30), (60, 30)),
    ],
)
def test_the_scaled_size_covers_the_wanted_one_and_is_as_torchvision_rounds_it(
    size: tuple[int, int], wanted: tuple[int, int], scaled: tuple[int, int]
) -> None:
    assert scaled_size(size, wanted) == scaled


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_every_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new("RGB", (4, 4), "white").convert(mode).save(path)
    assert (read_pictures([path], (3, 4, 4)) == 255).all()


def test_a_palette_with_transparent_entries_is_read_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("P", (4, 4), 1).save(path, transparency=bytes([0, 128]))
    assert read_pictures([path], (3, 4, 4)).shape == (1, 3, 4, 4)


def test_many_pictures_keep_the_order_of_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        path.write_bytes(png(1, 1, bytes([number, 0, 0])))
    assert read_pictures(paths, (3, 1, 1))[:, 0, 0, 0].tolist() == list(range(40))


def test_files_are_told_by_their_suffix_and_sorted_by_name(tmp_path: Path) -> None:
    for name in ("b.JPEG", "a.png", "B.webp", "list.txt", ".hidden.jpg", "10.jpg", "9.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == ["10.jpg", "9.jpg", "B.webp", "a.png", "b.JPEG"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no picture that Pillow knows"),
        (b"no picture", "is no picture that Pillow knows"),
        (png(64, 64, np.random.default_rng(0).bytes(64 * 64 * 3))[:5000], "cannot read the picture .*truncated"),
        (png(30000, 30000, b""), "cannot read the picture .*decompression bomb"),
    ],
)
def test_a_damaged_picture_is_named_with_pillows_reason(tmp_path: Path, data: bytes, message: str) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png(1, 1, bytes(3)))
    bad.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_pictures([good, bad, good], (3, 2, 2))
    assert caught.value.message.count(str(bad)) == 1


def test_of_two_damaged_pictures_the_first_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png"):
        read_pictures(paths, (3, 2, 2))


def test_a_folder_named_like_a_picture_is_an_input_error(tmp_path: Path) -> None:
    folder = tmp_path / "a.png"
    folder.mkdir()
    with pytest.raises(InputError, match=r"cannot read the picture .*a\.png: Is a directory"):
        read_pictures([folder], (3, 2, 2))


def test_more_images_than_memory_are_refused_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 images of 3 x 10000000 x 10000000 need 300,000,000,000,000 bytes"):
        read_pictures([tmp_path / "a.png"], (3, 10**7, 10**7))
