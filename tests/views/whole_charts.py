"""What a chart file of each format must be."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def assert_whole(path: Path, least_width: int) -> None:
    """A PNG of some width [pixels], an SVG that ends, or a page that needs no network."""
    data = path.read_bytes()
    if path.suffix == ".png":
        with Image.open(path) as image:
            assert image.width > least_width
    elif path.suffix == ".svg":
        assert data.startswith(b"<svg")
        assert data.rstrip().endswith(b"</svg>")
    else:
        assert b"vegaEmbed" in data
        assert b'src="http' not in data
