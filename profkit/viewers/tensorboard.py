"""TensorBoard with torch-tb-profiler: started here as a child, and ended with its block."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from profkit.errors import MissingToolError, ProgramError
from profkit.exporters.tensorboard import write_directory
from profkit.process import end
from profkit.viewers import Request, Say, Shown, Viewer
from profkit.viewers.server import HOST, port_error

PORT = 6006
_PACKAGES = {"tensorboard": "tensorboard", "torch_tb_profiler": "torch-tb-profiler"}
_PATIENCE_S = 120.0
_POLL_S = 0.2
_NOTES = (
    "the plugin's page draws with Google's chart library, which it loads from the network: without, it stays empty",
)


@contextmanager
def show(request: Request, say: Say) -> Iterator[Shown]:
    """Start TensorBoard on a log directory of the profile and wait until the plugin has read it.

    Raises:
        MissingToolError: TensorBoard or the plugin is not installed.
        UsageError: the port is in use.
        ProgramError: it ends by itself, or does not answer.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise MissingToolError(
                f"this needs the Python package '{package}', which is not installed",
                "pip install 'profkit[tensorboard]'",
            )
    port = _free(request.port)
    with TemporaryDirectory() as folder:
        run = Path(folder) / request.name
        run.mkdir()
        say("writing the log directory")
        write_directory(request.material, run)
        log = Path(folder) / "log"
        process = _start(Path(folder), port, log)
        try:
            say("starting TensorBoard")
            _await(process, port, log)
            yield Shown(f"http://{HOST}:{port}/#pytorch_profiler", None, _NOTES, lambda: _wait(process, log))
        finally:
            end(process)


def _start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", HOST, "--port", str(port)]
    with log.open("wb") as file:
        # A session of its own, so that what it starts itself ends with it.
        return subprocess.Popen(
            [*command, "--load_fast=false"], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


def _free(wanted: int | None) -> int:
    """The port wanted, or else the usual one or, where that is taken, any."""
    for port in (PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if port != PORT or wanted is not None:
                    raise port_error(port, error, "choose another --port") from error
                continue
            found: int = probe.getsockname()[1]
            return found
    raise AssertionError("port 0 is always free or refused")


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the plugin lists the run."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            _wait(process, log)
        if _runs(port):
            return
        time.sleep(_POLL_S)
    raise ProgramError(f"TensorBoard lists no run after {_PATIENCE_S:g} s", _last_words(log))


def _runs(port: int) -> list[str]:
    """The runs that the plugin has read; none while TensorBoard is still starting."""
    connection = HTTPConnection(HOST, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/data/plugin/pytorch_profiler/runs")
        answer = connection.getresponse()
        found: list[str] = json.load(answer)["runs"] if answer.status == HTTPStatus.OK else []
    except (OSError, HTTPException):
        return []
    finally:
        connection.close()
    return found


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for its end, which nobody but the user should bring about."""
    code = process.wait()
    raise ProgramError(f"TensorBoard ended by itself with exit code {code}", _last_words(log))


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"


TENSORBOARD = Viewer(name="tensorboard", summary="operator, trace and memory views of torch-tb-profiler", show=show)
