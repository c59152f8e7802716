"""The Callgrind importer, against `callgrind_annotate` on the same files and against numbers worked out by hand."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from profkit.errors import InputError
from profkit.importers.callgrind import CALLGRIND
from profkit.profile import Recording
from tests.importers.callgrind_text import GOLDEN, HEAD, Load, bare, self_by_name

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/callgrind.out"))
READABLE = (
    "callgrind/gprof2dot/bool.callgrind",
    "callgrind/gprof2dot/issue35.callgrind",
    "callgrind/gprof2dot/selinux.callgrind",
    "callgrind/speedscope/cfn-reset.log",
    "callgrind/speedscope/example.log",
    "callgrind/speedscope/multiple-event-types.log",
    "callgrind/speedscope/name-compression.log",
    "own/callgrind-libtorch-3-steps.out.gz",
    "own/callgrind-python-3-steps.out.gz",
)

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent"
)
needs_annotate = pytest.mark.skipif(
    not shutil.which("callgrind_annotate"), reason="callgrind_annotate is not installed"
)


@pytest.fixture
def annotate(tmp_path: Path) -> Callable[..., str]:
    """What callgrind_annotate prints; it cannot read gzip."""

    def annotate(path: Path, *options: str) -> str:
        if path.suffix == ".gz":
            path, packed = tmp_path / "plain.out", path
            path.write_bytes(gzip.decompress(packed.read_bytes()))
        command = ["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", *options, str(path)]
        return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", errors="replace").stdout

    return annotate


def numbers(text: str) -> list[int]:
    return [int(word.replace(",", "")) if word != "." else 0 for word in text.split()]


def printed_totals(text: str) -> list[int]:
    match = re.search(r"^([-\d,. ]+?) +PROGRAM TOTALS", text, re.MULTILINE)
    assert match
    return numbers(match[1])


def printed_functions(text: str) -> Counter[str]:
    """First event of every function, by name: the tool's files are only where inlined code came from."""
    found: Counter[str] = Counter()
    for line in text.split("file:function", 1)[1].splitlines():
        if match := re.match(r" *(-?[\d,]+|\.)(?: +(?:-?[\d,]+|\.))*  (.*)$", line):
            found[bare(match[2].split(":", 1)[1])] += numbers(match[1])[0]
    return found


def row(recording: Recording, symbol: str, **where: Any) -> dict[str, Any]:
    (found,) = [
        record
        for record in recording.records.to_pylist()
        if record["symbol"] == symbol
        and record["parent_id"] is None
        and all(record[key] == value for key, value in where.items())
    ]
    return found


def as_json(recording: Recording) -> dict[str, Any]:
    """Everything in a recording, all columns."""
    assert recording.calls is not None
    return {
        "tool_version": recording.run.tool_version,
        "command": list(recording.run.command),
        "tool_totals": dict(recording.tool_totals),
        "notes": list(recording.notes),
        "records": recording.records.to_pydict(),
        "calls": recording.calls.to_pydict(),
    }


@pytest.mark.parametrize("case", CASES)
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    expected = json.loads((GOLDEN / case / "expected.json").read_text())
    assert as_json(CALLGRIND.load(GOLDEN / case / "callgrind.out")) == expected


@needs_samples
@needs_annotate
@pytest.mark.parametrize("sample", READABLE)
def test_totals_of_every_event_equal_callgrind_annotates(sample: str, annotate: Callable[..., str]) -> None:
    recording = CALLGRIND.load(SAMPLES / sample)
    assert list(recording.tool_totals.values()) == printed_totals(annotate(SAMPLES / sample))


