"""Every way to go wrong: one clear message, a hint, an exit code of its own, no traceback, nothing half-written."""

from __future__ import annotations

import gzip
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from profkit.artefact import read_head
from profkit.errors import InputError
from tests.cli.conftest import Profkit, complaint

OPERATOR = '{"ph":"X","cat":"cpu_op","name":"aten::add","pid":1,"tid":1,"ts":10.5,"dur":2.25,"args":{}}'
TRACE = f'{{"schemaVersion":1,"traceEvents":[{OPERATOR}]}}'
CALLGRIND = """# callgrind format
version: 1
creator: callgrind-3.19.0
events: Ir

fl=(1) a.c
fn=(1) main
1 10
2 20

totals: 30
"""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is no trace\n", "is of no format that profkit knows"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "is of no format that profkit knows"),
        (b"\xff\xfe{\x00", "is of no format that profkit knows"),
        (b"\x1f\x8bnot gzip at all", "is broken gzip|cannot read"),
        (gzip.compress(TRACE.encode(), mtime=0)[:20] + b"garbage" * 20, "is broken gzip"),
        (b'{"schemaVersion":1,"traceEvents":[]}', "event"),
        (b'{"schemaVersion":1,"traceEvents":[{"ph":"X","cat":"Trace","name":"PyTorch Profiler (0)","pid":"Spans",'
         b'"tid":"PyTorch Profiler","ts":1,"dur":2}]}', "operator"),
        (TRACE[:40].encode(), "operator|event"),
        (CALLGRIND.replace("events: Ir\n", "").encode(), "events"),
        (CALLGRIND[:-14].encode() + b"+3 x", "line|cut|malformed"),
        (CALLGRIND.replace("fn=(1) main", "fn=(7)").encode(), "7"),
        (CALLGRIND.replace("totals: 30", "totals: 31").encode(), "31"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused(profkit: Profkit, tmp_path: Path, data: bytes, message: str) -> None:
    artefact = tmp_path / "artefact"
    artefact.write_bytes(data)
    assert re.search(message, complaint(profkit("import", artefact, "-o", "p.json"), InputError.exit_code))
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]


