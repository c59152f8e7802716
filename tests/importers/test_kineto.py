"""The Kineto importer, on real traces and against what profkit did not write: torch's own tables and plain sums."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from profkit.aggregate import aggregate
from profkit.errors import InputError
from profkit.importers.kineto import KINETO
from profkit.layers import place
from profkit.profile import Recording

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
GOLDEN = Path(__file__).parents[1] / "golden" / "kineto"
DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
HOST = ("cpu_op", "user_annotation", "python_function", "cuda_runtime", "cuda_driver")

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent"
)
TRACES = sorted(
    path.relative_to(SAMPLES).as_posix()
    for path in (*SAMPLES.glob("kineto/**/*.json*"), *SAMPLES.glob("own/kineto-*"))
    if path.is_file()
)
CHROME = sorted(path.name for path in SAMPLES.glob("chrome-trace/*.json"))


def read_json(path: Path) -> dict[str, Any]:
    """The whole file by Python's own reader, times as they stand."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data, parse_float=Decimal)


def ns(event: dict[str, Any]) -> int:
    return int(Decimal(event["dur"]) * 1000)


def trace(*events: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"schemaVersion": 1, **head, "traceEvents": list(events)}


def event(name: str, ts: float, dur: float, cat: str = "cpu_op", tid: int = 1, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": cat, "name": name, "pid": 7, "tid": tid, "ts": ts, "dur": dur, "args": args}


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Any], Recording]:
    """Loads text, bytes or what json can write."""

    def load(value: Any) -> Recording:
        path = tmp_path / "trace.json"
        path.write_bytes(
            value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
        )
        return KINETO.load(path)

    return load


# --- against torch's own table ---


@pytest.mark.parametrize("stack", [False, True], ids=["plain", "with_stack"])
@pytest.mark.parametrize("shapes", [False, True], ids=["no_shapes", "shapes"])
@pytest.mark.parametrize("memory", [False, True], ids=["no_memory", "memory"])
def test_self_time_of_every_operator_equals_key_averages(
    tmp_path: Path, stack: bool, shapes: bool, memory: bool
) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5)
    )
    optimizer = torch.optim.Adam(model.parameters())
    images, labels = torch.randn(4, 1, 8, 8), torch.randint(5, (4,))
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], with_stack=stack, record_shapes=shapes, profile_memory=memory
    ) as profiler:
        for _ in range(2):
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            (images / 2).sum().item()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    records = KINETO.load(tmp_path / "trace.json").records

    expected = {row.key: row.self_cpu_time_total for row in profiler.key_averages() if row.key != "[memory]"}
    found: dict[str, int] = defaultdict(int)
    for row in records.select(["symbol", "self_ns"]).to_pylist():
        found[row["symbol"]] += row["self_ns"]
    assert set(found) == set(expected)
    if stack:
        # torch sets no overlap right: the function that opens or closes a scope gets a time that is off, even negative.
        operators = records.filter(pc.equal(records["kind"].cast("string"), "operator"))
        expected = {name: expected[name] for name in operators["symbol"].unique().to_pylist()}
    wrong = {n: (found[n] / 1000, us) for n, us in expected.items() if found[n] / 1000 != pytest.approx(us, abs=0.001)}
    assert not wrong


# --- real files, against plain sums ---


@needs_samples
@pytest.mark.parametrize("name", TRACES)
def test_every_real_trace_keeps_every_row_and_every_nanosecond_of_the_device(name: str) -> None:
    recording = KINETO.load(SAMPLES / name)
    events = [e for e in read_json(SAMPLES / name)["traceEvents"] if e["ph"] == "X"]
    device = [ns(e) for e in events if e["cat"] in DEVICE]
    host = [e for e in events if e["cat"] in HOST]
    records = recording.records
    is_device = pc.equal(records["kind"].cast("string"), "kernel")
    kernels = records.filter(is_device)
    assert records.num_rows == len(device) + len(host)
    assert (pc.sum(kernels["self_ns"]).as_py() or 0) == sum(device)
    assert sorted(kernels["total_ns"].to_pylist()) == sorted(device)
    operators = records.filter(pc.equal(records["kind"].cast("string"), "operator"))
    exact = sum(ns(e) for e in host if e["cat"] == "cpu_op")
    if not any("overlapped" in note for note in recording.notes):
        scopes = [e for e in host if e["cat"] == "cpu_op" and e["name"].startswith("enumerate(DataLoader)")]
        assert pc.sum(operators["total_ns"]).as_py() == exact - sum(map(ns, scopes))
    assert records["category"].null_count == 0


@needs_samples
@pytest.mark.parametrize("name", TRACES)
def test_every_real_trace_becomes_a_profile_with_the_same_sums(name: str) -> None:
    recording = place(KINETO.load(SAMPLES / name))
    profile = aggregate([recording])
    for column in ("self_ns", "count", "allocated_bytes"):
        assert pc.sum(profile.operators[column]).as_py() == pc.sum(recording.records[column]).as_py()


