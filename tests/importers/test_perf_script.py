"""The output of perf script: headers of several layouts, Python's names, and which event is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import InputError
from profkit.importers.perf_script import PERF_SCRIPT
from profkit.profile import Recording
from tests.importers.golden import artefact, cases, expected, found, paths, read_or_refused, self_by

Load = Callable[[str], Recording]
FRAME = "\t    7f01 f+0x10 (/bin/x)\n"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> Recording:
        path = tmp_path / "perf.txt"
        path.write_text(text)
        return PERF_SCRIPT.load(path)

    return load


@pytest.mark.parametrize("case", cases("perf_script"))
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    assert found(PERF_SCRIPT, case) == expected("perf_script", case)


@pytest.mark.parametrize(
    ("header", "thread", "period"),
    [
        ("python 12/34 [001] 1.5:     250 cpu-clock:u: ", "python 12/34", 250),
        ("a name 7  12 1.5:     250 cpu-clock: ", "a name 7 12", 250),
        ("python 12/34 [001] d..1. 1.5:     250 task-clock:", "python 12/34", 250),
        ("python 12 250 cpu-clock:", "python 12", 250),
        ("swapper     0 [000] 1.5: 250 cpu-clock:ppp: ", "swapper 0", 250),
    ],
)
def test_headers_of_every_layout_are_read(load: Load, header: str, thread: str, period: int) -> None:
    recording = load(f"{header}\n{FRAME}\n")
    assert paths(recording, "self_ns") == {(thread, "f"): period}
    assert paths(recording) == {(thread, "f"): 1}


def test_a_period_is_time_instructions_or_no_measure_of_ours_by_its_event(load: Load) -> None:
    text = "p 1 1.5: 250 {}: \n" + FRAME + "\n"
    for name, column in (("cpu-clock", "self_ns"), ("instructions:u", "self_instructions"), ("cycles:ppp", None)):
        recording = load(text.format(name))
        costs = {each for each in ("self_ns", "self_instructions") if not recording.records[each].null_count}
        assert costs == ({column} if column else set())
        assert recording.tool_totals == {"samples": 1, name: 250}
    assert recording.notes == ("the 1 samples of cycles:ppp count as samples; their periods sum to 250",)


def test_of_several_events_one_is_read_and_the_others_are_told(load: Load) -> None:
    recording = load("".join(f"p 1 1.5: 250 {name}: \n{FRAME}\n" for name in ("cycles", "cycles", "cpu-clock")))
    assert recording.tool_totals == {"samples": 1, "cpu-clock": 250}
    assert recording.notes == ("samples of other events than cpu-clock were left out: 2 of cycles",)


def test_samples_without_a_period_count_as_samples(load: Load) -> None:
    recording = load(f"p 1 1.5: cpu-clock: \n{FRAME}\np 1 1.6: cpu-clock: \n\n")
    assert paths(recording) == {("p 1", "f"): 1, ("p 1", None): 1}
    assert recording.tool_totals == {"samples": 2}
    assert recording.notes == ("1 samples have no stack",)


def test_made_code_kernel_code_and_operators_have_their_categories() -> None:
    recording = PERF_SCRIPT.load(artefact("perf_script", "python"))
    assert self_by(recording, "operator", "category") == {("aten::relu", "dispatch"): 1, (None, "kernel"): 1}
    recording = PERF_SCRIPT.load(artefact("perf_script", "events"))
    assert self_by(recording, "symbol", "category", cost="self_instructions") == {
        ("copy_user_generic", "runtime"): 1_000_005, ("main", "other"): 999_999,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no samples of perf"),
        ("# only a comment\n", "no samples of perf"),
        (FRAME, "line 1: a frame, but no sample before it"),
        (f"p 1 1.5: 250 cycles: \n{FRAME}garbage\n", "line 3: 'garbage' is no sample of perf"),
        (f"p 1 1.5: 250 cycles: \n{FRAME}\t   what is this\n", "line 3: 'what is this' is no frame of perf"),
        ("p 1 1.5: 99999999999999999999 cycles: \n" + FRAME, "line 1: the period 99999999999999999999"),
    ],
)
def test_what_is_no_output_of_perf_is_refused_with_its_line(load: Load, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(text)
    assert caught.value.hint


@given(st.integers(0, 1200))
def test_a_file_cut_off_anywhere_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "perf.txt"
    whole = artefact("perf_script", "cpu-clock").read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    read = read_or_refused(PERF_SCRIPT, path)
    assert read.hint if isinstance(read, InputError) else read.records.num_rows


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        ("p 1 1.5: 250 cycles: \n" + FRAME, True),
        ("# a comment\n\np 1/2 [000] 1.5: cpu-clock:u: \n" + FRAME, True),
        ("p 1 1.5: 250 cycles: \n", False),
        ("a;b 1\n", False),
        ("fl=a.c\nfn=main\n1 5\n", False),
    ],
)
def test_output_of_perf_is_recognised(head: str, is_it: bool) -> None:
    assert PERF_SCRIPT.sniff(head.encode()) == is_it
