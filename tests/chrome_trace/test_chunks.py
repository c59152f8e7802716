"""Reading traces in chunks: every layout gives the same events, and what is malformed is repaired or counted."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.chrome_trace import chunks
from profkit.chrome_trace.chunks import TraceReader
from profkit.chrome_trace.events import Event, EventColumns
from profkit.importers.kineto import KINETO

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def make(count: int, **args: Any) -> list[dict[str, Any]]:
    return [
        {
            "ph": "X",
            "cat": "cpu_op",
            "name": f"aten::op{k}",
            "pid": 1,
            "tid": 1,
            "ts": 10.5 * k,
            "dur": 2.125,
            "args": args,
        }
        for k in range(count)
    ]


def in_torchs_layout(events: list[dict[str, Any]]) -> str:
    def one(event: dict[str, Any]) -> str:
        return (
            "  {\n"
            + ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in event.items())
            + "\n  }"
        )

    return (
        '{\n  "schemaVersion": 1,\n  "traceEvents": [\n' + ",\n".join(map(one, events)) + '\n  ],\n"traceName": "x" }'
    )


def read(text: bytes | str) -> tuple[list[Event], TraceReader[Any]]:
    columns = EventColumns()
    reader = TraceReader(
        io.BytesIO(text if isinstance(text, bytes) else text.encode()), columns.decode, columns.decode_loosely, "trace"
    )
    return [event for events in reader for event in events], reader


LAYOUTS = {
    "torch": in_torchs_layout,
    "compact": lambda events: json.dumps(
        {"schemaVersion": 1, "traceEvents": events, "traceName": "x"}, separators=(",", ":")
    ),
    "python": lambda events: json.dumps({"traceEvents": events, "schemaVersion": 1, "traceName": "x"}),
    "indented": lambda events: json.dumps({"schemaVersion": 1, "traceEvents": events, "traceName": "x"}, indent=4),
    "line by line": lambda events: (
        '{"traceEvents":[\n' + ",\n".join(map(json.dumps, events)) + '\n],"schemaVersion":1,"traceName":"x"}'
    ),
    "carriage returns": lambda events: in_torchs_layout(events).replace("\n", "\r\n"),
    "byte order mark": lambda events: "\ufeff" + in_torchs_layout(events),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block", [64, 1000, 1 << 18])
def test_every_layout_gives_the_same_events_and_metadata(
    layout: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "BLOCK_BYTES", block)
    nested = {"list": [{"a": 1}, {"b": "}, {"}], "path": 'C:\\dir\\"x"', "bracket": "]}", "Sequence number": 5}
    found, reader = read(LAYOUTS[layout](make(50, **nested)))
    assert [event.name for event in found] == [f"aten::op{k}" for k in range(50)]
    assert all(event.args is not None and event.args.sequence == 5 for event in found)
    assert reader.metadata == {"schemaVersion": 1, "traceName": "x"}
    assert reader.notes == ()


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=4),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=8),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=6,
            ),
            max_size=3,
        ),
        max_size=30,
    ),
    st.sampled_from([None, 0, 3]),
)
def test_whatever_stands_in_the_arguments_no_event_is_lost(args: list[dict[str, Any]], indent: int | None) -> None:
    events = [
        {"ph": "X", "name": str(k), "args": {f"_{key}": value for key, value in arg.items()}}
        for k, arg in enumerate(args)
    ]
    for bare in (False, True):
        text = json.dumps(events if bare else {"traceEvents": events}, indent=indent, ensure_ascii=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunks, "BLOCK_BYTES", 64)
            found, reader = read(text.encode("utf-8", "replace"))
        assert [event.name for event in found] == [str(k) for k in range(len(events))]
        assert reader.notes == ()


GOOD = in_torchs_layout(make(6))
BROKEN = {
    "raw control character": (GOOD.replace("aten::op3", "aten::\x01op3"), "control"),
    "raw line break": (GOOD.replace("aten::op3", "aten::\nop3"), "line breaks"),
    "windows path": (GOOD.replace("aten::op3", r"C:\Users\new\op3.py"), "backslashes"),
    "windows path that ends in a backslash": (GOOD.replace("aten::op3", r"C:\dir" + "\\"), "quotes"),
    "quotes in a name": (GOOD.replace("aten::op3", 'a "b" c'), "quotes"),
    "trailing comma in an event": (GOOD.replace('"args": {}\n', '"args": {},\n', 1), "commas"),
    "not a number": (GOOD.replace('"args": {}', '"args": {"x": NaN}', 1), "NaN"),
    "missing comma in an event": (GOOD.replace('"pid": 1,\n', '"pid": 1\n', 1), "missing commas"),
    "missing comma between events": (GOOD.replace("\n  },\n  {", "\n  }\n  {", 1), "missing commas"),
    "latin-1": (GOOD.replace("aten::op3", "aten::é").encode("latin-1"), "not UTF-8"),
    "lone surrogate": (GOOD.replace("aten::op3", r"a\ud83d"), "surrogates"),
    "number in quotes": (GOOD.replace('"ts": 31.5', '"ts": "31.5"'), "unexpected type"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_malformed_event_is_repaired_and_the_repair_is_told(what: str) -> None:
    text, note = BROKEN[what]
    found, reader = read(text)
    assert len(found) == 6
    assert [event.ts for event in found] == [10.5 * k for k in range(6)]
    assert all(event.dur == 2.125 for event in found)
    assert any(note in told for told in reader.notes), reader.notes


def test_a_comma_after_the_last_event_is_no_harm() -> None:
    found, _ = read(GOOD.replace("\n  ],", ",\n  ],"))
    assert len(found) == 6


def test_an_event_beyond_repair_is_left_out_and_counted() -> None:
    found, reader = read(GOOD.replace('"name": "aten::op3"', '"name": :::'))
    assert [event.name for event in found] == [f"aten::op{k}" for k in (0, 1, 2, 4, 5)]
    assert reader.notes == ("1 events could not be read and were left out",)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keep", [0.97, 0.9, 0.6, 0.5])
def test_of_a_file_that_is_cut_off_the_complete_events_are_kept(
    layout: str, keep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "BLOCK_BYTES", 512)
    text = LAYOUTS[layout](make(40))
    cut = text[: int(len(text) * keep)]
    found, reader = read(cut)
    assert [event.name for event in found] == [f"aten::op{k}" for k in range(len(found))]
    assert len(found) >= cut.count('"args"') - 1
    assert any("ends before its list" in note for note in reader.notes)


def test_a_cut_gzip_file_keeps_what_can_be_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(
        in_torchs_layout([{**event, "args": {"x": k * 7919 % 10007}} for k, event in enumerate(make(20000))]).encode()
    )
    (tmp_path / "trace.json.gz").write_bytes(packed[: len(packed) // 2])
    recording = KINETO.load(tmp_path / "trace.json.gz")
    assert 5000 < recording.records.num_rows < 15000
    assert "the compressed file is cut off" in recording.notes


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent")
@pytest.mark.parametrize(
    "name", ["own/kineto-python-cpu.json.gz", "own/kineto-libtorch-cpu.json.gz", "kineto/hta/rocm_mi250.json.gz"]
)
def test_a_real_trace_written_again_in_another_layout_is_the_same(name: str, tmp_path: Path) -> None:
    text = gzip.decompress((SAMPLES / name).read_bytes())
    path = tmp_path / Path(name).name
    path.write_bytes(text)
    expected = KINETO.load(path)
    for indent in (None, 1):
        path.write_text(json.dumps(json.loads(text), indent=indent))
        found = KINETO.load(path)
        assert found.records.equals(expected.records)
        assert found.notes == expected.notes
