"""`profkit doctor` as a user runs it, where all is there and where little is."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from profkit.commands import find_program
from profkit.implementations import Implementation
from profkit.recorders import Recorder
from profkit.registry import discover
from tests.cli.conftest import Profkit, complaint

Body = Mapping[str, Any]
RECORDERS = discover("profkit.recorders", Recorder)
IMPLEMENTATIONS = discover("profkit.implementations", Implementation)
LINKED = ("torch", "numba")


def doctor(*arguments: str, python: str = sys.executable, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it in eighty columns."""
    environment = {**os.environ, "COLUMNS": "80", "CXX": "", **variables}
    command = [python, "-m", "profkit", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def body_of(done: subprocess.CompletedProcess[str], code: int = 0) -> Body:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


def checks_of(body: Body) -> dict[str, Body]:
    return {check["name"]: check for check in body["checks"]}


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def here() -> Body:
    return body_of(doctor("--json"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Body:
    """With nothing on PATH and an empty cache."""
    return body_of(doctor("--json", PATH="", PROFKIT_CACHE=str(tmp_path_factory.mktemp("cache"))))


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make an environment like this one without torch and Numba, or with a `torch` that says this; returns Python."""

    def make(torch: str = "") -> Path:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, symlinks=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not any(word in entry.name.lower() for word in LINKED):
                (packages / entry.name).symlink_to(entry)
        if torch:
            facts = packages / "torch-2.13.0.dist-info"
            facts.mkdir()
            (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n")
            (packages / "torch").mkdir()
            (packages / "torch" / "__init__.py").write_text(torch)
        return folder / "bin" / "python"

    return make


def test_json_has_every_tool_and_implementation_with_its_devices(here: Body) -> None:
    assert list(here["tools"]) == list(RECORDERS)
    assert {name: tuple(facts["devices"]) for name, facts in here["implementations"].items()} == {
        name: implementation.devices for name, implementation in IMPLEMENTATIONS.items()
    }
    columns = [*IMPLEMENTATIONS, "python program", "c++ program"]
    assert {tool: list(row) for tool, row in here["matrix"].items()} == dict.fromkeys(RECORDERS, columns)


def test_json_has_the_options_of_every_tool(here: Body) -> None:
    found = {
        (tool, name): (option["default"], option["meaning"])
        for tool, facts in here["tools"].items()
        for name, option in facts["options"].items()
    }
    assert found == {
        (tool, name): (option.default, option.meaning)
        for tool, recorder in RECORDERS.items()
        for name, option in recorder.options.items()
    }


def test_versions_are_what_the_tools_themselves_print(here: Body) -> None:
    checks = checks_of(here)
    assert checks["python"]["version"] == platform.python_version()
    assert checks["torch"]["version"] == importlib.metadata.version("torch")
    assert here["tools"]["scalene"]["version"] == importlib.metadata.version("scalene")
    if shutil.which("valgrind"):
        assert f"valgrind-{checks['valgrind']['version']}" == said("valgrind", "--version").strip()
        assert here["tools"]["callgrind"]["version"] == said("valgrind", "--version").strip()
    if shutil.which("cmake"):
        assert f"cmake version {checks['cmake']['version']}" == said("cmake", "--version").splitlines()[0]
    if py_spy := find_program("py-spy"):
        assert here["tools"]["py-spy"]["version"] == said(py_spy, "--version").strip()


def test_a_no_has_a_reason_and_a_yes_has_none(here: Body) -> None:
    cells = [cell for row in here["matrix"].values() for cell in row.values()]
    assert all(bool(cell["reason"]) != cell["works"] for cell in cells)
    assert here["matrix"]["torch"]["pytorch"]["works"]
    assert "a C++ program has none" in here["matrix"]["scalene"]["libtorch"]["reason"]


def test_what_is_not_on_path_is_missing_with_how_to_get_it(bare: Body) -> None:
    checks = checks_of(bare)
    for name, remedy in {
        "valgrind": "apt-get install valgrind",
        "cmake": "apt-get install cmake",
        "C++ compiler": "apt-get install g++",
        "npm": "apt-get install npm",
    }.items():
        assert (checks[name]["status"], checks[name]["remedy"]) == ("missing", [remedy])
    assert {"valgrind", "cmake", "C++ compiler", "C++ side", "callgrind", "libtorch"} <= set(bare["missing"])
    assert "npm" not in bare["missing"]  # it is optional


def test_without_a_compiler_and_valgrind_the_matrix_says_so(bare: Body) -> None:
    matrix = bare["matrix"]
    assert matrix["callgrind"]["python program"]["reason"] == "callgrind: needs 'valgrind', which is not on PATH"
    assert matrix["torch"]["libtorch"]["reason"] == "libtorch: no 'c++' or 'g++' or 'clang++' on PATH"
    assert "include profkit/profkit.h" in matrix["torch"]["c++ program"]["reason"]
    assert matrix["torch"]["pytorch"] == {"works": True, "reason": None}


@pytest.mark.skipif(not shutil.which("cmake"), reason="there is no cmake")
def test_looking_builds_nothing(tmp_path: Path) -> None:
    body = body_of(doctor("--json", PROFKIT_CACHE=str(tmp_path)))
    assert checks_of(body)["C++ side"]["status"] == "ok"
    assert checks_of(body)["C++ side"]["note"].startswith("not built yet")
    assert body["implementations"]["libtorch"]["note"] == "the first use builds it"
    assert not list(tmp_path.iterdir())


def test_without_torch_it_says_how_to_get_it(without: Callable[..., Path]) -> None:
    body = body_of(doctor("--json", python=str(without())))
    checks = checks_of(body)
    assert checks["torch"]["note"] == "torch is not installed"
    assert checks["torch"]["remedy"] == ["pip install 'profkit[torch]'"]
    assert checks["numba"]["remedy"] == ["pip install 'profkit[numba]'"]
    assert not any(facts["works"] for facts in body["implementations"].values())
    assert not body["tools"]["torch"]["works"]
    assert body["matrix"]["scalene"]["python program"]["works"]


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')\n", "libcudart.so.13"),
        ("import os; os.kill(os.getpid(), 4)\n", "killed by SIGILL"),
    ],
)
def test_a_torch_that_breaks_is_named_with_its_own_words(without: Callable[..., Path], torch: str, words: str) -> None:
    body = body_of(doctor("--json", python=str(without(torch))))
    check = checks_of(body)["torch"]
    assert (check["status"], check["version"]) == ("missing", "2.13.0")
    assert words in check["note"]
    assert words in body["matrix"]["wallclock"]["pytorch"]["reason"]


def test_tables_fit_eighty_columns_and_strictness_is_an_exit_code(tmp_path: Path) -> None:
    done = doctor("--strict", PATH="", PROFKIT_CACHE=str(tmp_path))
    assert done.returncode == 4
    assert "profkit: missing here: " in done.stderr
    assert "hint: " in done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    words = [" ".join(line.split()) for line in lines]
    assert "callgrind no 1 no 1 no 1 no 1 no 1" in words
    assert "1 callgrind: needs 'valgrind', which is not on PATH" in words
    assert "-> apt-get install valgrind" in words
    assert words[-1].startswith("Missing here: ") or words[-2].startswith("Missing here: ")


def test_one_tool_is_shown_with_its_options_and_nothing_else(profkit: Profkit) -> None:
    done = profkit("doctor", "--tool", "py-spy")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert f"rate {RECORDERS['py-spy'].options['rate'].default} samples a second" in words
    assert "py-spy no 1 yes yes yes no 1" in words
    assert "1 py-spy: it finds its way through the frames of the Python interpreter" in words
    assert "callgrind" not in words
    assert "Implementations" not in words
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_tool_that_does_not_exist_is_refused_at_once(profkit: Profkit) -> None:
    words = complaint(profkit("doctor", "--tool", "scallene"), 2)
    assert "unknown tool 'scallene'" in words
    assert "did you mean scalene" in words
    assert "looking" not in words
