"""Every file among the samples: its format, and that nothing of its cost is lost on the way to a profile.

The total of each is worked out here from the file itself, by other code than the importers'.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profkit.aggregate import aggregate
from profkit.errors import InputError
from profkit.layers import place
from profkit.loader import load, sniff
from profkit.schema import CATEGORIES
from profkit.summary import summarise

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent"
)


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8", "replace")


def counts(path: Path) -> int:
    return sum(int(line.rpartition(" ")[2]) for line in text_of(path).splitlines())


def weights_ns(path: Path) -> int:
    profiles = json.loads(text_of(path))["profiles"]
    return round(sum(sum(profile["weights"]) for profile in profiles) * 1e9)


def last_event(path: Path) -> int:
    return max(event["at"] for event in json.loads(text_of(path))["profiles"][0]["events"])


def stitched(path: Path) -> int:
    return sum(count for _, count in json.loads(text_of(path))["combined_stacks"])


def headers(path: Path) -> int:
    return len(re.findall(r"^\S.*:", text_of(path), re.MULTILINE))


def callgrind(path: Path) -> int:
    """The first event of the totals, or of the summary where there are none, of all parts."""
    text = text_of(path)
    found = re.findall(r"^totals: (\d+)", text, re.MULTILINE) or re.findall(r"^summary: (\d+)", text, re.MULTILINE)
    return sum(map(int, found))


def of_any(_: Path) -> None:
    """Kineto's own tests add its times up; here it is enough that nothing is lost between records and rows."""


Total = Callable[[Path], int | None]
CASES: dict[str, tuple[str, str, Total]] = {
    "own/py-spy-native.raw.txt.gz": ("collapsed", "samples", counts),
    "own/py-spy-native-named-layers.raw.txt.gz": ("collapsed", "samples", counts),
    "own/py-spy-native.speedscope.json.gz": ("speedscope", "self_ns", weights_ns),
    "own/scalene-2.4-cpu-only.json.gz": ("scalene", "samples", stitched),
    "own/callgrind-libtorch-3-steps.out.gz": ("callgrind", "self_instructions", callgrind),
    "own/callgrind-python-3-steps.out.gz": ("callgrind", "self_instructions", callgrind),
    "own/kineto-libtorch-cpu.json.gz": ("kineto", "self_ns", of_any),
    "own/kineto-python-cpu.json.gz": ("kineto", "self_ns", of_any),
    "speedscope/simple-sampled.speedscope.json": ("speedscope", "self_ns", weights_ns),
    "speedscope/two-sampled.speedscope.json": ("speedscope", "self_ns", weights_ns),
    "speedscope/simple.speedscope.json": ("speedscope", "samples", last_event),
    "chrome-trace/invalid-x-nesting.json": ("chrome", "self_ns", lambda _: 10_000),
    "chrome-trace/matching-x.json": ("chrome", "self_ns", lambda _: 10_000),
    "chrome-trace/multiprocess.json": ("chrome", "self_ns", lambda _: 8_000),
    "chrome-trace/only-begin-events.json": ("chrome", "self_ns", lambda _: 2_000),
    "chrome-trace/simple-partial.json": ("chrome", "self_ns", lambda _: 14_000),
    "chrome-trace/zero-duration-events.json": ("chrome", "self_ns", lambda _: 10_000),
    "perf-script/simple.txt": ("perf_script", "self_ns", lambda _: 1_001_001),
    "perf-script/issue28.perf": ("perf_script", "samples", headers),
    "callgrind/gprof2dot/bool.callgrind": ("callgrind", "self_instructions", callgrind),
    "callgrind/gprof2dot/issue35.callgrind": ("callgrind", "self_instructions", callgrind),
    "callgrind/gprof2dot/selinux.callgrind": ("callgrind", "self_instructions", callgrind),
    "callgrind/speedscope/cfn-reset.log": ("callgrind", "self_instructions", lambda _: 40),
    "callgrind/speedscope/example.log": ("callgrind", "self_instructions", lambda _: 820),
    "callgrind/speedscope/multiple-event-types.log": ("callgrind", "self_ns", lambda _: 8200),
    "callgrind/speedscope/name-compression.log": ("callgrind", "self_instructions", lambda _: 820),
    "callgrind/speedscope/subposition-compression.log": ("callgrind", "self_instructions", lambda _: 820),
    **{
        f"kineto/{name}": ("kineto", "self_ns", of_any)
        for name in (
            "hta/alexnet_cuda.json.gz", "hta/backward_thread.json", "hta/ns_resolution_rank0.json.gz",
            "hta/rocm_mi250.json.gz", "hta/simple_add_cuda.json.gz", "hta/trace_diff_control.json.gz",
            "hta/trace_diff_test.json.gz", "hta/triton.json.gz", "tracelens/vit_h100.json.gz",
        )
    },
}  # fmt: skip
REFUSED = {
    "speedscope/invalid/incomplete-trace.json": "profile 1 'p1', event 0: frame 'A' is never closed",
    "speedscope/invalid/out-of-order-events.json": "profile 1 'p1', event 6: closes 'B', but 'A' is open inside it",
    "callgrind/gprof2dot/empty.callgrind": "has no cost in it",
}


