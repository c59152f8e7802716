"""`profkit diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from profkit.profile import Profile

EXAMPLES = (
    "profkit diff python.json cpp.json",
    "profkit diff python.json cpp.json --by layer --top 20",
    "profkit diff python.json cpp.json --by layer,phase --columns flop_per_s",
    "profkit diff python.json cpp.json --roofs",
    "profkit diff before.json.gz after.json.gz --by operator --csv",
)


def command(
    baseline: Annotated[Path, Argument(help="A: profile, or artefact of a tool")],
    candidate: Annotated[Path, Argument(help="B: likewise")],
    by: Annotated[str, Option(help="what rows are aligned by")] = "layer,phase,operator",
    columns: Annotated[
        str, Option(help="more columns of both sides: flop, macs, traffic_bytes, intensity, flop_per_s, ...")
    ] = "",
    macs: Annotated[bool, Option("--macs", help="FLOP and multiply-adds of both sides")] = False,
    roofs: Annotated[
        bool, Option("--roofs", help="say also which is nearer to what this machine can do (profkit machine)")
    ] = False,
    top: Annotated[int, Option(help="rows of each table", min=1)] = 15,
    as_json: Annotated[bool, Option("--json", help="print JSON, every row")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, every row")] = False,
) -> None:
    """Say how much slower B is than A, in which layers and operators, and what the gap is made of."""
    from profkit.loader import load
    from profkit.quantities import parse_quantities
    from profkit.summary import parse_dimensions
    from profkit.views.diff import diff_json, diff_rows, diff_view
    from profkit.views.output import check_formats, print_csv, print_json, print_view

    check_formats(as_json, as_csv)
    dimensions = parse_dimensions(by)
    names = parse_quantities(f"{columns},flop,macs" if macs else columns)
    profiles = load(baseline), load(candidate)
    more = _nearer(*profiles) if roofs else []
    if as_json:
        print_json(diff_json(*profiles, dimensions, names, more))
    elif as_csv:
        print_csv(*diff_rows(*profiles, dimensions, names))
    else:
        print_view(diff_view(*profiles, dimensions, top, names, more))


def _nearer(baseline: Profile, candidate: Profile) -> list[str]:
    from profkit.roofline_run import peaks_for, under_roofs
    from profkit.views.roofline import nearer

    peaks = peaks_for(baseline.run)
    return nearer(*(under_roofs(profile, peaks, ("layer", "phase")) for profile in (baseline, candidate)))
