"""`profkit show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit show python.json",
    "profkit show python.json --by layer,phase --top 30",
    "profkit show trace.json.gz --by category --json",
    "profkit show torch.json py-spy.json callgrind.json --by layer",
)


def command(
    files: Annotated[list[Path], Argument(help="profile, or artefact of a tool; several are set side by side")],
    by: Annotated[
        str, Option(help="operator, layer, phase, category, file, symbol ...; several with commas")
    ] = "operator",
    top: Annotated[int, Option(help="rows", min=1)] = 20,
    as_json: Annotated[bool, Option("--json", help="print JSON, every row")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, every row")] = False,
) -> None:
    """Show a profile by operator, layer, phase, category or file; the last line tells how much is attributed.

    Several profiles are set side by side by shares of their own cost, whatever their tools.
    """
    from profkit.loader import load
    from profkit.summary import parse_dimensions
    from profkit.views.output import check_formats, print_csv, print_json, print_view
    from profkit.views.shares import shares_table, shares_view
    from profkit.views.show import profile_json, profile_rows, profile_view

    check_formats(as_json, as_csv)
    dimensions = parse_dimensions(by)
    profiles = [load(file) for file in files]
    [profile, *others] = profiles
    if as_json and others:
        heads, rows = shares_table(profiles, files, dimensions)
        print_json([dict(zip(heads, row, strict=True)) for row in rows])
    elif as_json:
        print_json(profile_json(profile, dimensions))
    elif as_csv:
        print_csv(*(shares_table(profiles, files, dimensions) if others else profile_rows(profile, dimensions)))
    elif others:
        print_view(shares_view(profiles, files, dimensions, top))
    else:
        print_view(profile_view(profile, dimensions, top))
