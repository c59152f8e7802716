"""What is seen of the user's own Python program beside its times; the program does not notice."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from profkit.evidence import Evidence
from profkit.guest.observe import in_words
from profkit.guest.tensors import change, statistics, subnormal_share, unnoticed
from profkit.run import Run
from tests.own_program.conftest import Recorded, record

PYTHON = sys.executable
TRAINING = """
import torch
from torch import nn
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
network[4].bias.requires_grad_(False)
with torch.no_grad():
    network[4].weight[0] = 1e-40
optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.0)
data = torch.utils.data.TensorDataset(torch.linspace(0, 1, 64 * 40).reshape(40, 1, 8, 8))
for step, (batch,) in enumerate(torch.utils.data.DataLoader(data, 4)):
    optimizer.param_groups[0]["lr"] = 0.01 * (step > 0)  # as schedules with a warm-up begin
    optimizer.zero_grad()
    network(batch).sum().backward()
    optimizer.step()
    if step == 8:
        print(torch.rand(1), network[0].weight.double().sum().item(), network[4].weight.double().sum().item())
"""


def written(folder: Path, body: str) -> Path:
    path = folder / "program.py"
    path.write_text(body)
    return path


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("training")
    return record(folder, "--warmup", 3, "--steps", 3, "--", PYTHON, written(folder, TRAINING))


@pytest.fixture(scope="module")
def run(training: Recorded) -> Run:
    return training.profile.run


@pytest.fixture(scope="module")
def evidence(run: Run) -> Evidence:
    return run.evidence


def test_the_program_computes_and_draws_what_it_does_without(training: Recorded) -> None:
    script = training.path.with_name("program.py")
    alone = subprocess.run([PYTHON, script], capture_output=True, text=True, check=True)
    assert training.stdout == alone.stdout != ""


def test_its_work_is_counted(evidence: Evidence) -> None:
    assert evidence.work is not None
    assert evidence.work.parameters == 4 * 9 + 4 + 2 * 4 + 4 * 36 * 10  # the frozen bias is not trained
    assert evidence.work.layers == 5
    assert evidence.work.macs == 4 * 36 * 9 + 4 * 36 * 10


def test_its_first_batch_is_known(evidence: Evidence) -> None:
    batch = torch.linspace(0, 1, 64 * 40).reshape(40, 1, 8, 8)[:4]
    seen = evidence.inputs
    assert seen is not None
    assert seen.sha256 == hashlib.sha256(batch.numpy().tobytes()).hexdigest()
    assert (seen.shape, seen.dtype) == ((4, 1, 8, 8), "float32")
    assert seen.mean == pytest.approx(batch.mean().item())
    assert seen.deviation == pytest.approx(batch.std(correction=0).item())
    assert (seen.minimum, seen.maximum) == (batch.min().item(), batch.max().item())
    assert seen.preparation["order"] == "SequentialSampler"


def test_a_transform_is_told_without_the_addresses_of_its_functions() -> None:
    class Lambda:
        def __init__(self) -> None:
            self.function = lambda value: value

        def __repr__(self) -> str:
            return f"Lambda({self.function!r})"

    assert in_words(Lambda()) == in_words(Lambda())
    assert in_words(Lambda()).endswith(".<lambda>>)")


def test_frozen_weights_are_told_from_trained_ones(evidence: Evidence) -> None:
    assert evidence.training is not None
    assert evidence.training.frozen == ("4.bias",)
    changes = evidence.training.changes
    assert list(changes) == ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]
    assert changes["4.bias"] == 0
    assert 0.005 < changes["1.weight"] < 0.015  # Adam's steps are as large as its learning rate, the weights are one


def test_subnormal_weights_are_found(evidence: Evidence) -> None:
    assert evidence.subnormals is not None
    assert evidence.subnormals.state is not None
    assert 0 <= evidence.subnormals.weights < 1  # the optimizer has moved them


def test_where_and_how_it_ran(run: Run, evidence: Evidence) -> None:
    assert evidence.places == {"inputs": "cpu", "weights": "cpu", "state": "cpu"}
    assert (run.settings["grad"], run.settings["training"], run.settings["flush_denormals"]) == (
        "true",
        "true",
        "false",
    )
    assert evidence.synchronised is None
    assert evidence.other_tools == ()
    assert evidence.workers == 0
    assert evidence.clock is not None
    assert evidence.clock.monotonic
    assert 0 < evidence.clock.resolution_ns < 1e6
    assert evidence.memory is not None
    assert 0 < (evidence.memory.rss_bytes or 0) <= (evidence.memory.peak_rss_bytes or 0)
    assert len(evidence.processes) == 1
    assert evidence.headless is not None
    assert evidence.directory is False


def test_every_step_without_the_tool_has_its_samples_and_phases(run: Run, evidence: Evidence) -> None:
    assert len(run.step_ns) == 4  # of ten, three are warm-up and three recorded
    assert evidence.samples == (4,) * 4
    assert run.batch_size == 4
    assert set(evidence.phase_ns) == {"data", "forward", "backward", "optimizer", "rest"}
    for step, elapsed in enumerate(run.step_ns):
        assert sum(times[step] for times in evidence.phase_ns.values()) == elapsed
    assert all(min(evidence.phase_ns[phase]) > 0 for phase in ("data", "forward", "backward", "optimizer"))
    assert len(evidence.warmup_ns) == 3


def test_inference_without_a_loader_is_told_as_what_it_is(tmp_path: Path) -> None:
    body = """
