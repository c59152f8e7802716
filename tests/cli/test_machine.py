"""`profkit machine`: measured once, kept, shown with its spread; files that are refused; nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from profkit.machine import this_machine
from profkit.native import NativeBuild
from profkit.peaks import read_peaks
from profkit.runner.peaks import DTYPES
from tests.cli.conftest import Profkit, complaint

H100 = Path(__file__).parents[2] / "examples" / "machines" / "h100-sxm.json"
THREADS = {1, this_machine().cores}


@pytest.fixture(scope="module")
def cache(native: NativeBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has the C++ side and nothing else."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "native").symlink_to(native.machine.parents[1])
    return cache


def measure(cache: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "profkit", "machine", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", "PROFKIT_CACHE": str(cache), **environment},
    )


@pytest.fixture(scope="module")
def measured(cache: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """This machine, measured for the first time."""
    done = measure(cache, "--json")
    assert done.returncode == 0, done.stderr
    return done, json.loads(done.stdout)


@pytest.fixture(scope="module")
def here(measured: tuple[Any, dict[str, Any]]) -> dict[str, Any]:
    return measured[1]


def test_progress_is_on_standard_error(measured: tuple[subprocess.CompletedProcess[str], Any]) -> None:
    lines = measured[0].stderr.splitlines()
    assert lines[0] == "looking at this machine"
    assert {"measuring arithmetic", "measuring clock", "measuring bandwidth", "measuring dispatch"} <= set(lines)


def test_every_type_is_measured_with_one_and_with_all_threads_or_noted(here: dict[str, Any]) -> None:
    for dtype in DTYPES:
        counts = {peak["threads"] for peak in here["compute"] if (peak["device"], peak["dtype"]) == ("cpu", dtype)}
        assert counts == THREADS or any(note.startswith(f"no {dtype} on cpu: ") for note in here["notes"])
    assert {"float32", "float64"} <= {peak["dtype"] for peak in here["compute"]}


def test_every_level_that_the_system_tells_of_and_the_memory_are_measured(here: dict[str, Any]) -> None:
    levels = [level for level in here["bandwidth"] if level["device"] == "cpu"]
    told = [name for name in ("L1", "L2", "L3", "L4") if name in here["facts"]]
    for count in THREADS:
        assert [level["level"] for level in levels if level["threads"] == count] == [*told, "memory"]
    assert all((level["capacity_bytes"] is None) == (level["level"] == "memory") for level in levels)


def test_calls_are_timed_in_both_languages(here: dict[str, Any]) -> None:
    costs = {cost["language"]: cost["ns"]["value"] for cost in here["dispatch"] if cost["device"] == "cpu"}
    assert list(costs) == ["python", "c++"]


def test_every_figure_has_its_spread_and_how_it_was_measured(here: dict[str, Any]) -> None:
    for entry in (*here["compute"], *here["bandwidth"]):
        rate = entry.get("flop_per_s") or entry["bytes_per_s"]
        assert rate["value"] >= rate["median"] >= rate["low"] > 0
        assert rate["repeats"] >= 3
        assert entry["how"]


def test_the_circumstances_are_kept(here: dict[str, Any]) -> None:
    assert here["source"] == "measured"
    assert here["machine"]["processor"] == this_machine().processor
    assert {"torch", "python", "cores", "clock", "FLOP a cycle", "bytes counted", "measured in"} <= set(here["facts"])
    assert here["theoretical_flop_per_s"]["float32"] == 2 * here["theoretical_flop_per_s"]["float64"]


def test_it_is_measured_once(here: dict[str, Any], cache: Path) -> None:
    again = measure(cache)
    assert again.returncode == 0
    assert again.stderr == "looking at this machine\n"
    assert f"measured {here['measured_at']}; profkit machine --again measures anew" in again.stdout
    lines = [" ".join(line.split()) for line in again.stdout.splitlines()]
    assert "FLOP/s threads best median worst in theory share" in lines
    assert max(map(len, again.stdout.splitlines())) <= 80


def test_json_is_a_machine_file_and_so_is_what_is_written(here: dict[str, Any], cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    done = measure(cache, "--json", "-o", str(file))
    assert json.loads(done.stdout) == here
    assert json.loads(file.read_text()) == here
    assert read_peaks(file).machine == this_machine()
    shown = measure(cache, str(file), "--json")
    assert json.loads(shown.stdout) == here
    refused = measure(cache, "-o", str(file))
    assert "exists already" in complaint(refused, 2)
    assert measure(cache, "-o", str(file), "--force").returncode == 0


def test_without_a_compiler_the_memory_is_measured_by_torch_and_the_rest_is_noted(tmp_path: Path) -> None:
    done = measure(tmp_path, "--json", PATH="")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert {level["level"] for level in body["bandwidth"] if level["device"] == "cpu"} == {"memory"}
    assert [cost["language"] for cost in body["dispatch"]] == ["python"] * len(body["dispatch"])
    assert any(note.startswith("no bandwidth of the caches and no dispatch in C++: ") for note in body["notes"])
    assert [path.name for path in tmp_path.iterdir()] == ["machines"]


def test_a_published_file_is_shown_with_its_source(profkit: Profkit) -> None:
    done = profkit("machine", H100)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "source: NVIDIA H100 Tensor Core GPU data sheet" in done.stdout
    assert "bfloat16 cuda        989 T" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no machine file"),
        ('{"compute": []}', "has no `source`"),
        (H100.read_text().replace('"memory"', '"HBM3"'), "unknown level 'HBM3'"),
        (H100.read_text().replace('"float64"', '"fp64"'), "unknown dtype 'fp64'"),
        (H100.read_text().replace("494.7e12", "-494.7e12"), "is -4.947e+14, and should be positive"),
        (H100.read_text().replace("494.7e12", "NaN"), "is no machine file"),
    ],
)
def test_a_machine_file_that_cannot_be_right_is_refused(
    profkit: Profkit, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "machine.json").write_text(text)
    assert words in complaint(profkit("machine", "machine.json"), 3)


def test_a_file_cannot_be_measured_again(profkit: Profkit) -> None:
    assert "leave out one of them" in complaint(profkit("machine", H100, "--again"), 2)


@pytest.fixture
def running(cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A measurement whose program has begun."""
    command = [sys.executable, "-m", "profkit", "machine", "--again"]
    environment = {**os.environ, "PROFKIT_CACHE": str(cache)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not program_of(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield process
        process.kill()


def program_of(process: subprocess.Popen[str]) -> psutil.Process | None:
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # what asks for facts of the processor is gone in a moment
            if "profkit.runner.peaks" in child.cmdline():
                return child
    return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_no_child_and_what_was_measured_before(
    running: subprocess.Popen[str], here: dict[str, Any], cache: Path, number: int
) -> None:
    program = program_of(running)
    assert program
    running.send_signal(number)
    out, said = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "profkit: interrupted" in said
    assert "Traceback" not in said
    assert not program.is_running()
    (file,) = (cache / "machines").iterdir()
    assert json.loads(file.read_text()) == here
