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
    "profkit show trace.json.gz --by layer,phase --columns flop,intensity,flop_per_s",
    "profkit show trace.json.gz --uncosted",
)


def command(
    files: Annotated[list[Path], Argument(help="profile, or artefact of a tool; several are set side by side")],
    by: Annotated[
        str, Option(help="operator, layer, phase, category, file, symbol ...; several with commas")
    ] = "operator",
    top: Annotated[int, Option(help="rows", min=1)] = 20,
    columns: Annotated[
        str,
        Option(help="more columns, several with commas: flop, macs, traffic_bytes, intensity, flop_per_s, ..."),
    ] = "",
    macs: Annotated[bool, Option("--macs", help="FLOP and multiply-adds side by side")] = False,
    uncosted: Annotated[
        bool, Option("--uncosted", help="only the operators whose FLOP are not known, and why")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON, every row")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, every row")] = False,
) -> None:
    """Show a profile by operator, layer, phase, category or file; the last line tells how much is attributed.

    Several profiles are set side by side by shares of their own cost, whatever their tools.
    """
    from profkit.errors import UsageError
    from profkit.loader import load
    from profkit.quantities import parse_quantities
    from profkit.summary import parse_dimensions
    from profkit.views.output import check_formats, print_csv, print_json, print_view
    from profkit.views.shares import shares_table, shares_view
    from profkit.views.show import profile_json, profile_rows, profile_view
    from profkit.views.uncosted import uncosted_rows, uncosted_view

    check_formats(as_json, as_csv)
    dimensions = parse_dimensions(by)
    names = parse_quantities(f"{columns},flop,macs" if macs else columns)
    profiles = [load(file) for file in files]
    [profile, *others] = profiles
    if others and (names or uncosted):
        raise UsageError("--columns, --macs and --uncosted are of one profile", "name one file, or use profkit diff")
    if uncosted:
        heads, rows = uncosted_rows(profile)
    elif others:
        heads, rows = shares_table(profiles, files, dimensions)
    else:
        heads, rows = profile_rows(profile, dimensions, names)
    if as_csv:
        print_csv(heads, rows)
    elif as_json and (others or uncosted):
        print_json([dict(zip(heads, row, strict=True)) for row in rows])
    elif as_json:
        print_json(profile_json(profile, dimensions, names))
    elif uncosted:
        print_view(uncosted_view(profile, top))
    elif others:
        print_view(shares_view(profiles, files, dimensions, top))
    else:
        print_view(profile_view(profile, dimensions, top, names))
