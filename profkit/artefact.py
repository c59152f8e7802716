"""Open a tool's raw file: its content tells whether it is compressed, and what is unreadable is an InputError."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from profkit.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 65536


@contextmanager
def open_artefact(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for reading bytes, decompressed if it is gzip by its first bytes.

    Raises:
        InputError: missing, a directory, not permitted, or broken gzip, also when that shows in the `with` block.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            with _decompressed(raw, path) if compressed else nullcontext(raw) as file:
                yield file
    except IsADirectoryError as error:
        raise InputError(f"{path} is a directory", "name the artefact inside it") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check its name and permissions") from error


@contextmanager
def _decompressed(raw: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    from isal import igzip, igzip_lib

    broken = cast(type[Exception], igzip_lib.IsalError)  # isal's stub takes the class for a value
    try:
        with igzip.IGzipFile(fileobj=raw) as file:
            yield cast(BinaryIO, file)
    except (EOFError, gzip.BadGzipFile, zlib.error, broken) as error:
        raise InputError(f"{path} is broken gzip: {error}", "copy or record it again; it may be cut off") from error


def read_head(path: Path) -> bytes:
    """The first 64 KiB of the artefact, decompressed: enough to tell its format.

    Raises:
        InputError: as `open_artefact`, and for an empty file.
    """
    with open_artefact(path) as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{path} is empty", "the tool wrote nothing; record it again")
    return head


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the file as it lies there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
