"""Chrome traces of other tools than torch: how events pair, nest and end, and what is said of those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import InputError
from profkit.importers.chrome import CHROME
from profkit.importers.kineto import KINETO
from profkit.profile import Recording
from tests.importers.golden import artefact, cases, expected, found, read_or_refused, self_by

Load = Callable[[Any], Recording]


def event(phase: str, name: str, at: float, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "name": name, "ts": at, "pid": 1, "tid": 1, **more}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(value: Any) -> Recording:
        path = tmp_path / "trace.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return CHROME.load(path)

    return load


def times(recording: Recording) -> dict[str, tuple[int, int]]:
    """Start and total [us] by name."""
    return {row["symbol"]: (row["start_ns"] // 1000, row["total_ns"] // 1000) for row in recording.records.to_pylist()}


@pytest.mark.parametrize("case", cases("chrome"))
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    assert found(CHROME, case) == expected("chrome", case)


def test_begin_and_end_events_pair_by_name_and_what_is_inside_ends_with_them(load: Load) -> None:
    recording = load(
        [event("B", "a", 0), event("B", "lost", 1), event("B", "c", 2), event("E", "c", 3), event("E", "a", 9)]
    )
    assert times(recording) == {"a": (0, 9), "lost": (1, 8), "c": (2, 1)}
    assert recording.notes == ("1 begin events had no end and last as long as what is around them",)


def test_an_end_without_a_name_closes_the_innermost(load: Load) -> None:
    end = {"ph": "E", "ts": 3, "pid": 1, "tid": 1}
    assert times(load([event("B", "a", 0), event("B", "b", 1), end, {**end, "ts": 5}])) == {"a": (0, 5), "b": (1, 2)}


def test_events_may_come_in_any_order_of_time(load: Load) -> None:
    events = [event("E", "a", 9), event("X", "b", 2, dur=3), event("B", "a", 0), event("X", "c", 3, dur=1)]
    recording = load({"traceEvents": events})
    assert times(recording) == {"a": (0, 9), "b": (2, 3), "c": (3, 1)}
    assert self_by(recording, "symbol", cost="self_ns") == {"a": 6000, "b": 2000, "c": 1000}


def test_an_end_before_its_begin_at_the_same_time_is_an_empty_event(load: Load) -> None:
    events = [event("B", "a", 0), event("E", "b", 2), event("B", "b", 2), event("E", "a", 5)]
    recording = load(events)
    assert times(recording) == {"a": (0, 5), "b": (2, 0)}
    assert recording.notes == ()


def test_threads_are_strangers_and_have_the_names_that_the_trace_gives(load: Load) -> None:
    named = {"ph": "M", "name": "thread_name", "pid": 1, "args": {"name": "worker"}}
    recording = load([
        {**named, "tid": 1}, {**named, "tid": 2},
        event("B", "a", 0), event("B", "a", 1, tid=2), event("E", "a", 4, tid=2), event("E", "a", 9),
    ])  # fmt: skip
    assert self_by(recording, "thread", cost="self_ns") == {"1/worker": 9000, "1/worker (1/2)": 3000}


def test_times_since_1970_keep_their_nanoseconds(load: Load) -> None:
    first = '{"ph":"X","name":"a","ts":1700000000000001.123,"dur":0.457}'
    rows = load(f'[{first},{{"ph":"X","name":"b","ts":1700000000000002,"dur":1}}]').records.to_pylist()
    assert [(row["start_ns"], row["total_ns"]) for row in rows] == [
        (1_700_000_000_000_001_123, 457), (1_700_000_000_000_002_000, 1000),
    ]  # fmt: skip


@pytest.mark.parametrize("ts", ["null", '"x"', "{}", "1e300", "99999999999999999999", "true", "NaN"])
def test_events_without_a_time_are_left_out_and_told(load: Load, ts: str) -> None:
    recording = load(f'[{{"ph":"X","name":"a","ts":{ts},"dur":1}},{{"ph":"X","name":"b","ts":1,"dur":1}}]')
    assert times(recording) == {"b": (1, 1)}
    assert any("events" in note for note in recording.notes)


def test_functions_with_their_file_are_python(load: Load) -> None:
    rows = load([event("X", "f (/x/a.py:3)", 0, dur=5), event("X", "relu (torch/nn/functional.py:7)", 1, dur=2)])
    assert self_by(rows, "kind", "file", "operator", cost="self_ns") == {
        ("python", "/x/a.py", None): 3000,
        ("python", "torch/nn/functional.py", "aten::relu"): 2000,
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "is not JSON"),
        ("[]", "no events that last"),
        ('{"traceEvents": []}', "no events that last"),
        ("[1, 2]", "no events that last"),
        ([event("i", "a", 0), event("C", "b", 1)], "no events that last, but 1 of phase i, 1 of phase C"),
        ([event("E", "a", 0)], "no events that last"),
        ([event("X", "a", 0, dur=0)], "has 1 events, but all of them last no time"),
    ],
)
def test_a_trace_without_any_time_is_refused(load: Load, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(value)
    assert caught.value.hint


@given(st.integers(0, 15_000))
def test_a_trace_cut_off_anywhere_is_read_with_a_note_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "trace.json"
    whole = artefact("chrome", "py-spy").read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    read = read_or_refused(CHROME, path)
    assert read.hint if isinstance(read, InputError) else any("ends before" in note for note in read.notes)


@pytest.mark.parametrize(
    ("head", "by_torch", "by_others"),
    [
        ('{"schemaVersion":1,"traceEvents":[', True, False),
        ('{"traceEvents":[{"ph":"X","cat":"cpu_op"', True, False),
        ('{"traceEvents":[{"ph":"M","name":"process_labels","args":{"labels":"GPU 3"}}', True, False),
        ('[{"ph":"X","pid":"CPU functions"', True, False),
        ('{"traceEvents":[{"ph":"M","name":"process_labels","args":{"labels":"tab 1"}}', False, True),
        ('{"traceEvents":[]}', False, True),
        ('[{"ph":"B","name":"a"', False, True),
        ('\ufeff [ {"ph": "X"', False, True),
        ('{"a": [{"ph": "X"', False, False),
        ("[1,2]", False, False),
        ("cpu_op;b 1", False, False),
    ],
)
def test_traces_of_torch_and_of_others_are_told_apart(head: str, by_torch: bool, by_others: bool) -> None:
    assert (KINETO.sniff(head.encode()), CHROME.sniff(head.encode())) == (by_torch, by_others)
