"""Exporters: one file format of other viewers a module, each a value that writes a profile in it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from profkit.flame_graph.forest import Forest
from profkit.profile import Profile
from profkit.write import write_whole

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Material:
    """All that there is to write.

    Attributes:
        profile: the operator table and where it comes from.
        forest: the stacks, where the exporter draws some.
        torch_traces: the artefacts that are traces of torch.
    """

    profile: Profile
    forest: Forest
    torch_traces: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Exporter:
    """Writes one format.

    Attributes:
        name: of the format.
        suffix: of its files; empty where it is a directory.
        summary: what it is for, in a line.
        render: the whole file; None where it is a directory.
        write_directory: write into this new directory; None where it is a file.
        stacks: whether it draws stacks; the operator table alone is enough for the others.
    """

    name: str
    suffix: str
    summary: str
    render: Callable[[Material], bytes] | None = None
    write_directory: Callable[[Material, Path], None] | None = None
    stacks: bool = True


def write_file(data: bytes, output: Path) -> None:
    """Write a rendered file, compressed where its name ends in `.gz` and it is not compressed already.

    Raises:
        WriteError: it cannot be written.
    """
    if output.suffix == ".gz" and not data.startswith(GZIP_MAGIC):
        data = gzip.compress(data, mtime=0)
    write_whole(output, data)
