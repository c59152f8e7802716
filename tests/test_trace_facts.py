"""What artefacts tell of themselves: real recordings of mistakes, and small ones worked out by hand."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profkit.aggregate import aggregate
from profkit.evidence import Clock, Evidence, Trace
from profkit.loader import load, load_run, recordings
from profkit.run import Run
from profkit.trace_facts import trace_facts

FACTS = Path(__file__).parent / "trace_facts"
TRACES = Path(__file__).parents[1] / "traces/mnist_cnn"
WHOLE_PROGRAM = FACTS / "whole-program.py-spy.raw.gz"


def facts(path: Path) -> Trace:
    trace = load(path).run.evidence.trace
    assert trace is not None
    return trace


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


# Samplers.


def test_a_program_that_is_recorded_whole_is_mostly_imports() -> None:
    found = facts(WHOLE_PROGRAM)
    lines = text_of(WHOLE_PROGRAM).splitlines()
    imports = sum(int(line.rpartition(" ")[2]) for line in lines if "<frozen importlib" in line)
    assert found.samples == sum(int(line.rpartition(" ")[2]) for line in lines)
    assert found.importing == pytest.approx(imports / found.samples)
    assert found.importing > 0.75


def test_few_of_its_samples_are_of_the_steps() -> None:
    found = facts(WHOLE_PROGRAM)
    assert found.samples is not None
    assert found.samples_in_steps is not None
    assert 0 < found.samples_in_steps < 0.1 * found.samples


def test_samples_without_a_stack_are_not_covered() -> None:
    (lost,) = (int(line) for line in text_of(WHOLE_PROGRAM).splitlines() if line.strip().isdecimal())
    found = facts(WHOLE_PROGRAM)
    assert found.samples is not None
    assert found.covered == pytest.approx(1 - lost / found.samples)


def test_nearly_all_samples_of_a_recorded_region_are_of_its_steps() -> None:
    found = facts(TRACES / "pytorch/py-spy/py-spy.raw.gz")
    assert (found.samples, found.importing, found.other_tools) == (248, 0.0, {})
    assert found.samples_in_steps is not None
    assert found.samples_in_steps > 0.9 * 248


@pytest.mark.parametrize("name", ["c-profile-inside.py-spy.raw.gz", "c-profile-inside.callgrind.out.gz"])
def test_a_profiler_within_is_seen_without_taking_the_program_for_it(name: str) -> None:
    found = facts(FACTS / name).other_tools
    assert list(found) == ["cProfile"]
    assert 0.02 < found["cProfile"] < 0.3


def collapsed(tmp_path: Path, *lines: str) -> Trace:
    path = tmp_path / "stacks.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return facts(path)


def test_a_tool_around_the_whole_program_has_no_cost_but_its_own(tmp_path: Path) -> None:
    found = collapsed(
        tmp_path,
        "runctx (python3.11/cProfile.py:10);main (train.py:1);step (train.py:5) 90",
        "runctx (python3.11/cProfile.py:10);main (train.py:1);step (train.py:5);profiler_callback (_lsprof.so) 6",
        "runctx (python3.11/cProfile.py:10);malloc (libc.so.6) 4",
    )
    assert found.other_tools == {"cProfile": 0.1}


def test_a_tool_that_is_only_imported_does_not_run(tmp_path: Path) -> None:
    found = collapsed(
        tmp_path,
        "main (train.py:1);_find_and_load (<frozen importlib._bootstrap>:9);<module> (torch/profiler/profiler.py:3) 7",
        "main (train.py:1);step (train.py:2) 3",
    )
    assert (found.importing, found.other_tools) == (0.7, {})


def test_what_an_import_reads_is_importing_and_what_a_reader_calls_is_reading(tmp_path: Path) -> None:
    found = collapsed(
        tmp_path,
        "main (train.py:1);_find_and_load (<frozen importlib._bootstrap>:9);read (libc.so.6) 1",
        "main (train.py:1);load_images (mine.py:2);unpack (mine.py:9);PyLong_FromLong (libpython3.11.so) 2",
        "main (train.py:1);load_images (mine.py:2);_find_and_load (<frozen importlib._bootstrap>:9);exec (a.py:1) 4",
        "main (train.py:1);step (train.py:8) 13",
    )
    assert (found.importing, found.reading) == (0.25, 0.1)


def test_readers_within_readers_count_once(tmp_path: Path) -> None:
    found = collapsed(
        tmp_path,
        "main (train.py:1);load_images (mine.py:2);load_images (mine.py:3);read (libc.so.6) 4",
        "main (train.py:1);step (train.py:8) 4",
    )
    assert found.reading == 0.5


def test_scalene_of_the_programs_own_lines_cannot_tell_imports(samples: Path) -> None:
    found = facts(samples / "own/scalene-2.4-cpu-only.json.gz")
    assert (found.samples, found.importing, found.reading) == (314, None, None)


def test_the_share_of_reading_is_what_callgrind_counts_in_the_reader() -> None:
    (recording,) = recordings(FACTS / "reading.callgrind.out.gz")
    rows = recording.records.to_pylist()
    (reader,) = (row for row in rows if row["symbol"].startswith("read_images") and row["parent_id"] is None)
    found = facts(FACTS / "reading.callgrind.out.gz")
    # A little of the reader's cost is that of resolving its symbols, which start-up shares.
    assert found.reading == pytest.approx(reader["total_instructions"] / recording.tool_totals["Ir"], abs=0.01)
    assert found.reading is not None
    assert found.reading > 0.2


def test_readers_that_call_each_other_are_not_counted_twice(tmp_path: Path) -> None:
    path = tmp_path / "callgrind.out"
    path.write_text(
        "events: Ir\n\nfn=main\n1 10\ncfn=read_images\ncalls=1 2\n1 90\n\n"
        "fn=read_images\n2 50\ncfn=parse\ncalls=2 3\n2 60\n\n"
        "fn=parse\n3 40\ncfn=read_images\ncalls=1 2\n3 30\n\ntotals: 100\n"
    )
    assert facts(path).reading == pytest.approx(0.9)


def test_a_shared_function_is_reading_by_the_part_of_its_cost_that_readers_caused(tmp_path: Path) -> None:
    path = tmp_path / "callgrind.out"
    path.write_text(
        "events: Ir\n\nfn=main\n1 10\ncfn=read_images\ncalls=1 2\n1 40\ncfn=memcpy\ncalls=1 3\n1 50\n\n"
        "fn=read_images\n2 10\ncfn=memcpy\ncalls=1 3\n2 30\n\nfn=memcpy\n3 80\n\ntotals: 100\n"
    )
    assert facts(path).reading == pytest.approx(0.4)


@pytest.mark.parametrize("implementation", ["pytorch", "libtorch"])
def test_a_labelled_recording_of_steps_is_nothing_but_steps(implementation: str) -> None:
    found = facts(TRACES / implementation / "callgrind/callgrind.out.gz")
    assert found.steps == 2
    assert found.covered is not None
    assert found.covered > 0.99
    assert found.importing is not None
    assert found.importing < 0.01
    assert found.other_tools == {}


# Timelines.


def event(name: str, category: str, start: int, duration: int, **args: int) -> dict[str, Any]:
    device = category == "kernel"
    return {
        "ph": "X", "cat": category, "name": name, "pid": 0 if device else 9, "tid": 7 if device else 9, "ts": start,
        "dur": duration, "args": args,
    }  # fmt: skip


STEPS = (
    event("ProfilerStep#1", "user_annotation", 0, 100),
    event("aten::mm", "cpu_op", 10, 20),
    event("cudaLaunchKernel", "cuda_runtime", 12, 3, correlation=1),
    event("ProfilerStep#2", "user_annotation", 100, 100),
    event("aten::mm", "cpu_op", 110, 20),
    event("cudaLaunchKernel", "cuda_runtime", 112, 3, correlation=2),
    event("cudaDeviceSynchronize", "cuda_runtime", 500, 9, correlation=3),
)
KERNELS = (event("gemm", "kernel", 20, 90, correlation=1), event("gemm", "kernel", 150, 150, correlation=2))


def timed(tmp_path: Path, *events: dict[str, Any]) -> Trace:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    return facts(path)


def test_a_kernel_that_outlives_its_step_is_late(tmp_path: Path) -> None:
    found = timed(tmp_path, *STEPS, *KERNELS)
    assert (found.device_ns, found.late_device_ns) == (240_000, 10_000 + 100_000)
    assert (found.steps, found.steps_ns, found.outlived_ns) == (2, 200_000, 100_000)


def test_time_is_covered_once_by_hosts_and_devices_together(tmp_path: Path) -> None:
    """From 10 to 130 and from 150 to 200: what runs at one time, or after the steps, counts no more."""
    assert timed(tmp_path, *STEPS, *KERNELS).covered == pytest.approx(170 / 200)


def test_only_waiting_within_the_steps_synchronises_them(tmp_path: Path) -> None:
    waits = event("cudaStreamSynchronize", "cuda_runtime", 190, 5, correlation=4)
    assert timed(tmp_path, *STEPS, *KERNELS).synchronisations == 0
    assert timed(tmp_path, *STEPS, *KERNELS, waits).synchronisations == 1


def test_launches_and_kernels_without_each_other_are_counted(tmp_path: Path) -> None:
    whole = timed(tmp_path, *STEPS, *KERNELS)
    assert (whole.launches, whole.launches_without_kernel, whole.kernels_without_launch) == (2, 0, 0)
    cut = timed(tmp_path, *STEPS, KERNELS[0], event("lost", "kernel", 400, 1, correlation=77))
    assert (cut.launches, cut.launches_without_kernel, cut.kernels_without_launch) == (2, 1, 1)
    assert timed(tmp_path, *STEPS).launches_without_kernel == 2


def test_a_trace_without_a_device_tells_nothing_of_one() -> None:
    found = facts(TRACES / "pytorch/torch/trace.json.gz")
    assert (found.device_ns, found.late_device_ns, found.launches, found.synchronisations) == (None,) * 4


@pytest.mark.parametrize(
    ("name", "late", "steps"),
    [
        ("hta/ns_resolution_rank0", 0.888, 5),
        ("hta/trace_diff_test", 0.275, 6),
        ("hta/trace_diff_control", 0.0003, 6),
        ("hta/rocm_mi250", 0.0, 2),
        ("hta/triton", 0.0, 1),
        ("tracelens/vit_h100", 0.0, 1),
    ],
)
def test_real_traces_of_devices_tell_how_late_they_were(samples: Path, name: str, late: float, steps: int) -> None:
    found = facts(samples / f"kineto/{name}.json.gz")
    assert found.device_ns
    assert found.late_device_ns is not None
    assert found.late_device_ns / found.device_ns == pytest.approx(late, abs=0.0005)
    assert (found.steps, found.broken) == (steps, 0)


def test_without_steps_nothing_can_be_late(samples: Path) -> None:
    found = facts(samples / "kineto/hta/alexnet_cuda.json.gz")
    assert found.device_ns == 66_203_000
    assert (found.steps, found.late_device_ns, found.outlived_ns, found.covered) == (None,) * 4


def test_kernels_whose_launch_is_lost_are_counted(samples: Path) -> None:
    assert facts(samples / "kineto/hta/trace_diff_test.json.gz").kernels_without_launch == 614


def test_a_clock_covers_what_lies_in_phases(tmp_path: Path) -> None:
    path = tmp_path / "wallclock.json"
    names = ["ProfilerStep#0", "phase/forward", "layer/conv1", "phase/backward"]
    scopes = {"depth": [0, 1, 2, 1], "start_ns": [0, 10, 20, 60], "duration_ns": [100, 40, 20, 30]}
    path.write_text(json.dumps({"format": "profkit-wallclock", "name": names, **scopes}))
    found = facts(path)
    assert (found.steps, found.covered, found.steps_ns) == (1, pytest.approx(0.7), 100)
    assert (found.importing, found.samples, found.device_ns) == (None, None, None)


# Whole or not.


def test_a_trace_that_is_cut_off_is_broken(tmp_path: Path) -> None:
    text = text_of(TRACES / "pytorch/torch/trace.json.gz")
    path = tmp_path / "trace.json"
    path.write_text(text[: len(text) * 2 // 3])
    assert facts(path).broken == 1


def test_a_compressed_trace_that_is_cut_off_is_broken(tmp_path: Path) -> None:
    data = (TRACES / "pytorch/torch/trace.json.gz").read_bytes()
    path = tmp_path / "trace.json.gz"
    path.write_bytes(data[: len(data) * 2 // 3])
    assert facts(path).broken == 2


def test_events_without_their_other_half_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    begin = {"ph": "B", "pid": 1, "tid": 1, "ts": 1, "name": "work"}
    path.write_text(json.dumps([begin, {**begin, "ts": 2, "name": "more"}, {**begin, "ph": "E", "ts": 9}]))
    assert facts(path).broken == 1


def test_stacks_of_py_spy_that_end_within_a_line_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "stacks.txt"
    path.write_text('process 12:"python a.py";main (a.py:1) 5')
    assert facts(path).broken == 1


@pytest.mark.parametrize("path", sorted(FACTS.glob("*.gz")) + sorted(TRACES.rglob("*.gz")), ids=lambda path: path.name)
def test_whole_artefacts_are_not_broken(path: Path) -> None:
    assert facts(path).broken == 0


def test_samples_that_the_sampler_failed_to_take_are_lost() -> None:
    (recording,) = recordings(WHOLE_PROGRAM)
    operators = aggregate([recording]).operators
    failed = replace(recording, run=replace(recording.run, settings={"sample_errors": "3"}))
    assert trace_facts([failed], operators).broken == 3


# Repeats, and what the recorder knew.


@pytest.mark.parametrize("tool", ["torch", "callgrind", "py-spy"])
def test_repeats_add_up_and_keep_their_shares(tool: str) -> None:
    (path,) = (TRACES / "pytorch" / tool).glob("*.gz")
    once = recordings(path)
    both = [*once, *once]
    one, two = (trace_facts(read, aggregate(read).operators) for read in (once, both))
    for name in ("steps", "samples", "samples_in_steps", "broken", "steps_ns"):
        value = getattr(one, name)
        assert getattr(two, name) == (None if value is None else 2 * value), name
    for name in ("covered", "importing", "reading"):
        assert getattr(two, name) == pytest.approx(getattr(one, name)), name


def test_what_the_recorder_saw_stays_beside_what_the_artefact_tells(tmp_path: Path) -> None:
    source = TRACES / "pytorch/torch"
    run = msgspec.json.decode((source / "run.json").read_bytes(), type=Run)
    clock = Clock("perf_counter", 40.0, monotonic=True)
    told = Evidence(clock=clock, trace=Trace(steps=99, synchronisations=7), workers=0)
    (tmp_path / "trace.json.gz").write_bytes((source / "trace.json.gz").read_bytes())
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(replace(run, evidence=told)))
    for profile in (load_run(tmp_path), load(tmp_path / "trace.json.gz")):
        evidence = profile.run.evidence
        assert (evidence.clock, evidence.workers) == (clock, 0)
        assert evidence.trace is not None
        assert (evidence.trace.steps, evidence.trace.synchronisations) == (2, 7)


def test_a_profile_keeps_the_facts_when_it_is_written(tmp_path: Path) -> None:
    profile = load(FACTS / "reading.callgrind.out.gz")
    profile.write(tmp_path / "profile.json")
    assert load(tmp_path / "profile.json").run.evidence == profile.run.evidence
