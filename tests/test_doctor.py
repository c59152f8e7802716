"""What works here: the checks, the trials and the matrix, each against what the tools themselves do."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import profkit.doctor.checks
from profkit.commands import NATIVE, PYTHON
from profkit.doctor import MISSING, OK, Check, Finding, Seen, Surroundings, check, missing, ok
from profkit.doctor.answers import ask, older
from profkit.doctor.examination import SECTIONS, Examination, examine, only
from profkit.doctor.libraries import look_inside
from profkit.doctor.matrix import OWN, Subject, Tool, matrix_of
from profkit.doctor.trial import tried
from profkit.doctor.unbuilt import unless_built
from profkit.errors import MissingToolError, UsageError
from profkit.native import Say
from profkit.recorders import Recorder
from profkit.registry import discover, find

RECORDERS = discover("profkit.recorders", Recorder)
CHECKS = discover("profkit.doctor.checks", Check)
NOWHERE = Surroundings(dict)


@pytest.fixture(scope="module")
def examination() -> Examination:
    return examine()


def looked(name: str, facts: Mapping[str, object] | None = None) -> Seen:
    """What one check sees, given what the libraries said."""
    seen = CHECKS[name].look(Surroundings(lambda: facts or {}))
    assert seen
    return seen


def test_every_function_under_check_is_found_under_a_name_of_its_own() -> None:
    folder = Path(profkit.doctor.checks.__file__).parent
    written = [
        name for file in folder.glob("*.py") for name in re.findall(r'^@check\("([^"]+)"', file.read_text(), re.M)
    ]
    assert sorted(written) == sorted(CHECKS)


def test_every_check_says_what_its_thing_is_for_and_stands_in_a_known_section() -> None:
    assert all(check.purpose for check in CHECKS.values())
    assert {check.section for check in CHECKS.values()} == set(SECTIONS)


def test_what_checks_are_needed_by_exists() -> None:
    known = {*RECORDERS, "libtorch", "numba", "pytorch"}
    assert {name for check in CHECKS.values() for name in check.needed_by + check.helps} <= known


def test_a_check_is_one_function_and_its_docstring_the_purpose() -> None:
    @check("hammer", "Tools", needed_by=("nail",))
    def hammer(_: Surroundings) -> Seen:
        """Drives nails.

        More is not said.
        """
        return ok("1.0")

    assert (hammer.name, hammer.purpose, hammer.needed_by) == ("hammer", "drives nails", ("nail",))
    assert hammer.look(NOWHERE) == Seen(OK, "1.0")


def test_only_what_is_missing_and_not_optional_is_lacking() -> None:
    needed, luxury = (Check(name, "", "", lambda _: None, optional=name == "luxury") for name in ("needed", "luxury"))
    gone = missing("gone")
    assert [Finding(one, gone).lacks for one in (needed, luxury)] == [True, False]
    assert not Finding(needed, ok()).lacks


def test_every_tool_meets_every_implementation_and_both_kinds_of_own_program(examination: Examination) -> None:
    columns = [subject.name for subject in examination.subjects]
    assert columns == ["libtorch", "numba", "pytorch", "python program", "c++ program"]
    assert [tool.name for tool in examination.tools] == list(RECORDERS)
    assert all(list(row) == columns for row in examination.matrix.values())


def test_what_a_tool_refuses_is_no_with_the_words_of_its_recorder(examination: Examination) -> None:
    reason = examination.matrix["py-spy"]["libtorch"]
    assert reason == f"py-spy: {RECORDERS['py-spy'].refuses[NATIVE]}"
    assert examination.matrix["py-spy"]["c++ program"] == reason
    assert examination.matrix["wallclock"]["python program"] is None


def test_the_findings_stand_by_section_in_the_order_of_reading(examination: Examination) -> None:
    sections = [finding.check.section for finding in examination.findings]
    assert list(dict.fromkeys(sections)) == [section for section in SECTIONS if section in sections]
    assert sections == sorted(sections, key=SECTIONS.index)


def test_looking_at_one_tool_keeps_what_concerns_it(examination: Examination) -> None:
    narrowed = only(examination, "callgrind")
    assert [tool.name for tool in narrowed.tools] == ["callgrind"]
    assert list(narrowed.matrix) == ["callgrind"]
    names = {finding.check.name for finding in narrowed.findings}
    assert {"valgrind", "cmake"} <= names
    assert not names & {"ptrace", "signals", "browser"}
    with pytest.raises(UsageError, match="unknown tool 'calgrind'"):
        only(examination, "calgrind")


TOOL = Tool(Recorder("hammer", "", "", "", client_requests=True), "1.0", None)
INSIDE = Tool(Recorder("clock", "", "", "", inside=True, refuses={}), None, None)
PICKY = Tool(Recorder("picky", "", "", "", refuses={NATIVE: "it has no frames"}), None, "needs a lawn")
RUNS = Subject("runs", "", PYTHON, {"cpu": None})
IDLE = Subject("idle", "", NATIVE, {"cpu": "no"}, problem="no compiler")


def test_the_matrix_says_the_reason_that_cannot_be_changed_first() -> None:
    found = matrix_of([TOOL, INSIDE, PICKY], [RUNS, IDLE, *OWN], extension="no headers", preload="no loader")
    assert found == {
        "hammer": {
            "runs": "hammer on Python: no headers",
            "idle": "idle: no compiler",
            "python program": "hammer on Python: no headers",
            "c++ program": None,
        },
        "clock": {
            "runs": None,
            "idle": "idle: no compiler",
            "python program": None,
            "c++ program": "clock in a C++ program: no loader",
        },
        "picky": {
            "runs": "picky: needs a lawn",
            "idle": "picky: it has no frames",
            "python program": "picky: needs a lawn",
            "c++ program": "picky: it has no frames",
        },
    }


def test_where_nothing_is_missing_everything_but_what_is_refused_is_yes() -> None:
    found = matrix_of([TOOL, INSIDE], [RUNS, *OWN], extension=None, preload=None)
    assert not any(reason for row in found.values() for reason in row.values())


@pytest.mark.parametrize("name", [name for name, recorder in RECORDERS.items() if not recorder.inside])
def test_a_tool_that_is_installed_here_is_found_to_work(name: str) -> None:
    recorder = RECORDERS[name]
    if lacks := recorder.missing():
        pytest.skip(f"{name} needs {', '.join(lacks)}")
    trial = tried(recorder, thorough=True)
    assert trial
    assert (trial.failure, trial.remedy) == (None, ())


def test_what_is_in_the_program_or_takes_seconds_is_not_tried() -> None:
    assert tried(find("profkit.recorders", Recorder, "wallclock"), thorough=True) is None
    assert tried(find("profkit.recorders", Recorder, "scalene"), thorough=False) is None


def test_a_tool_that_starts_and_fails_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path, valgrind="false", true="true")
    monkeypatch.setenv("PATH", str(folder))
    trial = tried(RECORDERS["callgrind"], thorough=False)
    assert trial
    assert trial.failure == "it does not record a program that does nothing: exit code 1"
    assert trial.remedy == ("apt-get install valgrind",)


def programs(folder: Path, **links: str) -> Path:
    """A directory for PATH with these programs in it, each under another's name."""
    made = folder / "programs"
    made.mkdir()
    for name, other in links.items():
        path = shutil.which(other)
        assert path
        (made / name).symlink_to(path)
    return made


