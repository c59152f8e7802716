"""Scalene's JSON: which of its tables is read, where native code is cut, shares as times, memory, and short runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.aggregate import aggregate
from profkit.errors import InputError
from profkit.importers.scalene import SCALENE
from profkit.profile import Recording
from tests.importers.golden import artefact, cases, expected, found, paths, self_by

Load = Callable[..., Recording]


def py(name: str, line: int, file: str = "/x/a.py") -> dict[str, Any]:
    return {"kind": "py", "display_name": name, "filename_or_module": file, "line": line, "ip": None, "offset": None}


def native(name: str, library: str = "", ip: int = 0) -> dict[str, Any]:
    return {"kind": "native", "display_name": name, "filename_or_module": library, "line": None, "ip": ip, "offset": 0}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(**content: Any) -> Recording:
        path = tmp_path / "scalene.json"
        path.write_text(json.dumps({"files": {}, "elapsed_time_sec": 10.0, **content}))
        return SCALENE.load(path)

    return load


@pytest.mark.parametrize("case", cases("scalene"))
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    assert found(SCALENE, case) == expected("scalene", case)


def test_native_frames_are_those_below_the_last_python_code_that_runs(load: Load) -> None:
    stack = [
        py("<module>", 3), py("f", 5), native("Py_RunMain", "/lib/libpython3.11.so"),
        native("_PyEval_EvalFrameDefault", "/lib/libpython3.11.so"), native("PyObject_Call", "/lib/libpython3.11.so"),
        native("_PyEval_EvalFrameDefault.cold", "/lib/libpython3.11.so"),
        native("at::_ops::relu::call(at::Tensor const&)", "/lib/libtorch_cpu.so"), native("", ""),
    ]  # fmt: skip
    recording = load(combined_stacks=[[stack, 7], [stack[:6], 3], [[py("<module>", 3)], 1]])
    assert paths(recording) == {
        (None, "<module>", "f", "at::_ops::relu::call(at::Tensor const&)", None): 7,
        (None, "<module>", "f"): 3,
        (None, "<module>"): 1,
    }
    assert self_by(recording, "operator", "category") == {("aten::relu", "other"): 7, (None, "interpreter"): 4}
    assert self_by(recording, "file", "line") == {("/x/a.py", 5): 10, ("/x/a.py", 3): 1}


def test_code_without_a_name_between_two_addresses_of_a_library_is_that_librarys(load: Load) -> None:
    named = [native("PyA", "/lib/libpython3.11.so", 100), native("PyB", "/lib/libpython3.11.so", 300)]
    recording = load(combined_stacks=[
        [[py("f", 1), *named], 1], [[py("f", 1), native("", "", 200)], 2], [[py("f", 1), native("", "", 400)], 4],
    ])  # fmt: skip
    assert self_by(recording, "library", "category") == {
        ("/lib/libpython3.11.so", "interpreter"): 3, (None, "other"): 4,
    }  # fmt: skip


def test_scopes_of_our_own_recordings_are_scopes(load: Load) -> None:
    stack = [py("phase/forward", 1, "<exec@profkit>"), py("layer/conv1", 1, "<profkit>"), py("f", 2)]
    records = load(combined_stacks=[[stack, 1]]).records
    assert records["kind"].to_pylist() == ["scope", "scope", "python"]


def test_the_timeline_tells_the_threads_where_it_is_whole(load: Load) -> None:
    moments = [{"stack_index": 0, "count": count, "thread_id": thread} for count, thread in ((2, 9), (3, 8), (1, 9))]
    recording = load(combined_stacks=[[[py("f", 1)], 6]], combined_stacks_timeline=moments, main_thread_id=9)
    assert self_by(recording, "thread") == {"main": 3, "8": 3}
    recording = load(combined_stacks=[[[py("f", 1)], 7]], combined_stacks_timeline=moments, main_thread_id=9)
    assert self_by(recording, "thread") == {None: 7}


def test_shares_of_python_stacks_become_times(load: Load) -> None:
    entries = ["/my dir/a.py <module>:22;", "/my dir/a.py CNN.forward:9;"]
    recording = load(stacks=[[entries, {"count": 4, "python_time": 0.25, "c_time": 0.5, "cpu_samples": 0.75}]])
    assert paths(recording, "self_ns") == {
        (None, "<module>", "CNN.forward"): 2_500_000_000, (None, "<module>", "CNN.forward", None): 5_000_000_000,
    }  # fmt: skip
    assert paths(recording) == {(None, "<module>", "CNN.forward"): 4}
    assert "its shares sum to 75.0% of the run" in recording.notes


def test_shares_of_lines_are_scalenes_own_to_rounding() -> None:
    path = artefact("scalene", "lines")
    recording, content = SCALENE.load(path), json.loads(path.read_text())
    own = self_by(recording, "file", "line", cost="self_ns")
    elapsed = content["elapsed_time_sec"] * 1e9
    told = {
        (file, line["lineno"]): line["n_cpu_percent_python"] + line["n_cpu_percent_c"] + line["n_sys_percent"]
        for file, source in content["files"].items()
        for line in source["lines"]
    }
    assert own.keys() == {key for key, percent in told.items() if percent}
    for key, cost in own.items():
        assert 100 * cost / elapsed == pytest.approx(told[key], abs=1e-6)
    assert sum(own.values()) == recording.tool_totals["ns"]


def test_memory_is_that_of_a_line_and_adds_nothing_to_any_other_cost() -> None:
    recording = SCALENE.load(artefact("scalene", "combined"))
    assert sum(self_by(recording, "symbol").values()) == recording.tool_totals["samples"]
    profile = aggregate([recording]).operators.to_pylist()
    (row,) = (row for row in profile if row["allocated_bytes"] is not None)
    assert (row["file"], row["line"], row["symbol"]) == ("/project/mem.py", 3, "f")
    assert (row["samples"], row["self_ns"]) == (0, None)
    assert row["allocated_bytes"] == round(6123.399673461914 * 1024 * 1024)
    assert row["peak_bytes"] == round(3141.327808380127 * 1024 * 1024)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is an empty profile: the run was too short"),
        (" {}\n", "is an empty profile"),
        ("", "no whole Scalene profile"),
        ('{"files": {}}', "missing required field `elapsed_time_sec`"),
        ('{"files": {}, "elapsed_time_sec": 1}', "no sample of the processor"),
        ('{"files": {}, "elapsed_time_sec": -1}', "elapsed_time_sec is -1"),
        ('{"files": {}, "elapsed_time_sec": 1, "stacks": [[["what"], {"c_time": 1}]]}', r"stacks\[0\]: 'what' is no"),
        ('{"files": {}, "elapsed_time_sec": 1, "stacks": [[["a f:1;"], {"c_time": -1}]]}', "a share of -1"),
        ('{"files": {}, "elapsed_time_sec": 1, "combined_stacks": [[[], -1]]}', r"combined_stacks\[0\] has -1"),
        ('{"files": [], "elapsed_time_sec": 1}', "Expected `object`, got `array`"),
    ],
)
def test_what_is_no_profile_is_refused_with_a_hint(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scalene.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        SCALENE.load(path)
    assert caught.value.hint


@given(st.integers(0, 9_000))
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "scalene.json"
    whole = artefact("scalene", "lines").read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    with pytest.raises(InputError, match="no whole Scalene profile"):
        SCALENE.load(path)


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        (b"{}", True),
        (b'{\n "alloc_samples": 0,\n "combined_stacks": [', True),
        (b'{"files": {}, "elapsed_time_sec": 1}', True),
        (b'{"files": {}}', False),
        (b'{"traceEvents": []}', False),
    ],
)
def test_scalenes_files_are_recognised(head: bytes, is_it: bool) -> None:
    assert SCALENE.sniff(head) == is_it
