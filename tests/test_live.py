"""Every implementation under every tool that can see it, recorded now: what the README promises of every recording."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.compute as pc
import pytest

from profkit.artefact import sha256
from profkit.comparison import diff
from profkit.loader import load, load_run
from profkit.network_costs import network_costs
from profkit.profile import Profile, read_profile
from profkit.quantities import derive, uncosted_rows, working_rows
from profkit.summary import Key, coverage, summarise
from tests.conftest import TOOLS, Recorded

Live = dict[tuple[str, str], Recorded]
BOTH = pytest.mark.parametrize("implementation", ["pytorch", "libtorch"])
ALL = pytest.mark.parametrize("implementation", list(TOOLS))
EVERY = pytest.mark.parametrize(
    ("implementation", "tool"), [(name, tool) for name, tools in TOOLS.items() for tool, *_ in tools]
)
LAYERS = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "linear1", "relu3", "linear2", "loss")


def same_rows(one: Profile, other: Profile) -> bool:
    """Equal in every value; the order of an Arrow dictionary's entries is nobody's business."""
    return bool(one.operators.to_pydict() == other.operators.to_pydict())


@EVERY
def test_the_run_directory_holds_the_artefact_its_digest_and_the_profile(
    live: Live, implementation: str, tool: str
) -> None:
    recorded = live[implementation, tool]
    run = recorded.profile.run
    assert [sha256(recorded.directory / name) for name in run.artefacts] == list(run.artefact_sha256)
    assert same_rows(read_profile(recorded.directory / "profile.json"), recorded.profile)
    assert not list(recorded.directory.parent.glob("*.partial"))


@EVERY
def test_a_run_tells_where_it_comes_from(live: Live, implementation: str, tool: str) -> None:
    run = live[implementation, tool].profile.run
    assert (run.implementation, run.tool, run.workload, run.batch_size) == (implementation, tool, "mnist_cnn", 8)
    assert run.machine
    assert run.versions["torch"].startswith("2.")
    assert run.threads == 1
    assert run.build or implementation == "numba"  # which compiles while it runs
    assert run.versions["numba" if implementation == "numba" else "torch"]
    assert run.settings["cpu_capability"]
    assert len(run.tool_step_ns) == run.steps
    assert run.slowdown
    assert run.slowdown > (10 if tool == "callgrind" else 0.3)


@EVERY
def test_what_was_read_can_be_read_again_from_the_raw_artefact(live: Live, implementation: str, tool: str) -> None:
    recorded = live[implementation, tool]
    assert same_rows(load_run(recorded.directory), recorded.profile)
    if len(recorded.profile.run.artefacts) == 1:
        again = load(recorded.directory / recorded.profile.run.artefacts[0])
        assert same_rows(again, recorded.profile)
        assert again.run == recorded.profile.run


@ALL
def test_every_implementation_agrees_with_the_reference(live: Live, implementation: str) -> None:
    agreement = live[implementation, "torch"].profile.run.agreement
    assert agreement
    assert agreement.holds
    assert max(agreement.output, agreement.loss, agreement.weight) < 2e-6
    assert 0 < agreement.exact < 1e-6


@BOTH
def test_almost_all_time_and_instructions_carry_a_layer_or_a_phase(live: Live, implementation: str) -> None:
    assert coverage(live[implementation, "torch"].profile).placed >= 0.97
    assert coverage(live[implementation, "callgrind"].profile).placed >= 0.95
    assert coverage(live[implementation, "wallclock"].profile).placed >= 0.95


def test_almost_all_time_of_numba_carries_a_layer_or_a_phase(live: Live) -> None:
    """Its kernels are so quick on eight samples that what Python does between two phases is a larger share."""
    assert coverage(live["numba", "torch"].profile).placed >= 0.8
    assert coverage(live["numba", "wallclock"].profile).placed >= 0.8


@BOTH
@pytest.mark.parametrize("tool", ["torch", "callgrind"])
def test_every_backward_convolution_carries_its_layer(live: Live, implementation: str, tool: str) -> None:
    table = live[implementation, tool].profile.operators
    backward = table.filter(pc.equal(table["operator"], "aten::convolution_backward"))
    assert backward.num_rows
    assert set(backward["layer"].to_pylist()) == {"conv1", "conv2"}
    assert set(backward["phase"].to_pylist()) == {"backward"}


@BOTH
def test_recording_twice_counts_the_same_instructions(live: Live, implementation: str) -> None:
    per_step = summarise(live[implementation, "callgrind"].profile, ("phase",)).per_step
    assert per_step is not None
    first, second = (int(step) for step in per_step.sum(axis=0))
    assert abs(first - second) / first < 1e-3


@BOTH
def test_the_profile_has_every_instruction_that_callgrind_annotate_lists(
    live: Live, implementation: str, tmp_path: Path
) -> None:
    """A call that lasts over a dump is written `calls=0`, and callgrind_annotate takes the cost of such a line, which
    is inclusive, for the function's own; as `calls=1` it reads it right."""
    annotate = shutil.which("callgrind_annotate")
    assert annotate
    recorded = live[implementation, "callgrind"]
    listed = 0
    for name in recorded.profile.run.artefacts:
        text = (recorded.directory / name).read_bytes()
        (tmp_path / name).write_bytes(re.sub(rb"^calls=0 ", b"calls=1 ", text, flags=re.M))
        command = [annotate, "--threshold=100", "--auto=no", "--show-percs=no", str(tmp_path / name)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        functions = said.split("file:function", 1)[1]
        listed += sum(int(count.replace(",", "")) for count in re.findall(r"^\s*([\d,]+)\s+\S", functions, re.M))
    assert pc.sum(recorded.profile.operators["self_instructions"]).as_py() == listed


def test_the_same_kernels_run_in_both_languages_and_only_python_pays_for_python(live: Live) -> None:
    result = diff(live["pytorch", "callgrind"].profile, live["libtorch", "callgrind"].profile, ("category",))
    rows = {row.key[0]: row for row in result.rows}
    assert rows["kernel"].baseline == pytest.approx(rows["kernel"].candidate, rel=0.02)
    assert rows["interpreter"].candidate in (None, 0)
    assert rows["interpreter"].baseline
    assert result.total.delta < 0


@pytest.mark.parametrize("tool", ["torch", "callgrind"])
def test_every_layer_and_phase_is_seen_in_both_languages(live: Live, tool: str) -> None:
    seen = [
        {key for key in summarise(live[implementation, tool].profile, ("layer", "phase")).keys if key[0]}
        for implementation in ("pytorch", "libtorch")
    ]
    assert seen[0] == seen[1]
    assert {(layer, phase) for layer in LAYERS for phase in ("forward", "backward")} <= seen[0]


@pytest.mark.parametrize("tool", ["torch", "wallclock"])
def test_hand_written_kernels_are_seen_in_every_layer_forward_and_backward(live: Live, tool: str) -> None:
    seen = {key for key in summarise(live["numba", tool].profile, ("layer", "phase")).keys if key[0]}
    assert {(layer, phase) for layer in LAYERS for phase in ("forward", "backward")} <= seen


@pytest.mark.parametrize(
    ("operator", "layers", "phase"),
    [
        ("aten::convolution", {"conv1", "conv2"}, "forward"),
        ("aten::convolution_backward", {"conv1", "conv2"}, "backward"),
        ("aten::addmm", {"linear1", "linear2"}, "forward"),
    ],
)
def test_hand_written_kernels_stand_under_the_operators_that_they_compute(
    live: Live, operator: str, layers: set[str], phase: str
) -> None:
    profile = live["numba", "torch"].profile
    table = profile.operators.filter(pc.equal(profile.operators["operator"], operator))
    assert set(table["layer"].to_pylist()) == layers
    assert set(table["phase"].to_pylist()) == {phase}
    assert set(table["kind"].to_pylist()) == {"operator"}
    assert set(table["category"].to_pylist()) == {"kernel"}
    assert pc.sum(table["count"]).as_py() == len(layers) * (profile.run.steps or 0)


def test_a_diff_sets_backward_convolutions_by_hand_beside_those_of_torch(live: Live) -> None:
    result = diff(live["pytorch", "torch"].profile, live["numba", "torch"].profile)
    rows = {row.key: row for row in result.rows}
    for layer in ("conv1", "conv2"):
        row = rows[layer, "backward", "aten::convolution_backward"]
        assert row.baseline
        assert row.candidate


def work_by_place(profile: Profile, quantity: str) -> dict[Key, float | None]:
    """A quantity of one step by layer and phase, where there is any."""
    by = ("layer", "phase")
    keys = summarise(profile, by).keys
    derived = derive(profile, by, [(key,) for key in keys], (quantity,), per=profile.run.steps or 1)
    return {key: value for key, value in zip(keys, derived.values[quantity], strict=True) if value}


@EVERY
def test_every_implementation_does_the_multiply_adds_of_the_network(live: Live, implementation: str, tool: str) -> None:
    profile = live[implementation, tool].profile
    expected: dict[Key, float] = {}
    for cost in network_costs(profile.run) or []:
        # A clock knows no layers of torch's backward pass.
        unseen = tool == "wallclock" and implementation != "numba" and cost.phase == "backward"
        layer = None if unseen else cost.layer
        expected[layer, cost.phase] = expected.get((layer, cost.phase), 0) + cost.macs
    assert work_by_place(profile, "macs") == {key: macs for key, macs in expected.items() if macs}


@ALL
def test_the_cost_of_all_time_in_operators_is_known(live: Live, implementation: str) -> None:
    profile = live[implementation, "torch"].profile
    cost = profile.cost()
    works, unknown = working_rows(profile.operators), uncosted_rows(profile.operators)
    assert cost[works & ~unknown].sum() > 0.99 * cost[works].sum()
