"""speedscope's JSON: units, sampled and evented profiles, and files that speedscope itself refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import InputError
from profkit.importers.speedscope import SPEEDSCOPE
from profkit.profile import Recording
from tests.importers.golden import artefact, cases, expected, found, paths, self_by

Load = Callable[..., Recording]


def sampled(samples: Any, weights: Any, unit: str = "seconds", **more: Any) -> dict[str, Any]:
    return {"type": "sampled", "name": "t", "unit": unit, "samples": samples, "weights": weights, **more}


def evented(*events: tuple[str, int, float], unit: str = "milliseconds") -> dict[str, Any]:
    rows = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    return {"type": "evented", "name": "t", "unit": unit, "events": rows}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(*profiles: Any, **more: Any) -> Recording:
        frames = [{"name": "a"}, {"name": "b"}, {"name": "c", "file": "x.py", "line": 3}]
        path = tmp_path / "p.speedscope.json"
        path.write_text(json.dumps({"shared": {"frames": frames}, "profiles": profiles, **more}))
        return SPEEDSCOPE.load(path)

    return load


@pytest.mark.parametrize("case", cases("speedscope"))
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    assert found(SPEEDSCOPE, case) == expected("speedscope", case)


@pytest.mark.parametrize(
    ("unit", "weight", "ns"),
    [
        ("seconds", 0.01, 10_000_000),
        ("seconds", 79.774999999, 79_774_999_999),
        ("milliseconds", 0.1, 100_000),
        ("microseconds", 1e9 + 0.25, 10**12 + 250),
        ("nanoseconds", 3, 3),
    ],
)
def test_weights_are_exact_nanoseconds(load: Load, unit: str, weight: float, ns: int) -> None:
    recording = load(sampled([[0], [0, 1]], [weight, weight], unit))
    assert paths(recording, "self_ns") == {("t", "a"): ns, ("t", "a", "b"): ns}
    assert recording.tool_totals == {"ns": 2 * ns}
    assert paths(recording) == {("t", "a"): 1, ("t", "a", "b"): 1}


def test_weights_without_a_unit_are_samples_and_keep_their_sum(load: Load) -> None:
    recording = load(sampled([[0], [1], [0, 1]], [0.5, 1, 0.5], "none"))
    assert sum(self_by(recording, "symbol").values()) == 2
    assert recording.records["self_ns"].null_count == recording.records.num_rows
    assert any("rounded" in note for note in recording.notes)
    assert any("no unit" in note for note in recording.notes)


def test_bytes_are_allocations_and_each_stack_a_sample(load: Load) -> None:
    recording = load(sampled([[0], [0, 1]], [100, 28], "bytes"))
    assert self_by(recording, "symbol", cost="allocated_bytes") == {"a": 100, "b": 28}
    assert self_by(recording, "symbol") == {"a": 1, "b": 1}


def test_every_profile_is_a_thread_of_its_own_name(load: Load) -> None:
    recording = load(sampled([[0]], [1]), sampled([[0]], [2]), evented(("O", 1, 0), ("C", 1, 3)))
    assert self_by(recording, "thread", "symbol", cost="self_ns") == {
        ("t", "a"): 10**9, ("t (2)", "a"): 2 * 10**9, ("t (3)", "b"): 3 * 10**6,
    }  # fmt: skip


def test_profiles_of_another_unit_are_left_out_and_told(load: Load) -> None:
    recording = load(sampled([[0]], [5], "bytes"), sampled([[1]], [2]))
    assert recording.tool_totals == {"ns": 2 * 10**9}
    assert "1 of 2 profiles have another unit and were left out" in recording.notes


def test_py_spys_process_frames_are_no_code_and_its_weight_is_the_sampling_period() -> None:
    recording = SPEEDSCOPE.load(artefact("speedscope", "py-spy"))
    assert not [symbol for symbol in recording.records["symbol"].to_pylist() if (symbol or "").startswith("process")]
    run = recording.run
    assert (run.tool, run.tool_version, run.sampling_period_ns) == ("py-spy", "0.4.3", 20_000_000)


def test_events_are_calls_with_their_times(load: Load) -> None:
    rows = load(evented(("O", 0, 1), ("O", 2, 1), ("C", 2, 1), ("O", 2, 2), ("C", 2, 4.5), ("C", 0, 6))).records
    assert rows.select(["symbol", "parent_id", "start_ns", "total_ns", "self_ns", "count"]).to_pylist() == [
        {"symbol": "a", "parent_id": None, "start_ns": 10**6, "total_ns": 5 * 10**6, "self_ns": 2_500_000, "count": 1},
        {"symbol": "c", "parent_id": 0, "start_ns": 10**6, "total_ns": 0, "self_ns": 0, "count": 1},
        {"symbol": "c", "parent_id": 0, "start_ns": 2 * 10**6, "total_ns": 2_500_000, "self_ns": 2_500_000, "count": 1},
    ]


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (evented(("O", 0, 0)), "profile 1 't', event 0: frame 'a' is never closed"),
        (evented(("O", 0, 0), ("O", 1, 1), ("C", 1, 2)), "event 0: frame 'a' is never closed"),
        (evented(("O", 0, 0), ("O", 1, 1), ("C", 0, 2), ("C", 1, 3)), "event 2: closes 'a', but 'b' is open inside it"),
        (evented(("C", 0, 0)), "event 0: closes a frame, but none is open"),
        (evented(("O", 0, 5), ("C", 0, 4)), "event 1: at 4, but the event before at 5"),
        (evented(("O", 9, 5), ("C", 9, 6)), "event 0: frame 9 is none of the 3 frames"),
        (evented(("X", 0, 5)), "event 0: type 'X' is neither O nor C"),
        (evented(("O", 0, 0), ("C", 0, 1e300)), "event 1: the time 1e\\+300 milliseconds is too far off"),
        (evented(("O", 0, 0), ("C", 0, 5), unit="bytes"), "events in bytes"),
        (sampled([[0]], [1, 2]), "has 1 samples, but 2 weights"),
        (sampled([[0], [3]], [1, 2]), "sample 1: frame 3 is none of the 3 frames"),
        (sampled([[0], [-1]], [1, 2]), "sample 1: frame -1 is none"),
        (sampled([[0]], [-1]), "sample 0: a weight of -1 seconds"),
        (sampled([[0]], [1e300]), "sample 0: a weight of 1e\\+300 seconds"),
        (sampled([[0]], [1], "hours"), "unit 'hours' are not known"),
        ({"type": "graph", "unit": "seconds"}, "profile 1: type 'graph'"),
        (sampled([[0]], [0]), "no sample and no event of any weight"),
        (sampled([], []), "no sample and no event of any weight"),
        (sampled([["a"]], [1]), "no whole speedscope file: Expected `int`, got `str`"),
        ({"type": "sampled"}, "missing required field `unit`"),
    ],
)
def test_what_speedscope_refuses_is_refused_with_its_place(load: Load, profile: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(profile)
    assert caught.value.hint


def test_a_file_without_profiles_is_refused(load: Load) -> None:
    with pytest.raises(InputError, match="has no profiles"):
        load()


@given(st.integers(0, 4_000))
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "p.json"
    whole = artefact("speedscope", "py-spy").read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    with pytest.raises(InputError, match="is no whole speedscope file"):
        SPEEDSCOPE.load(path)


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        (b'{"$schema":"https://www.speedscope.app/file-format-schema.json"', True),
        (b'{"profiles": [{"type": "evented", "unit": "none"', True),
        (b'{"traceEvents": []}', False),
        (b"[1]", False),
        (b"a;b 1\n", False),
    ],
)
def test_speedscope_files_are_recognised(head: bytes, is_it: bool) -> None:
    assert SPEEDSCOPE.sniff(head) == is_it
