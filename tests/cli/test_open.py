"""`profkit open`: what it serves, on which ports, how it ends, and what it says where a viewer is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from profkit.errors import InputError, MissingToolError, UsageError
from tests.cli.conftest import Profkit, complaint

TORCH = Path(__file__).parents[2] / "traces" / "mnist_cnn" / "pytorch" / "torch"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def opened(tmp_path: Path, *arguments: str | Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """`profkit open ... --json` while it runs, and what it printed."""
    command = [sys.executable, "-m", "profkit", "open", *map(str, arguments), "--no-browser", "--json"]
    environment = {**os.environ, "PROFKIT_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.communicate()[1]
                text += line
            yield json.loads(text), process
        finally:
            process.kill()


def end(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C; nothing that was started is left, and it is no failure."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def read(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:
        return bytes(answer.read())


def test_the_trace_is_served_to_perfettos_page_alone_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    port = free_port()
    with opened(tmp_path, TORCH, "--in", "perfetto", "--port", str(port)) as (told, process):
        page, _, trace = told["address"].partition("/#!/?url=")
        assert page == "https://ui.perfetto.dev"
        assert trace == f"http://127.0.0.1:{port}/torch.perfetto.json"
        with urllib.request.urlopen(trace) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == page
            assert answer.read() == Path(told["file"]).read_bytes()
        assert any("needs the network" in note for note in told["notes"])
        connection = HTTPConnection("127.0.0.1", port)
        for path in ("/", "/../run.json", "/etc/passwd"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
        connection.close()
        end(process)


def test_tensorboard_lists_the_run_and_answers_with_the_operators_and_leaves_no_child(tmp_path: Path) -> None:
    port = free_port()
    with opened(tmp_path, TORCH, "--in", "tensorboard", "--port", str(port)) as (told, process):
        assert told["address"] == f"http://127.0.0.1:{port}/#pytorch_profiler"
        assert any("network" in note for note in told["notes"])
        routes = f"http://127.0.0.1:{port}/data/plugin/pytorch_profiler"
        assert json.loads(read(f"{routes}/runs"))["runs"] == ["torch"]
        table = json.loads(
            read(f"{routes}/operation/table?run=torch&worker=profkit&span=1&view=Operator&group_by=Operation")
        )
        assert {"aten::conv2d", "aten::addmm"} <= {row["name"] for row in table["data"]}
        end(process)


@pytest.mark.parametrize("viewer", ["speedscope", "tensorboard", "perfetto"])
def test_a_port_in_use_is_refused_with_its_number(profkit: Profkit, viewer: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = profkit("open", TORCH, "--in", viewer, "--port", port, "--no-browser")
    said = complaint(done, UsageError.exit_code)
    assert f"port {port} is in use" in said
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((TORCH, "--in", "tensorbord"), UsageError.exit_code, "unknown viewer 'tensorbord'"),
        ((TORCH, "--port", "80"), UsageError.exit_code, "--port is 80"),
        ((TORCH, "--port", "70000"), UsageError.exit_code, "--port is 70000"),
        (("nothing.json",), InputError.exit_code, "cannot read nothing.json"),
    ],
)
def test_what_cannot_be_opened_is_refused(
    profkit: Profkit, arguments: tuple[str | Path, ...], code: int, message: str
) -> None:
    assert message in complaint(profkit("open", *arguments, "--no-browser"), code)


def test_without_npm_the_file_is_left_for_the_web_page(profkit: Profkit, tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "PROFKIT_CACHE": str(tmp_path / "cache"), "DISPLAY": ""}
    done = profkit("open", TORCH, "--json", "--no-browser", environment=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["address"], told["serving"]) == ("https://www.speedscope.app", False)
    assert "npm, which is not on PATH" in told["notes"][0]
    assert "nothing is uploaded" in told["notes"][0]
    assert json.loads(Path(told["file"]).read_bytes())["profiles"]


def test_a_package_that_npm_cannot_fetch_is_no_failure(profkit: Profkit, tmp_path: Path) -> None:
    environment = {"PROFKIT_CACHE": str(tmp_path / "cache"), "NPM_CONFIG_REGISTRY": "http://127.0.0.1:9/"}
    environment |= {"NPM_CONFIG_FETCH_RETRIES": "0", "NPM_CONFIG_CACHE": str(tmp_path / "npm")}
    done = profkit("open", TORCH, "--no-browser", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "npm could not fetch speedscope" in done.stderr
    assert "speedscope: https://www.speedscope.app" in done.stdout
    assert not (tmp_path / "cache" / "viewers").exists()


def test_tensorboard_that_is_not_installed_is_a_missing_tool(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch_tb_profiler'] = None; sys.argv = ['profkit', 'open', sys.argv[1], '--in', "
        "'tensorboard']; from profkit.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(TORCH)], capture_output=True, text=True, check=False)
    assert "'torch-tb-profiler', which is not installed" in complaint(done, MissingToolError.exit_code)
    assert "pip install 'profkit[tensorboard]'" in done.stderr


def test_without_a_screen_the_address_is_all_there_is(tmp_path: Path) -> None:
    code = "from profkit.viewers.browser import browse; print(browse('http://127.0.0.1:9/'))"
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name and name != "BROWSER"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"