def test_what_is_made_on_demand_is_asked_for_and_not_made(tmp_path: Path) -> None:
    def make(say: Say) -> str:
        if not (tmp_path / "made").exists():
            say("making it")
            (tmp_path / "made").touch()
        return "made"

    assert unless_built(make) is None
    assert not (tmp_path / "made").exists()
    (tmp_path / "made").touch()
    assert unless_built(make) == "made"


def test_what_making_it_lacks_is_passed_on() -> None:
    def make(_: Say) -> str:
        raise MissingToolError("needs a hammer")

    with pytest.raises(MissingToolError, match="needs a hammer"):
        unless_built(make)


def test_a_program_that_fails_hangs_dies_or_is_none_answers_with_why() -> None:
    python = [sys.executable, "-c"]
    assert ask([*python, "print('at 3.25.1 or so')"]).version == "3.25.1"
    assert ask([*python, "raise SystemExit('no, thanks')"]).failure == "no, thanks"
    assert ask([*python, "raise SystemExit(7)"]).failure == "exit code 7"
    assert ask([*python, "import os; os.kill(os.getpid(), 11)"]).failure == "killed by SIGSEGV"
    assert ask([*python, "import time; time.sleep(60)"], limit_s=0.2).failure == "it did not end within 0.2 s"
    assert ask(["/nowhere/hammer"]).failure == "it cannot be started: No such file or directory"
    assert ask([*python, "print(input())"], "words\n").output == "words\n"