@pytest.mark.parametrize(
    "text",
    [
        TRACE.replace("aten::add", "aten::\x01add"),
        TRACE.replace('"args":{}', '"args":{"path":"C:\\Users\\x"}'),
        TRACE.replace('"args":{}', '"args":{"value":NaN}'),
        TRACE.replace("]}", f",{OPERATOR[:-30]}"),
    ],
    ids=["control character", "Windows path", "NaN", "truncated"],
)
def test_what_can_be_repaired_is_read_and_the_repair_is_told(profkit: Profkit, tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.json").write_text(text)
    done = profkit("import", "trace.json", "-o", "p.json")
    assert done.returncode == 0, done.stderr
    assert "note: " in done.stdout
    assert "2.25 us" in profkit("show", "p.json").stdout


def test_a_trailing_comma_does_no_harm(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(TRACE.replace("]}", ",]}"))
    assert "2.25 us" in profkit("show", "trace.json").stdout


def test_of_a_gzip_file_that_is_cut_off_the_whole_events_are_kept_and_the_cut_is_told(
    profkit: Profkit, tmp_path: Path
) -> None:
    events = ",".join(OPERATOR.replace("10.5", f"{10 * index}.5") for index in range(20_000))
    (tmp_path / "trace.json.gz").write_bytes(gzip.compress(TRACE.replace(OPERATOR, events).encode())[:-4000])
    done = profkit("import", "trace.json.gz", "-o", "p.json")
    assert done.returncode == 0, done.stderr
    assert "note: the compressed file is cut off" in done.stdout


def test_a_legacy_bare_list_is_read(profkit: Profkit, tmp_path: Path) -> None:
    event = '{"name":"aten::add","ph":"X","ts":10,"dur":2,"tid":1,"pid":"CPU functions","args":{}}'
    (tmp_path / "trace.json").write_text(f"[{event}]")
    assert "aten::add" in profkit("show", "trace.json").stdout


def test_a_directory_is_named_as_one(profkit: Profkit, tmp_path: Path) -> None:
    assert "is a directory" in complaint(profkit("show", tmp_path), 3)


def test_a_missing_file_is_named(profkit: Profkit) -> None:
    assert "nowhere.json" in complaint(profkit("show", "nowhere.json"), 3)


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    artefact = tmp_path / "trace.json"
    artefact.write_text(TRACE)
    artefact.chmod(0)
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(0o755)
    ours = os.geteuid()
    os.seteuid(ours or 65534)  # root may read everything
    try:
        with pytest.raises(InputError, match="Permission denied"):
            read_head(artefact)
    finally:
        os.seteuid(ours)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("record", "--workload", "mnist_cn"), "unknown workload 'mnist_cn'", "mnist_cnn"),
        (("record", "--tool", "calgrind"), "unknown tool 'calgrind'", "callgrind"),
        (("record", "--impl", "libtorhc"), "unknown implementation 'libtorhc'", "libtorch"),
        (("record", "--option", "filter1=3"), "unknown option of mnist_cnn 'filter1'", "filters1"),
        (("record", "--option", "kernel_size=15"), "layer conv2", "smaller kernel"),
        (("record", "--steps", "0"), "--steps is 0", "1 or more"),
        (("record", "--batch-size", "0"), "--batch-size is 0", "1 or more"),
        (("record", "--subset", "10", "--batch-size", "64"), "a batch of 64 needs more than the 10", "--subset"),
        (("record", "-o", "missing/p.json"), "there is no directory missing", "make it"),
        (("agree", "--impl", "pytorch,tensorflow"), "unknown implementation 'tensorflow'", "known"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_do(
    profkit: Profkit, tmp_path: Path, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    said = complaint(profkit(*arguments), 2)
    assert message in said
    assert hint in said.partition("hint:")[2]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_flag_is_answered_with_the_nearest_one(profkit: Profkit) -> None:
    done = profkit("record", "--batchsize", "3")
    assert done.returncode == 2
    assert "--batch-size" in done.stderr


def test_an_unknown_dimension_is_answered_with_the_nearest_one(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(TRACE)
    assert "did you mean layer?" in complaint(profkit("show", "trace.json", "--by", "layr"), 2)


def test_an_existing_file_is_not_overwritten_without_force(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(TRACE)
    (tmp_path / "p.json").write_text("precious")
    assert "--force" in complaint(profkit("import", "trace.json", "-o", "p.json"), 2)
    assert (tmp_path / "p.json").read_text() == "precious"
    assert profkit("import", "trace.json", "-o", "p.json", "--force").returncode == 0


def path_without(tmp_path: Path, *missing: str) -> dict[str, str]:
    """A PATH with every program of this one but some."""
    directory = tmp_path.parent / f"{tmp_path.name}-bin"
    directory.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            if program.name not in missing:
                (directory / program.name).unlink(missing_ok=True)
                (directory / program.name).symlink_to(program)
    return {"PATH": str(directory)}


def test_callgrind_without_valgrind_says_how_to_get_it(profkit: Profkit, tmp_path: Path) -> None:
    done = profkit("record", "--tool", "callgrind", environment=path_without(tmp_path, "valgrind"))
    said = complaint(done, 4)
    assert "callgrind needs 'valgrind', which is not on PATH" in said
    assert "hint: apt-get install valgrind" in said


@pytest.mark.parametrize("missing", [("cmake",), ("c++", "g++", "clang++")])
def test_libtorch_without_cmake_or_a_compiler_says_how_to_get_it(
    profkit: Profkit, tmp_path: Path, missing: tuple[str, ...]
) -> None:
    said = complaint(profkit("record", "--impl", "libtorch", environment=path_without(tmp_path, *missing)), 4)
    assert missing[0] in said
    assert "hint: apt-get install cmake g++" in said


def test_a_build_that_fails_half_way_ends_in_the_compilers_own_words(profkit: Profkit, tmp_path: Path) -> None:
    """A compiler that really is one, but cannot find any header of the standard library."""
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    environment = {"PROFKIT_CACHE": str(cache), "CXXFLAGS": "-nostdinc++"}
    said = complaint(profkit("record", "--impl", "libtorch", "--no-agree", environment=environment), 5)
    assert "fatal error" in said
    assert list((cache / "native").iterdir()) == []


def test_a_profile_that_does_not_fit_on_the_disk_leaves_nothing(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(TRACE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    done = profkit("import", "trace.json", "-o", "p.json", environment=environment, preexec_fn=limit)
    assert "cannot write p.json: File too large" in complaint(done, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


@pytest.mark.parametrize("module", ["python", "c++"])
def test_a_bundle_of_another_schema_is_refused(module: str, tmp_path: Path, libtorch_build: Path) -> None:
    import torch

    torch.save({"schema": 99}, tmp_path / "bundle.pt")
    command = [sys.executable, "-m", "profkit.runner"] if module == "python" else [str(libtorch_build / "profkit_run")]
    flags = ["--bundle", "bundle.pt", "--report", "report.json", "--steps", "1"]
    done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bundle of schema 99" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A recording that would take minutes, at a moment when its program runs."""
    command = [sys.executable, "-m", "profkit", "record", "--steps", "100000", "--no-agree", "-o", "p.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not program_of(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def program_of(process: subprocess.Popen[str]) -> psutil.Process | None:
    children = psutil.Process(process.pid).children(recursive=True)
    return next((child for child in children if "profkit.runner" in child.cmdline()), None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_no_child_and_no_file(running: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    program = program_of(running)
    assert program
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "profkit: interrupted" in said
    assert "Traceback" not in said
    assert not program.is_running()
    assert [path for path in tmp_path.rglob("*") if path.name != "profkit-runs"] == []


def test_a_program_that_is_killed_is_reported_with_its_signal(running: subprocess.Popen[str], tmp_path: Path) -> None:
    program = program_of(running)
    assert program
    program.kill()
    _, said = running.communicate(timeout=30)
    assert running.returncode == 6
    assert "the program was killed by SIGKILL" in said
    assert [path for path in tmp_path.rglob("*") if path.name != "profkit-runs"] == []
