"""`profkit import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit import trace.json.gz -o trace.profile.json",
    "profkit import callgrind.out -o cpp.parquet",
)


def command(
    file: Annotated[Path, Argument(help="artefact: Kineto trace, callgrind.out ...; told by its content")],
    output: Annotated[Path, Option("--output", "-o", help="profile to write (.json or .parquet)")],
    force: Annotated[bool, Option("--force", help="overwrite --output")] = False,
    as_json: Annotated[bool, Option("--json", help="print what was read as JSON")] = False,
) -> None:
    """Read the artefact of a tool into a profile."""
    from profkit.loader import load, located
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress
    from profkit.views.show import imported_json, imported_view

    check_overwrite(output, force)
    with progress() as say:
        say(f"reading {file.name}")
        profile = located(load(file), file, output)
    profile.write(output)
    if as_json:
        print_json(imported_json(profile, output))
    else:
        print_view(imported_view(profile, output))