def test_versions_are_compared_as_numbers() -> None:
    assert older("3.9", (3, 21))
    assert not older("3.21.0", (3, 21))
    assert not older("4.0", (3, 21))


def test_a_python_that_loses_events_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 4, "final", 0))
    assert "pytorch#155446" in looked("python").note
    monkeypatch.setattr(sys, "version_info", (3, 12, 5, "final", 0))
    assert looked("python").status == OK


def test_the_libraries_say_what_torch_says_here() -> None:
    torch = pytest.importorskip("torch")
    facts = look_inside()
    assert facts["torch"]["version"] == torch.__version__
    assert facts["torch"]["kineto"] == torch.profiler.kineto_available()
    assert bool(facts["torch"]["cuda"]) == torch.cuda.is_available()
    assert set(facts["devices"]["pytorch"]) == {"cpu", "cuda", "mps"}
    assert not any(facts["devices"]["pytorch"]["cpu"].values())


def test_a_gpu_is_named_and_what_torch_warns_of_is_said() -> None:
    facts = {"cuda": ["NVIDIA H100"], "cuda_build": "13.0", "hip_build": None, "warnings": []}
    assert looked("CUDA device", {"torch": facts}) == ok(None, "NVIDIA H100")
    old = "The NVIDIA driver on your system is too old"
    assert looked("CUDA device", {"torch": {**facts, "cuda": [], "warnings": [old]}}).note == old
    assert looked("CUDA device", {"torch": {**facts, "cuda": ["H100", "H100"]}}).note == "2 devices: H100, H100"
    assert looked("torch", {"torch": facts}).note == "CUDA 13.0 build"


def test_a_torch_that_cannot_be_imported_is_missing_with_its_own_words() -> None:
    broken = {"torch": {"failure": "ImportError: libcudart.so.13: cannot open shared object file"}}
    assert looked("torch", broken).status == MISSING
    assert "libcudart.so.13" in looked("torch", broken).note
    assert looked("torch", {"failure": "killed by SIGILL"}).note == "killed by SIGILL"
    assert looked("Kineto", broken).status == looked("CUDA device", broken).status == MISSING


def test_a_compiler_that_is_none_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(programs(tmp_path, compiler="false") / "compiler"))
    assert "compiles no C++20" in looked("C++ compiler").note
    monkeypatch.setenv("CXX", "no-such-compiler")
    seen = looked("C++ compiler")
    assert (seen.status, seen.note) == (MISSING, "no 'no-such-compiler' on PATH")
    assert "CXX" in seen.remedy[0]


def test_a_cache_that_is_a_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path / "file" / "cache"))
    seen = looked("cache")
    assert seen.status == MISSING
    assert "Not a directory" in seen.note


def test_the_size_of_the_cache_is_that_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(2_000_000))
    monkeypatch.setenv("PROFKIT_CACHE", str(tmp_path))
    assert looked("cache").note == f"{tmp_path}, 2.0 MB"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_kernel_that_lets_nobody_look_into_programs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = tmp_path / "ptrace_scope"
    monkeypatch.setattr("profkit.doctor.checks.tools._YAMA", scope)
    assert "yama ptrace_scope absent" in looked("ptrace").note
    scope.write_text("1\n")
    assert looked("ptrace").status == OK  # a recorded program allows it by itself
    scope.write_text("3\n")
    assert looked("ptrace").status == MISSING


def test_a_clock_that_changes_is_limited_and_one_that_is_not_told_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profkit.doctor.checks.system._PROCESSORS", tmp_path)
    assert CHECKS["clock"].look(NOWHERE) is None
    for number, governor in enumerate(("performance", "powersave")):
        folder = tmp_path / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
    seen = looked("clock")
    assert (seen.status, seen.note) == ("limited", "governor performance, powersave")
    (folder / "scaling_governor").write_text("performance\n")
    assert looked("clock") == ok(None, "governor performance")