@needs_samples
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("kineto/hta/alexnet_cuda.json.gz", 1.0),
        ("kineto/hta/ns_resolution_rank0.json.gz", 1.0),
        ("kineto/hta/trace_diff_control.json.gz", 1.0),
        ("kineto/hta/trace_diff_test.json.gz", 0.96),
        ("kineto/hta/rocm_mi250.json.gz", 1.0),
        ("kineto/hta/triton.json.gz", 1.0),
        ("kineto/tracelens/vit_h100.json.gz", 1.0),
    ],
)
def test_kernels_are_joined_to_the_records_that_launched_them(name: str, least: float) -> None:
    records = KINETO.load(SAMPLES / name).records
    kernels = records.filter(pc.equal(records["kind"].cast("string"), "kernel"))
    assert 1 - kernels["launcher_id"].null_count / kernels.num_rows >= least
    launchers = pc.unique(records["kind"].cast("string").take(kernels["launcher_id"].drop_null())).to_pylist()
    assert set(launchers) <= {"operator", "runtime", "scope"}


@needs_samples
def test_kernels_of_the_vision_transformer_sum_to_another_tools_table() -> None:
    """`gpu_timeline.csv` was made by TraceLens from the same trace."""
    records = KINETO.load(SAMPLES / "kineto/tracelens/vit_h100.json.gz").records
    kernels = records.filter(pc.equal(records["kind"].cast("string"), "kernel"))
    lines = (SAMPLES / "kineto/tracelens/vit_h100_reference/gpu_timeline.csv").read_text().splitlines()
    busy_ms = next(float(line.split(",")[1]) for line in lines if line.startswith("busy_time"))
    assert pc.sum(kernels["self_ns"]).as_py() / 1e6 == pytest.approx(busy_ms, rel=1e-6)


@needs_samples
@pytest.mark.parametrize("name", CHROME)
def test_a_chrome_trace_of_another_tool_is_refused_with_a_hint(name: str) -> None:
    path = SAMPLES / "chrome-trace" / name
    assert not KINETO.sniff(path.read_bytes())
    with pytest.raises(InputError, match="none that torch writes") as caught:
        KINETO.load(path)
    assert "another tool" in caught.value.hint