import torch
from torch import nn
network = nn.Sequential(nn.Linear(8, 4), nn.ReLU()).eval()
torch.set_flush_denormal(True)
with torch.no_grad():
    for _ in range(9):
        network(torch.ones(3, 8))
"""
    folder = tmp_path / "source"
    folder.mkdir()
    done = record(tmp_path, "--tool", "wallclock", "--warmup", 2, "--steps", 3, "--", PYTHON, written(folder, body))
    seen = done.profile.run
    assert (seen.settings["grad"], seen.settings["training"], seen.settings["flush_denormals"]) == (
        "false",
        "false",
        "true",
    )
    assert seen.evidence.training is None
    assert seen.evidence.workers is None
    assert seen.evidence.directory is True
    assert seen.evidence.work is not None
    assert seen.evidence.work.macs == 32


def test_a_profiler_of_the_programs_own_is_another_tool(tmp_path: Path) -> None:
    body = f"import cProfile\nown = cProfile.Profile()\nown.enable()\n{TRAINING}\nown.disable()"
    done = record(tmp_path, "--tool", "wallclock", "--steps", 3, "--", PYTHON, written(tmp_path, body))
    tools = done.profile.run.evidence.other_tools
    assert tools is not None
    assert any("setprofile" in tool or "cProfile" in tool for tool in tools), tools
    inside = "\nwith torch.profiler.profile():\n    for _ in range(9):\n        optimizer.step()"
    script = written(tmp_path, TRAINING + inside)
    done = record(tmp_path, "--force", "--tool", "wallclock", "--steps", 3, "--", PYTHON, script)
    assert done.profile.run.evidence.other_tools == ("torch profiler",)


def test_with_a_run_without_the_tool_its_evidence_counts(tmp_path: Path) -> None:
    done = record(tmp_path, "--twice", "--warmup", 3, "--steps", 4, "--", PYTHON, written(tmp_path, TRAINING))
    seen = done.profile.run
    assert len(seen.step_ns) == len(seen.evidence.samples) == 4
    assert [sum(step) for step in zip(*seen.evidence.phase_ns.values(), strict=True)] == list(seen.step_ns)


def test_odd_inputs_and_networks_raise_nothing_into_the_program(tmp_path: Path) -> None:
    body = """
import torch
from torch import nn
class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    def forward(self, given):
        return (self.weight * given["factor"]).abs().sum()
network = Odd()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(9):
    network({"factor": step + 1}).backward()
    optimizer.step()
print("whole")
"""
    done = record(tmp_path, "--steps", 3, "--", PYTHON, written(tmp_path, body))
    assert (done.exit_code, done.stdout) == (0, "whole\n")
    assert done.profile.run.evidence.inputs is None
    assert done.profile.run.evidence.samples == ()


def test_large_and_strided_tensors_are_read_whole() -> None:
    plain = torch.arange(3 << 20, dtype=torch.float32).reshape(1 << 10, -1)
    for tensor in (plain, plain.t(), plain[:, ::2]):
        told = statistics(tensor)
        assert told["sha256"] == hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
        assert told["mean"] == pytest.approx(tensor.double().mean().item())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("flushes", [False, True])
def test_subnormal_numbers_are_counted_also_where_they_are_taken_as_zero(dtype: torch.dtype, flushes: bool) -> None:
    least = torch.finfo(dtype).smallest_normal
    numbers = torch.tensor([0.0, 1.0, -1.0, least, -least, float("inf"), float("nan"), 0.0], dtype=dtype)
    small = torch.tensor([least / 2, -least / 4], dtype=dtype)
    torch.set_flush_denormal(flushes)
    try:
        assert subnormal_share({"a": numbers, "b": torch.cat((numbers[:2], small))}) == (2 / 12, "b", 0.5)
    finally:
        torch.set_flush_denormal(False)
    assert subnormal_share({"whole": torch.ones(3, dtype=torch.int64)}) == (None, "", 0.0)


def test_looking_leaves_modes_and_gradients_alone() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    weight = torch.ones(4, requires_grad=True)
    with FlopCounterMode(display=False) as counter, unnoticed():
        assert change(weight, weight * 1.5) == pytest.approx(0.5)
        assert not (weight.reshape(2, 2) @ weight.reshape(2, 2)).requires_grad
    assert counter.get_total_flops() == 0
