"""A web server for one page on this machine: it answers on 127.0.0.1 alone, and ends with its block."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from profkit.errors import UsageError

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the files of a directory, some others beside them, and says nothing on standard error."""

    def __init__(self, *arguments: Any, directory: Path | None, files: Mapping[str, Path], origin: str | None) -> None:
        self._files, self._origin, self._closed = files, origin, directory is None
        super().__init__(*arguments, directory=str(directory) if directory else None)

    def translate_path(self, path: str) -> str:
        """The file that an address stands for; empty, which is no file, for none."""
        file = self._files.get(path.partition("?")[0])
        if file:
            return str(file)
        return "" if self._closed else super().translate_path(path)

    def end_headers(self) -> None:
        """Allow the other origin to read."""
        if self._origin:
            self.send_header("Access-Control-Allow-Origin", self._origin)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(
    directory: Path | None, files: Mapping[str, Path], port: int, hint: str, origin: str | None = None
) -> Iterator[int]:
    """Serve while the block runs.

    Args:
        directory: whose files are served; None for those alone that are named.
        files: further ones by their path in the address (`/profile.json`).
        port: 0 for a free one.
        hint: what to do where it is taken.
        origin: another page that may read from here.

    Returns:
        The port.

    Raises:
        UsageError: the port is in use, or not for this user.
    """
    handler = partial(_Handler, directory=directory, files=files, origin=origin)
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise port_error(port, error, hint) from error
    with server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def port_error(port: int, error: OSError, hint: str) -> UsageError:
    """The error for a port that cannot be served on."""
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"port {port} is in use", hint)
    return UsageError(f"cannot serve on port {port}: {error.strerror}", hint)


def for_ever() -> None:
    """Wait until somebody interrupts."""
    Event().wait()
