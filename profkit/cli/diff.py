"""`profkit diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

if TYPE_CHECKING:
    from profkit.audit import Audit
    from profkit.gate import Gate
    from profkit.profile import Profile

EXAMPLES = (
    "profkit diff python.json cpp.json",
    "profkit diff python.json cpp.json --by layer --top 20",
    "profkit diff python.json cpp.json --by layer,phase --columns flop_per_s",
    "profkit diff python.json cpp.json --roofs",
    "profkit diff python.json cpp.json --flame --chart difference.html",
    "profkit diff base.json new.json --fail-over 5% --gate-by layer --markdown summary.md",
    "profkit diff before.json.gz after.json.gz --by operator --csv",
)

GATE, FLAME = "A gate for CI", "Differential flame graph"


def command(
    context: Context,
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
    flame: Annotated[bool, Option("--flame", help="draw it in the terminal", rich_help_panel=FLAME)] = False,
    chart: Annotated[
        Path | None, Option(help="write it as .html (offline) or .speedscope.json", rich_help_panel=FLAME)
    ] = None,
    fail_over: Annotated[
        str | None,
        Option(help="exit with 12 where B is surely slower by more than this: 5%, 0.05", rich_help_panel=GATE),
    ] = None,
    gate_by: Annotated[
        str, Option(help="hold each row to it too: layer, operator, symbol, ...", rich_help_panel=GATE)
    ] = "",
    markdown: Annotated[
        str | None,
        Option(
            help="write a summary for a pull request to this file, also over an old one; - prints it",
            rich_help_panel=GATE,
        ),
    ] = None,
    force: Annotated[bool, Option("--force", help="compare what is not comparable, too; overwrite --chart")] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON, every row")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, every row")] = False,
) -> None:
    """Say whether A and B are comparable, how much slower B is, where, and why.

    A comparison of other work (R01), other training (R02) or two machines (R14) is refused with what can be said all
    the same; profkit audit shows all rules, profkit explain every cause.
    """
    from profkit.audit import audit
    from profkit.gate import parse_limit
    from profkit.loader import load
    from profkit.quantities import parse_quantities
    from profkit.summary import parse_dimensions
    from profkit.views.output import check_formats, check_panels

    check_formats(as_json, as_csv or markdown == "-")
    if fail_over is None:
        check_panels(context, GATE, "a diff without --fail-over")
    _check_files((baseline, candidate), chart, markdown, force)
    limit = None if fail_over is None else parse_limit(fail_over)
    dimensions, held = parse_dimensions(by), parse_dimensions(gate_by) if gate_by else ()
    names = parse_quantities(f"{columns},flop,macs" if macs else columns)
    profiles = load(baseline), load(candidate)
    found = audit(*profiles)
    if found.refusals and not force:
        _refuse(found, profiles, markdown, as_json, as_csv)
    more = _nearer(*profiles) if roofs else []
    gated = None if limit is None else _gated(profiles, limit, held)
    if markdown != "-":
        _show(profiles, found, gated, (dimensions, top, names, more), as_json, as_csv)
    if flame or chart:
        _draw((baseline, candidate), chart, top if flame and not (as_json or as_csv) else 0)
    if gated:
        _judge(gated, markdown)


def _check_files(inputs: tuple[Path, Path], chart: Path | None, markdown: str | None, force: bool) -> None:
    """Refuse to write where nothing can be, over a chart, and over what is read; a summary is made anew each time."""
    from profkit.errors import UsageError
    from profkit.views.flame_files import check_suffix
    from profkit.views.output import check_overwrite

    if chart:
        check_suffix(chart)
        check_overwrite(chart, force)
    if markdown and markdown != "-":
        check_overwrite(Path(markdown), force=True)
        if Path(markdown).resolve() in [path.resolve() for path in inputs]:
            raise UsageError(f"--markdown would overwrite {markdown}, which is to be compared", "name another file")


def _refuse(found: Audit, profiles: tuple[Profile, Profile], markdown: str | None, as_json: bool, as_csv: bool) -> None:
    """Say why there is no comparison, in the summary too, and end; as CSV there is nothing to print.

    Raises:
        UnfairError: always.
    """
    from profkit.errors import UnfairError
    from profkit.views.diff import refused_json, refused_view
    from profkit.views.output import print_json, print_view
    from profkit.views.refusal import refusal_markdown

    if markdown:
        _write_summary(markdown, refusal_markdown(found, *profiles))
    if as_json:
        print_json(refused_json(found, profiles))
    elif not as_csv and markdown != "-":
        print_view(refused_view(found, profiles))
    raise UnfairError(f"not comparable: {', '.join(found.refusals)}", "--force compares them all the same")


def _show(
    profiles: tuple[Profile, Profile],
    found: Audit,
    gated: Gate | None,
    how: tuple[tuple[str, ...], int, tuple[str, ...], list[str]],
    as_json: bool,
    as_csv: bool,
) -> None:
    from profkit.views.diff import diff_json, diff_rows, diff_view
    from profkit.views.gate import gate_json, gate_view
    from profkit.views.output import print_csv, print_json, print_view

    dimensions, top, names, more = how
    if as_json:
        judged = {"gate": gate_json(gated)} if gated else {}
        print_json(diff_json(*profiles, dimensions, names, more, found) | judged)
    elif as_csv:
        print_csv(*diff_rows(*profiles, dimensions, names))
    else:
        print_view(diff_view(*profiles, dimensions, top, names, more, found))
        if gated:
            print_view(gate_view(gated, top))


def _nearer(baseline: Profile, candidate: Profile) -> list[str]:
    from profkit.roofline.run import peaks_for, under_roofs
    from profkit.views.roofline import nearer

    peaks = peaks_for(baseline.run)
    return nearer(*(under_roofs(profile, peaks, ("layer", "phase")) for profile in (baseline, candidate)))


def _draw(paths: tuple[Path, Path], chart: Path | None, top: int) -> None:
    from profkit.flame_difference import difference_of
    from profkit.views.flame import flame_view
    from profkit.views.flame_files import write_flame
    from profkit.views.output import print_view

    difference = difference_of(*paths)
    if top:
        print_view(flame_view(difference, top))
    if chart:
        write_flame(difference, chart)


def _gated(profiles: tuple[Profile, Profile], limit: float, held: tuple[str, ...]) -> Gate:
    from profkit.gate import gate

    return gate(*profiles, limit, held)


def _judge(gated: Gate, markdown: str | None) -> None:
    """Write the summary, and end with the gate's own code where it is past its limit.

    Raises:
        GateError: it is.
    """
    from profkit.errors import GateError
    from profkit.views.gate import gate_markdown, gate_sentence

    if markdown:
        _write_summary(markdown, gate_markdown(gated))
    if gated.failed:
        raise GateError(
            gate_sentence(gated).removeprefix("FAILED: "),
            "a larger --fail-over, or make it faster; profkit explain says why",
        )


def _write_summary(to: str, text: str) -> None:
    from profkit.write import write_whole

    if to == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(to), text.encode())