@needs_samples
@pytest.mark.parametrize("sample", sorted(CASES))
def test_a_sample_is_recognised_and_all_of_its_cost_is_in_the_profile(sample: str) -> None:
    name, metric, total = CASES[sample]
    importer = sniff(SAMPLES / sample)
    assert importer.name == name
    recording = place(importer.load(SAMPLES / sample))
    profile = aggregate([recording])
    whole = sum(value or 0 for value in recording.records[metric].to_pylist())
    assert (profile.metric, int(profile.cost().sum())) == (metric, whole)
    assert total(SAMPLES / sample) in (None, whole)


@needs_samples
@pytest.mark.parametrize("sample", sorted(CASES))
def test_a_sample_can_be_shown_by_everything(sample: str) -> None:
    profile = load(SAMPLES / sample)
    whole = int(profile.cost().sum())
    for dimension in ("layer", "phase", "operator", "category", "symbol", "file"):
        assert int(summarise(profile, (dimension,)).self_cost.sum()) == whole > 0
    if sample.split("/")[0] != "callgrind":
        assert {key for (key,) in summarise(profile, ("category",)).keys} <= set(CATEGORIES)


@needs_samples
@pytest.mark.parametrize("sample", sorted(REFUSED))
def test_an_invalid_sample_is_refused_with_what_is_wrong_where(sample: str) -> None:
    with pytest.raises(InputError, match=REFUSED[sample]) as caught:
        load(SAMPLES / sample)
    assert caught.value.hint


@needs_samples
def test_no_sample_is_left_out_of_these_tests() -> None:
    there = {str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if path.is_file()}
    assert {name for name in there if not name.endswith((".md", ".csv"))} == {*CASES, *REFUSED}


def shares(sample: str, *by: str) -> dict[Any, float]:
    profile = load(SAMPLES / sample)
    summary = summarise(profile, by)
    return {
        key if len(by) > 1 else key[0]: cost / summary.self_cost.sum()
        for key, cost in zip(summary.keys, summary.self_cost.tolist(), strict=True)
    }


@needs_samples
def test_py_spys_named_layers_are_layers_and_the_backward_pass_has_none() -> None:
    found = shares("own/py-spy-native-named-layers.raw.txt.gz", "layer", "phase")
    assert {layer for layer, _ in found} == {None, "conv1", "conv2", "fc1", "fc2"}
    assert {phase for layer, phase in found if layer} == {"forward"}
    assert {phase for layer, phase in found if not layer} == {None, "forward", "backward", "optimizer"}
    assert found[None, "backward"] > found["conv1", "forward"] > found["conv2", "forward"] > found["fc1", "forward"] > 0


@needs_samples
@pytest.mark.parametrize("sample", ["own/py-spy-native.raw.txt.gz", "own/scalene-2.4-cpu-only.json.gz"])
def test_the_native_frames_of_samplers_tell_the_operators(sample: str) -> None:
    found = shares(sample, "operator")
    assert {"aten::max_pool2d_with_indices", "aten::mkldnn_convolution", "aten::convolution_backward"} <= set(found)
    assert found["aten::max_pool2d_with_indices"] > found["aten::convolution_backward"] > 0
