"""`profkit open`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit open python.json --in speedscope",
    "profkit open trace.json.gz --in tensorboard --port 6007",
    "profkit open cpp.json --in perfetto --no-browser",
)


def command(
    file: Annotated[Path, Argument(help="profile, artefact of a tool, or run directory")],
    viewer: Annotated[str, Option("--in", help="speedscope, tensorboard or perfetto")] = "speedscope",
    port: Annotated[int | None, Option(help="on 127.0.0.1 (default: the viewer's, or a free one)")] = None,
    browser: Annotated[bool, Option("--browser/--no-browser", help="open the system's browser")] = True,
    as_json: Annotated[bool, Option("--json", help="print the address as JSON")] = False,
) -> None:
    """Show a profile in speedscope, TensorBoard or Perfetto on this machine, until Ctrl-C."""
    from contextlib import ExitStack, suppress

    from profkit.export import open_request
    from profkit.registry import find
    from profkit.viewers import Viewer
    from profkit.viewers.browser import browse
    from profkit.views.open import opened_json, opened_lines
    from profkit.views.output import print_json
    from profkit.views.progress import progress

    chosen = find("profkit.viewers", Viewer, viewer)
    with ExitStack() as opened:
        with progress() as say:
            say(f"reading {file.name}")
            shown = opened.enter_context(chosen.show(open_request(file, port), say))
        for note in shown.notes:
            print(f"note: {note}", file=sys.stderr)
        if as_json:
            print_json(opened_json(chosen, shown))
        else:
            print(*opened_lines(chosen, shown), sep="\n")
        sys.stdout.flush()
        if browser and not browse(shown.address):
            print("note: no browser was found here: open the address in one", file=sys.stderr)
        if shown.wait is not None:
            with suppress(KeyboardInterrupt):  # the way to end it
                shown.wait()