@needs_samples
@needs_annotate
@pytest.mark.parametrize("sample", READABLE)
def test_self_cost_of_every_function_equals_callgrind_annotates(sample: str, annotate: Callable[..., str]) -> None:
    recording = CALLGRIND.load(SAMPLES / sample)
    if recording.records["self_instructions"].null_count:
        ours = Counter({name: cost // 10 for name, cost in self_by_name(recording, "self_ns").items()})
    else:
        ours = self_by_name(recording)
    assert +ours == +printed_functions(annotate(SAMPLES / sample))


@needs_annotate
@pytest.mark.parametrize("case", ["inline", "instr", "parts", "plain", "threads"])
def test_self_cost_in_golden_cases_equals_callgrind_annotates(case: str, annotate: Callable[..., str]) -> None:
    path = GOLDEN / case / "callgrind.out"
    assert +self_by_name(CALLGRIND.load(path)) == +printed_functions(annotate(path))


@needs_annotate
def test_total_of_a_function_is_what_callgrind_annotate_calls_inclusive(annotate: Callable[..., str]) -> None:
    """The tool lists a function once for each file that code of it is from; the row of its own file has the total."""
    path = GOLDEN / "inline" / "callgrind.out"
    recording = CALLGRIND.load(path)
    printed = annotate(path, "--inclusive=yes")
    assert f"{row(recording, 'work')['total_instructions']}  /src/inl.c:work" in printed
    assert row(recording, "main")["total_instructions"] == recording.tool_totals["Ir"] == printed_totals(printed)[0]


@needs_samples
def test_relative_costs_follow_the_cost_line_before() -> None:
    """callgrind_annotate adds `-300` and `+400` as they stand and says 120; this file is example.log compressed."""
    compressed = CALLGRIND.load(SAMPLES / "callgrind/speedscope/subposition-compression.log")
    plain = CALLGRIND.load(SAMPLES / "callgrind/speedscope/example.log")
    assert compressed.records.equals(plain.records)
    assert compressed.calls == plain.calls
    assert compressed.tool_totals == {"Instructions": 820}


@needs_samples
def test_a_file_without_any_cost_is_refused_with_its_totals() -> None:
    with pytest.raises(InputError, match=r"no cost in it \(Ir 0, Dr 0") as caught:
        CALLGRIND.load(SAMPLES / "callgrind/gprof2dot/empty.callgrind")
    assert "instrumentation" in caught.value.hint


@needs_samples
def test_an_object_that_old_files_never_name_is_null_and_noted() -> None:
    recording = CALLGRIND.load(SAMPLES / "callgrind/gprof2dot/selinux.callgrind")
    assert any("never names" in note for note in recording.notes)


def test_every_labelled_part_has_records_of_its_own() -> None:
    recording = CALLGRIND.load(GOLDEN / "parts" / "callgrind.out")
    by_scope = recording.records.group_by("scope").aggregate([("self_instructions", "sum")])
    sums = dict(zip(by_scope["scope"].to_pylist(), by_scope["self_instructions_sum"].to_pylist(), strict=True))
    assert sums["step/0 forward layer/conv1"] == 87
    assert sums["step/0 backward"] == 106
    assert None in sums


def test_recursion_does_not_count_twice_in_a_total() -> None:
    recording = CALLGRIND.load(GOLDEN / "parts" / "callgrind.out")
    assert row(recording, "fact'2")["total_instructions"] == 26 + 13 + 11 + 26
    assert row(recording, "fact")["total_instructions"] == 13 + 76
    assert row(recording, "main", scope="step/0 backward")["total_instructions"] == 106
    assert row(recording, "fact'2")["count"] == 4


def test_a_cycle_of_functions_never_costs_more_than_what_it_holds(load: Load) -> None:
    recording = load(
        HEAD + "fl=a.c\nfn=main\n1 5\ncfn=even\ncalls=1 9\n2 60\n\n"
        "fn=even\n9 10\ncfn=odd\ncalls=3 8\n9 80\n\n"
        "fn=odd\n8 30\ncfn=even\ncalls=2 9\n8 70\ncfn=leaf\ncalls=1 7\n8 20\n\n"
        "fn=leaf\n7 20\n\ntotals: 65\n"
    )
    assert row(recording, "even")["total_instructions"] == 60
    assert row(recording, "odd")["total_instructions"] == 60
    assert row(recording, "main")["total_instructions"] == 65


def test_inlined_code_is_a_row_beneath_its_function() -> None:
    recording = CALLGRIND.load(GOLDEN / "inline" / "callgrind.out")
    records = recording.records.to_pylist()
    inlined = [record for record in records if record["parent_id"] is not None]
    assert inlined
    for record in inlined:
        assert record["file"] == "/src/inl.h"
        assert records[record["parent_id"]]["file"] == "/src/inl.c"
        assert record["total_instructions"] == record["self_instructions"]
        assert record["symbol"] == records[record["parent_id"]]["symbol"]


def test_a_function_begins_in_its_own_file_where_the_one_before_ended_in_another(
    load: Load,
) -> None:
    recording = load(HEAD + "fl=a.c\nfn=one\n1 5\nfi=b.h\n2 6\nfn=two\n3 7\ntotals: 18\n")
    assert row(recording, "two")["file"] == "a.c"
    assert row(recording, "two")["self_instructions"] == 7


def test_costs_are_the_same_however_positions_and_names_are_written() -> None:
    parts, plain = (CALLGRIND.load(GOLDEN / case / "callgrind.out") for case in ("parts", "plain"))
    assert parts.records.equals(plain.records)
    assert parts.calls == plain.calls


def test_jumps_are_no_calls_and_cost_nothing() -> None:
    recording = CALLGRIND.load(GOLDEN / "instr" / "callgrind.out")
    assert recording.tool_totals["Ir"] == CALLGRIND.load(GOLDEN / "parts" / "callgrind.out").tool_totals["Ir"]
    assert list(recording.tool_totals) == ["Ir", "Dr", "Dw", "I1mr", "D1mr", "D1mw", "ILmr", "DLmr", "DLmw"]
    assert any("Dr, Dw, I1mr" in note for note in recording.notes)


def test_xdebug_times_are_nanoseconds_and_negative_memory_is_unknown() -> None:
    recording = CALLGRIND.load(GOLDEN / "xdebug" / "callgrind.out")
    assert recording.tool_totals == {"Time_(10ns)": 100, "Memory_(bytes)": 1024}
    assert (row(recording, "greet")["self_ns"], row(recording, "greet")["total_ns"]) == (500, 570)
    assert row(recording, "php::strlen")["allocated_bytes"] is None
    assert row(recording, "{main}")["allocated_bytes"] == 640
    assert row(recording, "{main}")["total_instructions"] is None


def test_threads_have_parts_of_their_own_and_parts_may_count_other_events() -> None:
    recording = CALLGRIND.load(GOLDEN / "threads" / "callgrind.out")
    assert recording.tool_totals == {"Ir": 75, "Dr": 3}
    assert row(recording, "main")["thread"] == "1"
    assert row(recording, "memcpy")["thread"] == "2"
    assert row(recording, "memcpy")["library"] == "/lib/libc.so.6"
    assert row(recording, "memcpy")["file"] is None


def test_a_summary_that_ran_below_zero_is_not_believed() -> None:
    assert "18446744073709551600" in (GOLDEN / "threads" / "callgrind.out").read_text()
    assert row(CALLGRIND.load(GOLDEN / "threads" / "callgrind.out"), "worker")["total_instructions"] == 45


def test_an_id_means_another_name_in_another_file_that_was_appended(load: Load) -> None:
    one = HEAD + "fl=(1) a.c\nfn=(1) one\n1 5\ntotals: 5\n"
    two = HEAD + "fl=(1) b.c\nfn=(1) two\n1 7\nfn=(1)\n2 1\ntotals: 8\n"
    recording = load(one + two)
    assert +self_by_name(recording) == Counter(one=5, two=8)


def test_calls_still_running_at_a_dump_have_an_edge_but_no_self_cost(load: Load) -> None:
    """callgrind_annotate takes the cost line after `calls=0` for self cost."""
    recording = load(HEAD + "fl=a.c\nfn=main\n1 5\ncfn=f\ncalls=0 2\n1 40\nfn=f\n2 40\ntotals: 45\n")
    assert +self_by_name(recording) == Counter(main=5, f=40)
    assert recording.calls is not None
    assert recording.calls["total_instructions"].to_pylist() == [40]


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n1 ", "\n\t 1 ")]
)
def test_line_ends_and_spaces_of_other_writers_change_nothing(load: Load, change: Callable[[str], str]) -> None:
    text = HEAD + "fl=(1) a.c\nfn=(1) main\n1 5\ncfn=(2) f\ncalls= 3 2\n1 0x28\nfn=(2)\n2 40\ntotals: 45\n"
    recording = load(change(text))
    assert +self_by_name(recording) == Counter(main=5, f=40)
    assert recording.calls is not None
    assert recording.calls["count"].to_pylist() == [3]
    assert recording.notes == ()


def test_blocks_of_any_size_give_the_same_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_json(CALLGRIND.load(GOLDEN / "instr" / "callgrind.out"))
    for size in (17, 100, 501):
        monkeypatch.setattr("profkit.callgrind_out.reader.BLOCK_BYTES", size)
        assert as_json(CALLGRIND.load(GOLDEN / "instr" / "callgrind.out")) == whole


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "callgrind.out"
    path.write_bytes(gzip.compress((GOLDEN / "parts" / "callgrind.out").read_bytes()))
    assert as_json(CALLGRIND.load(path)) == as_json(CALLGRIND.load(GOLDEN / "parts" / "callgrind.out"))


@pytest.mark.parametrize("case", CASES)
def test_sniff_knows_the_format(case: str) -> None:
    assert CALLGRIND.sniff((GOLDEN / case / "callgrind.out").read_bytes()[:65536])


@pytest.mark.parametrize("head", [b"", b'{"traceEvents": []}', b"a;b;c 12\n", b"events: happen\nnothing else"])
def test_sniff_leaves_other_files_alone(head: bytes) -> None:
    assert not CALLGRIND.sniff(head)


@pytest.mark.skipif(not shutil.which("valgrind") or not shutil.which("gcc"), reason="valgrind or gcc is not installed")
def test_a_program_recorded_now_reads_as_callgrind_annotate_says(tmp_path: Path, annotate: Callable[..., str]) -> None:
    source = tmp_path / "sum.c"
    source.write_text(
        "#include <stdlib.h>\n"
        "static int add(int n) { int s = 0; for (int i = 0; i < n; i++) s += i; return s; }\n"
        "int main(void) { char *p = malloc(100); int s = add(1000); free(p); return s & 1; }\n"
    )
    subprocess.run(["gcc", "-g", "-O1", "-fno-inline", str(source), "-o", str(tmp_path / "sum")], check=True)
    path = tmp_path / "sum.out"
    command = ["valgrind", "-q", "--tool=callgrind", "--branch-sim=yes", f"--callgrind-out-file={path}"]
    subprocess.run([*command, str(tmp_path / "sum")], check=False, capture_output=True)
    recording, printed = CALLGRIND.load(path), annotate(path)
    assert list(recording.tool_totals.values()) == printed_totals(printed)
    assert +self_by_name(recording) == +printed_functions(printed)
    assert pc.sum(recording.records["self_instructions"]).as_py() == recording.tool_totals["Ir"]
