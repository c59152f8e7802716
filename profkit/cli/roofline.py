"""`profkit roofline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from profkit.peaks import Peaks
    from profkit.profile import Profile
    from profkit.roofline import Roofline

EXAMPLES = (
    "profkit roofline python.json",
    "profkit roofline python.json --by layer,phase,operator --top 30",
    "profkit roofline python.json cpp.json --chart roofline.html",
    "profkit roofline h100.json --machine examples/machines/h100-sxm.json",
)


def command(
    files: Annotated[list[Path], Argument(help="profile, or artefact of a tool; two are compared")],
    by: Annotated[str, Option(help="layer, phase, operator, category ...; several with commas")] = "layer,phase",
    top: Annotated[int, Option(help="rows", min=1)] = 20,
    machine: Annotated[
        Path | None, Option(help="file with the peaks (default: what profkit machine measured here)")
    ] = None,
    chart: Annotated[Path | None, Option(help="draw it too: .png, .svg or .html (works offline)")] = None,
    force: Annotated[bool, Option("--force", help="overwrite --chart")] = False,
    macs: Annotated[
        bool, Option("--macs", help="show FLOP and MAC of a step in place of FLOP/s and intensity")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON, every row, by operator too")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, every row")] = False,
) -> None:
    """Say what each layer could reach on this machine, what bounds it, and the time that it leaves on the table.

    Rows with most time left come first: they are what to optimise. Of two profiles it says which is nearer to its roof.
    """
    from profkit.errors import UsageError
    from profkit.loader import load
    from profkit.roofline.run import peaks_for, under_roofs
    from profkit.summary import parse_dimensions
    from profkit.views.output import check_formats, check_overwrite

    check_formats(as_json, as_csv)
    dimensions = parse_dimensions(by)
    if len(files) > 2:
        raise UsageError(f"{len(files)} profiles are too many for one roofline", "give one, or two to compare")
    if chart:
        from profkit.views.roofline_chart import check_format

        check_format(chart)
        check_overwrite(chart, force)
    profiles = [load(file) for file in files]
    peaks = peaks_for(profiles[0].run, machine)
    found = [under_roofs(profile, peaks, dimensions) for profile in profiles]
    if chart:
        from profkit.views.roofline_chart import save_chart

        save_chart(found, chart)
    if as_json:
        _print_json(profiles, found, peaks)
    elif as_csv:
        _print_csv(found)
    else:
        _print_view(found, top, macs)


def _print_json(profiles: list[Profile], found: list[tuple[Roofline, ...]], peaks: Peaks) -> None:
    from profkit.roofline import FINEST, rooflines
    from profkit.roofline.rows import has_costs
    from profkit.views.output import print_json
    from profkit.views.roofline import comparison_json, roofline_json

    finest = [rooflines(profile, peaks, FINEST) if has_costs(profile) else () for profile in profiles]
    each = [roofline_json(*pair) for pair in zip(found, finest, strict=True)]
    print_json(each[0] if len(each) == 1 else comparison_json(found[0], found[1], each[0], each[1]))


def _print_csv(found: list[tuple[Roofline, ...]]) -> None:
    from profkit.views.output import print_csv
    from profkit.views.roofline import comparison_rows, roofline_rows

    print_csv(*(roofline_rows(found[0]) if len(found) == 1 else comparison_rows(found[0], found[1])))


def _print_view(found: list[tuple[Roofline, ...]], top: int, macs: bool) -> None:
    from profkit.views.output import print_view
    from profkit.views.roofline import comparison_view, roofline_view

    single = len(found) == 1
    print_view(roofline_view(found[0], top, macs) if single else comparison_view(found[0], found[1], top, macs))
