"""Viewers: one program that shows profiles a module, each a value that opens a profile in it on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from profkit.exporters import Material

Say = Callable[[str], None]


@dataclass(frozen=True)
class Shown:
    """An opened profile.

    Attributes:
        address: for the browser.
        file: what the viewer reads; None where that goes when the viewer ends.
        notes: what the user should know, one sentence each.
        wait: blocks as long as the viewer runs; None where nothing runs.
    """

    address: str
    file: Path | None = None
    notes: tuple[str, ...] = ()
    wait: Callable[[], None] | None = None


@dataclass(frozen=True)
class Request:
    """What to open.

    Attributes:
        material: the profile and its stacks.
        name: of the profile, for a file name.
        port: to serve on; None for the viewer's usual one, or a free one.
        folder: directory for files that stay.
    """

    material: Material
    name: str
    port: int | None
    folder: Path


@dataclass(frozen=True)
class Viewer:
    """Shows profiles.

    Attributes:
        name: of the viewer.
        summary: what it is, in a line.
        show: opens a profile until the block ends, saying what takes long. Raises UsageError for a port in use,
            MissingToolError for what is not installed.
    """

    name: str
    summary: str
    show: Callable[[Request, Say], AbstractContextManager[Shown]]
