"""`profkit doctor`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit doctor",
    "profkit doctor --tool py-spy --strict",
    "profkit doctor --try --json",
)


def command(
    tool: Annotated[str | None, Option(help="only this tool, what it needs and its options")] = None,
    thorough: Annotated[bool, Option("--try", help="also try tools that take seconds to start")] = False,
    strict: Annotated[bool, Option("--strict", help="exit with 4 where anything but the optional is missing")] = False,
    as_json: Annotated[bool, Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Say which tools, implementations and devices work here, what is missing and how to get it.

    Tools are tried on a program that does nothing; nothing is built, fetched or installed. The matrix tells which tool
    records which implementation or program of your own, and why not.
    """
    from profkit.doctor.examination import examine, only
    from profkit.errors import MissingToolError
    from profkit.recorders import Recorder
    from profkit.registry import find
    from profkit.views.doctor import doctor_json, doctor_view
    from profkit.views.output import print_json, print_view
    from profkit.views.progress import progress

    if tool:
        find("profkit.recorders", Recorder, tool, "tool")
    with progress() as say:
        say("looking at this machine")
        examination = examine(thorough=thorough)
    if tool:
        examination = only(examination, tool)
    if as_json:
        print_json(doctor_json(examination))
    else:
        print_view(doctor_view(examination))
    if strict and (lacking := examination.lacking()):
        raise MissingToolError(f"missing here: {', '.join(lacking)}", "the lines with -> say how to get it")
