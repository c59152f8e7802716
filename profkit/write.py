"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from profkit.errors import WriteError


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to a neighbour of `path` and rename it into place, so that no half-written file is ever seen.

    Raises:
        WriteError: the directory is missing, not writable, or the disk is full; `path` is as it was.
    """
    partial = ""
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).chmod(0o666 & ~_umask())
        Path(partial).replace(path)
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror}", "nothing was written; free space or choose another place"
        ) from error
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask; POSIX only tells it while setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