@needs_samples
@pytest.mark.parametrize("name", TRACES)
def test_every_real_trace_is_recognised_by_its_first_bytes(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    head = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    assert KINETO.sniff(head[:65536])


@pytest.mark.parametrize("text", [b'{"format":"profkit-profile"', b"# callgrind format", b"", b"PAR1", b"[1, 2]"])
def test_other_files_are_not_taken_for_a_trace(text: bytes) -> None:
    assert not KINETO.sniff(text)


# --- details ---


def test_times_since_1970_keep_every_nanosecond(load: Callable[[Any], Recording]) -> None:
    text = json.dumps(trace(event("aten::a", 1, 2), event("aten::b", 2, 1))).replace(
        '"ts": 1,', '"ts": 1661938466265032.123,'
    )
    text = (
        text.replace('"ts": 2,', '"ts": 1661938466265032.124,')
        .replace('"dur": 2,', '"dur": 0.007,')
        .replace('"dur": 1,', '"dur": 0.002,')
    )
    records = load(text).records
    assert records["start_ns"].to_pylist() == [1661938466265032123, 1661938466265032124]
    assert records["self_ns"].to_pylist() == [5, 2]


def test_self_time_is_total_less_children_and_equal_times_nest_in_file_order(load: Callable[[Any], Recording]) -> None:
    records = load(trace(event("aten::linear", 10, 5), event("aten::addmm", 10, 5), event("aten::t", 10, 1))).records
    assert records["symbol"].to_pylist() == ["aten::linear", "aten::addmm", "aten::t"]
    assert records["parent_id"].to_pylist() == [None, 0, 1]
    assert records["self_ns"].to_pylist() == [0, 4000, 1000]


def test_a_scope_is_not_cut_by_the_python_function_that_opened_it(load: Callable[[Any], Recording]) -> None:
    recording = load(
        trace(
            event("t.py(3): <module>", 0, 100, "python_function"),
            event("<built-in method _record_function_enter_new of X object at 0x7f>", 10, 5, "python_function"),
            event("layer/conv1", 12, 60, "user_annotation"),
            event("aten::conv2d", 20, 30),
        )
    )
    rows = {row["symbol"]: row for row in recording.records.to_pylist()}
    assert rows["layer/conv1"]["total_ns"] == 60_000
    assert rows["aten::conv2d"]["parent_id"] == recording.records["symbol"].to_pylist().index("layer/conv1")
    assert "1 of 4 events overlapped" in recording.notes[0]
    assert (rows["t.py(3): <module>"]["file"], rows["t.py(3): <module>"]["line"]) == ("t.py", 3)


def test_memory_goes_to_the_innermost_operator_open_on_that_thread(load: Callable[[Any], Recording]) -> None:
    def memory(ts: float, size: int, total: int, tid: int = 1) -> dict[str, Any]:
        args = {"Bytes": size, "Total Allocated": total, "Device Type": 0}
        return {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "pid": 7, "tid": tid, "ts": ts, "args": args}

    recording = load(
        trace(
            event("aten::outer", 0, 10),
            event("aten::empty", 2, 2),
            event("aten::late", 20, 5),
            event("aten::x", 0, 9, tid=2),
            memory(3, 100, 500),
            memory(6, 40, 540),
            memory(7, -100, 440),
            memory(50, 9, 449),
            memory(3, 7, 900, tid=2),
        )
    )
    rows = {row["symbol"]: row for row in recording.records.to_pylist()}
    assert {name: row["allocated_bytes"] for name, row in rows.items()} == {
        "aten::outer": 40,
        "aten::empty": 100,
        "aten::late": None,
        "aten::x": 7,
    }
    assert rows["aten::outer"]["peak_bytes"] == 540
    assert rows["aten::empty"]["peak_bytes"] == 500
    assert "1 of 5 memory events lie outside every record" in recording.notes


@pytest.mark.parametrize(
    ("types", "dims", "dtype"),
    [
        (["float", "Scalar"], [[2, 3], []], "float32"),
        (["Scalar", "c10::BFloat16"], [[], [4]], "bfloat16"),
        ([["long int", "long int"], "int"], [[[1], [2]], [3]], "int64"),
        (["", "ScalarList"], [[], []], None),
    ],
)
def test_shapes_are_compact_json_and_the_dtype_is_torchs_name(
    load: Callable[[Any], Recording], types: list[Any], dims: list[Any], dtype: str | None
) -> None:
    args = {"Input Dims": dims, "Input type": types}
    row = load(trace(event("aten::a", 0, 1, **args))).records.to_pylist()[0]
    assert row["input_shapes"] == json.dumps(dims, separators=(",", ":"))
    assert row["dtype"] == dtype


def test_device_rows_take_their_operator_from_the_call_that_launched_them(load: Callable[[Any], Recording]) -> None:
    rows = load(
        trace(
            event("aten::add", 0, 10),
            event("cudaLaunchKernel", 2, 3, "cuda_runtime", correlation=5),
            {**event("vectorized_add", 30, 4, "kernel", tid=7, correlation=5), "pid": 0},
            {**event("Memset (Device)", 40, 1, "gpu_memset", tid=7, correlation=99), "pid": 0},
        )
    ).records.to_pylist()
    assert [row["operator"] for row in rows] == ["aten::add", "aten::add", "aten::add", None]
    assert [row["launcher_id"] for row in rows] == [None, None, 0, None]
    assert [row["category"] for row in rows] == ["dispatch", "runtime", "kernel", "memory"]
    assert [row["device"] for row in rows] == ["cpu", "cpu", "cuda:0", "cuda:0"]


def test_a_list_from_before_kineto_is_read(load: Callable[[Any], Recording]) -> None:
    row = {"ph": "X", "pid": "CPU functions", "tid": 1, "args": {}}
    records = load(
        [{**row, "name": "conv2d", "ts": 1.5, "dur": 9}, {**row, "name": "relu", "ts": 2, "dur": 1.25}]
    ).records
    assert records["operator"].to_pylist() == ["aten::conv2d", "aten::relu"]
    assert records["self_ns"].to_pylist() == [7750, 1250]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("{}", "no list 'traceEvents'"),
        ('{"traceEvents": []}', "no events"),
        ("[]", "no events"),
        (
            [{"ph": "X", "cat": "Trace", "name": "p", "pid": "Spans", "tid": "s", "ts": 1, "dur": 2}],
            "no operator events",
        ),
        (
            [{"ph": "X", "cat": "python_function", "name": "f", "pid": 1, "tid": 1, "ts": 1, "dur": 2}],
            "no operator events",
        ),
        ('{"traceEvents": [{"ph": "X", "ca', "no events"),
        ("\ufefftrace".encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_no_trace_is_refused_with_a_hint(load: Callable[[Any], Recording], value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(value)
    assert caught.value.hint


@needs_samples
def test_a_golden_case_in_all_columns() -> None:
    expected = json.loads((GOLDEN / "kineto-python-cpu.profile.json").read_bytes())
    found = json.loads(aggregate([place(KINETO.load(SAMPLES / "own/kineto-python-cpu.json.gz"))]).to_json())
    assert found["notes"] == expected["notes"]
    assert found["run"] == expected["run"]
    for column, values in expected["operators"].items():
        assert found["operators"][column] == values, column
