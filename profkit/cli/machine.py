"""`profkit machine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit machine",
    "profkit machine --again --json",
    "profkit machine -o here.json",
    "profkit machine examples/machines/h100-sxm.json",
)


def command(
    file: Annotated[Path | None, Argument(help="published peaks to show (default: this machine)")] = None,
    again: Annotated[bool, Option("--again", help="measure anew what was measured before")] = False,
    output: Annotated[Path | None, Option("--output", "-o", help="also write them as a machine file")] = None,
    force: Annotated[bool, Option("--force", help="overwrite --output")] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON, which is the format of a machine file")] = False,
) -> None:
    """Say what this machine can do at most: arithmetic by type, bandwidth by level of memory, the cost of a call.

    It is measured once, in less than a minute, and kept; leave the machine alone meanwhile.
    """
    from profkit.errors import UsageError
    from profkit.machine import this_machine
    from profkit.measure_peaks import measure_peaks
    from profkit.peaks import cached_peaks, read_peaks, to_json, write_peaks
    from profkit.views.machine import machine_view
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress

    if file and again:
        raise UsageError(f"--again measures this machine, and {file} is a file", "leave out one of them")
    if output:
        check_overwrite(output, force)
    if file:
        peaks = read_peaks(file)
    else:
        with progress() as say:
            say("looking at this machine")
            kept = None if again else cached_peaks(this_machine())
            peaks = kept or measure_peaks(say)
    if output:
        write_peaks(peaks, output)
    if as_json:
        print_json(to_json(peaks))
    else:
        print_view(machine_view(peaks))
