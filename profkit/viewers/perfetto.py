"""Perfetto: its web page reads the trace from here; the trace stays on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from profkit.exporters import write_file
from profkit.exporters.perfetto import PERFETTO as FORMAT
from profkit.exporters.perfetto import render
from profkit.viewers import Request, Say, Shown, Viewer
from profkit.viewers.server import HOST, for_ever, serving

ORIGIN = "https://ui.perfetto.dev"
PORT = 9001
"""The only one that Perfetto's page may read from."""
_NOTES = (
    f"the page of {ORIGIN} needs the network; the trace is read from this machine and not uploaded",
    f"without the network, or with another port than {PORT}: open the file in a page of Perfetto or chrome://tracing",
)


@contextmanager
def show(request: Request, say: Say) -> Iterator[Shown]:
    """Serve the trace to Perfetto's page."""
    say("writing the trace")
    file = request.folder / f"{request.name}{FORMAT.suffix}"
    write_file(render(request.material), file)
    hint = f"Perfetto's page reads from port {PORT} only: end what uses it; --port serves the file elsewhere"
    with serving(None, {f"/{quote(file.name)}": file}, request.port or PORT, hint, ORIGIN) as port:
        yield Shown(f"{ORIGIN}/#!/?url=http://{HOST}:{port}/{quote(file.name)}", file, _NOTES, for_ever)


PERFETTO = Viewer(name="perfetto", summary="time line, with tracks of layers and phases", show=show)
