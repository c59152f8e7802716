"""`profkit import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit import trace.json.gz -o trace.profile.json",
    "profkit import callgrind.out -o cpp.parquet",
    "profkit import scalene-profile.json stacks.txt train.perf",
)


def command(
    files: Annotated[list[Path], Argument(help="artefacts of any tool; told by their content")],
    output: Annotated[
        Path | None, Option("--output", "-o", help="profile to write (.json or .parquet), of one file")
    ] = None,
    force: Annotated[bool, Option("--force", help="overwrite --output")] = False,
    as_json: Annotated[bool, Option("--json", help="print what was read as JSON")] = False,
) -> None:
    """Read the artefact of a tool into a profile; without -o, tell what each file is and whether it can be read."""
    from profkit.errors import UsageError
    from profkit.loader import located, read_all, require_read
    from profkit.views.imported import import_json, import_table, import_view
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress

    if output:
        if len(files) > 1:
            raise UsageError(f"--output names one profile, and there are {len(files)} files", "import them one by one")
        check_overwrite(output, force)
    with progress() as say:
        results = read_all(files, say)
    if output:
        require_read(results)
        [result] = results
        assert result.profile is not None
        located(result.profile, files[0], output).write(output)
    if as_json:
        print_json(import_json(results, output))
    elif len(files) == 1 and results[0].profile:
        print_view(import_view(results[0].profile, output))
    elif len(files) > 1:
        print_view(import_table(results))
    require_read(results)
