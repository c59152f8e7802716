"""Files and directories are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def write_kept(path: Path, data: bytes) -> None:
    """Write a file of the cache whole, and the directories that it lies in.

    Raises:
        WriteError: they cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {path.parent}: {error.strerror}", "set PROFKIT_CACHE to a writable directory"
        ) from error
    write_whole(path, data)


@contextmanager
def whole_directory(path: Path, hint: str) -> Iterator[Path]:
    """A new directory to write into, which takes its name when the block ends and goes when the block fails.

    Args:
        path: its name; a directory that is there already by the end is left as it is.
        hint: what to do where it cannot be written.

    Raises:
        WriteError: it cannot be made, written or renamed.
    """
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent))
        yield partial
        partial.chmod(0o777 & ~_umask())
        if not path.exists():
            partial.rename(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}", hint) from error
    finally:
        if partial:
            shutil.rmtree(partial, ignore_errors=True)


def _umask() -> int:
    """The process's umask; POSIX only tells it while setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
