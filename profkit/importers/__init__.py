"""Importers: one file format a module, each a value that says what it can read and reads it into a Recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from profkit.profile import Recording


@dataclass(frozen=True)
class Importer:
    """Reads one file format.

    Attributes:
        name: of the format.
        sniff: whether a file with these first bytes (decompressed, 64 KiB at most) is of this format.
        load: read the file into columns. Raises InputError with what is wrong in it.
    """

    name: str
    sniff: Callable[[bytes], bool]
    load: Callable[[Path], Recording]
