"""The files of a dataset: find them, read them, and name what is missing."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import InputError, WriteError
from profkit.layer_kinds import Shape

HINT = "--data names the directory with the files of the dataset"


def entries(directory: Path) -> list[Path]:
    """What lies in `directory`, hidden names aside, sorted by name.

    Raises:
        InputError: it is missing, no directory, or not permitted.
    """
    try:
        found = [entry for entry in directory.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot read the directory {directory}: {error.strerror}", HINT) from error
    return sorted(found, key=lambda entry: entry.name)


def read_bytes(path: Path) -> bytes:
    """The whole file.

    Raises:
        InputError: it is missing or not permitted.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", HINT) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it, where they are missing.

    Raises:
        WriteError: not permitted, or a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make the folder {folder}: {error.strerror}", "choose another place") from error


def require_shape(dataset: str, own: Shape, wanted: Shape) -> None:
    """Hold the shape that a network takes against the shape of the dataset's images.

    Raises:
        InputError: they differ.
    """
    if wanted != own:
        raise InputError(
            f"{dataset} has images of {times(own)}, not of {times(wanted)}", "use the network's own dataset"
        )


def require_pictures(dataset: str, wanted: Shape) -> None:
    """Hold the shape that a network takes against pictures, which have three channels and any size.

    Raises:
        InputError: it is not (3, height, width).
    """
    if len(wanted) != 3 or wanted[0] != 3:
        raise InputError(
            f"{dataset} has images of 3 x height x width, not of {times(wanted)}", "use the network's own dataset"
        )


def times(shape: Shape) -> str:
    """The shape for people.

    >>> times((3, 32, 32))
    '3 x 32 x 32'
    """
    return " x ".join(map(str, shape))
