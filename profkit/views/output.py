"""How results leave the program: tables and JSON on standard output, files only where nothing is lost."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from typer import Context

from profkit.errors import UsageError


def print_view(view: RenderableType, *, to_stderr: bool = False) -> None:
    """Print for people, as wide as the terminal and 80 columns elsewhere; beside a program's own output on stderr."""
    Console(highlight=False, markup=False, emoji=False, stderr=to_stderr).print(view)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def print_csv(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print comma-separated values with a header; empty where a value is missing."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)


def check_overwrite(path: Path, force: bool) -> None:
    """Refuse to overwrite a file, and to write where there is no directory.

    Raises:
        UsageError: the file exists and `force` is not given, or its directory does not exist.
    """
    if path.is_dir() or (path.exists() and not force):
        raise UsageError(f"{path} exists already", "give --force to overwrite it" if path.is_file() else "name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no directory {path.parent} to write {path.name} to", "make it first")


def check_panels(context: Context, panel: str, what: str) -> None:
    """Refuse options that belong to something else.

    Args:
        context: of the command.
        panel: of the help text whose options may not be given.
        what: is asked for.

    Raises:
        UsageError: one of them is given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name) if parameter.name else None
        if source is not None and source.name == "COMMANDLINE" and getattr(parameter, "rich_help_panel", None) == panel:
            raise UsageError(
                f"{parameter.opts[0]} says nothing of {what}", "leave it out; --help says what goes with what"
            )


def check_formats(as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once.

    Raises:
        UsageError: both are asked for.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", "choose one")
