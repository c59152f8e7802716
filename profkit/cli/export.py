"""`profkit export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit export python.json --to speedscope",
    "profkit export cpp.json --to pprof -o cpp.pb.gz",
    "profkit export trace.json.gz --to perfetto -o trace.perfetto.json.gz --force",
)


def command(
    file: Annotated[Path, Argument(help="profile, artefact of a tool, or run directory")],
    to: Annotated[str, Option(help="speedscope, collapsed, pprof, perfetto, tensorboard, csv or parquet")],
    output: Annotated[Path | None, Option("--output", "-o", help="file to write (default: beside here)")] = None,
    force: Annotated[bool, Option("--force", help="overwrite --output")] = False,
    as_json: Annotated[bool, Option("--json", help="print what was written as JSON")] = False,
) -> None:
    """Write a profile in the format of another viewer.

    The stacks come from the artefact that the profile was made from; without it they are those of the operator table.
    """
    from profkit.export import default_output, material, table_only, write
    from profkit.exporters import Exporter
    from profkit.registry import find
    from profkit.views.export import export_json, export_view, notes
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress

    exporter = find("profkit.exporters", Exporter, to, "format")
    target = output or default_output(exporter, file)
    check_overwrite(target, force)
    with progress() as say:
        say(f"reading {file.name}")
        what = material(file) if exporter.stacks else table_only(file)
        say(f"writing {target.name}")
        write(exporter, what, target)
    for note in notes(exporter, what):
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print_json(export_json(exporter, what, target))
    else:
        print_view(export_view(exporter, what, target))
