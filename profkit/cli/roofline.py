"""`profkit roofline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from profkit.peaks import Peaks
    from profkit.run import Run

EXAMPLES = (
    "profkit roofline python.json",
    "profkit roofline python.json --by layer,phase,operator --top 30",
    "profkit roofline python.json cpp.json --chart roofline.html",
    "profkit roofline h100.json --machine examples/machines/h100-sxm.json",
)


def command(
    files: Annotated[list[Path], Argument(help="profile, artefact of a tool or run directory; two are compared")],
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
    from profkit.network_costs import network_costs
    from profkit.roofline import FINEST, rooflines
    from profkit.roofline_rows import has_costs
    from profkit.summary import parse_dimensions
    from profkit.views.output import check_formats, check_overwrite, print_csv, print_json, print_view
    from profkit.views.roofline import (
        comparison_json,
        comparison_rows,
        comparison_view,
        roofline_json,
        roofline_rows,
        roofline_view,
    )

    check_formats(as_json, as_csv)
    dimensions = parse_dimensions(by)
    if len(files) > 2:
        raise UsageError(f"{len(files)} profiles are too many for one roofline", "give one, or two to compare")
    if chart:
        from profkit.views.roofline_chart import check_format

        check_format(chart)
        check_overwrite(chart, force)
    profiles = [load(file) for file in files]
    peaks = _peaks(machine, profiles[0].run)
    networks = [None if has_costs(profile) else network_costs(profile.run) for profile in profiles]
    sides = list(zip(profiles, networks, strict=True))
    [a, *others] = [rooflines(profile, peaks, dimensions, network) for profile, network in sides]
    if chart:
        from profkit.views.roofline_chart import save_chart

        save_chart([a, *others], chart)
    if as_json:
        finest = [() if network else rooflines(profile, peaks, FINEST) for profile, network in sides]
        both = [roofline_json(*each) for each in zip([a, *others], finest, strict=True)]
        print_json(comparison_json(a, others[0], both[0], both[1]) if others else both[0])
    elif as_csv:
        print_csv(*(comparison_rows(a, others[0]) if others else roofline_rows(a)))
    else:
        print_view(comparison_view(a, others[0], top, macs) if others else roofline_view(a, top, macs))


def _peaks(file: Path | None, run: Run) -> Peaks:
    """The peaks of a file, else those measured on the machine of the run, else those of this one."""
    from profkit.errors import UsageError
    from profkit.machine import this_machine
    from profkit.peaks import cached_peaks, read_peaks

    if file:
        return read_peaks(file)
    measured = (run.machine and cached_peaks(run.machine)) or cached_peaks(this_machine())
    if measured is None:
        raise UsageError(
            "nobody has measured what this machine can do, so there is no roof",
            "profkit machine measures it in under a minute; --machine FILE takes published peaks",
        )
    return measured
