"""What is seen of programs that do the unexpected; each is told to an observer as it would be while it runs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from profkit.guest.network_facts import names_of, network_facts
from profkit.guest.observe import Observer
from profkit.guest.process_facts import peak_bytes
from profkit.guest.report import Report
from profkit.guest.tensors import places
from profkit.own_evidence import own_evidence


class Scaled(nn.Module):
    """Takes anything before its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, scale: Any, batch: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.linear(batch)
        return output * scale if isinstance(scale, int | torch.Tensor) else output


class Program:
    """A program that is observed.

    Args:
        tool: that would record it.
    """

    def __init__(self, tool: str = "torch") -> None:
        self.observer = Observer(tool)

    def call(self, network: nn.Module, *inputs: Any) -> torch.Tensor:
        """A call from outside, in a step without the tool."""
        self.observer.called(network, inputs, 0)
        output: torch.Tensor = network(*inputs)
        return output

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """An update, which ends a step."""
        self.observer.meet(optimizer)
        self.observer.update(optimizer, optimizer.step)
        self.observer.step_ended("warmup", 1)

    def train(self, network: nn.Module, optimizer: torch.optim.Optimizer, *inputs: Any) -> None:
        """A whole step."""
        self.call(network, *inputs).sum().backward()
        self.update(optimizer)

    def facts(self) -> dict[str, Any]:
        """All that was seen."""
        self.observer.after_tool()
        return self.observer.report()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program whose modules' calls are told of, as they are while it is recorded."""
    program, original = Program(), nn.Module.__call__

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return program.observer.clock.run("layer/any", original, module, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", call)
    return program


def sgd(*networks: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD([weight for network in networks for weight in network.parameters()], lr=0.1)


@pytest.mark.parametrize("scale", [3, torch.tensor(3.0), object(), torch.empty(0, 4)], ids=["int", "0d", "any", "0"])
def test_a_first_argument_that_is_no_batch_raises_nothing_and_gives_no_work(listening: Program, scale: Any) -> None:
    taken = scale if not isinstance(scale, torch.Tensor) or scale.numel() else object()
    listening.observer.called(network := Scaled(), (scale, torch.ones(8, 4)), 0)
    assert network(taken, torch.ones(8, 4)).shape == (8, 2)
    assert "macs" not in listening.observer.facts


def test_a_single_sample_is_not_taken_for_a_batch(listening: Program) -> None:
    listening.call(nn.Sequential(nn.Linear(4, 2)), torch.ones(4))
    assert "macs" not in listening.observer.facts


def test_what_goes_wrong_while_work_is_counted_stays_out_of_the_program(listening: Program) -> None:
    class Odd(nn.Sequential):
        def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
            raise TypeError("not to be asked for")

    assert listening.call(Odd(nn.Linear(4, 2)), torch.ones(8, 4)).shape == (8, 2)


def test_counting_work_computes_no_weight_anew(listening: Program) -> None:
    def direction(called: Program | None) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Sequential(parametrizations.spectral_norm(nn.Linear(8, 8)))
        if called is not None:
            called.observer.called(network, (torch.ones(2, 8),), 0)
        network(torch.ones(2, 8))
        found: torch.Tensor = network[0].parametrizations.weight[0]._u  # type of a list of modules
        return found.clone()

    assert torch.equal(direction(None), direction(listening))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_leave_a_report_that_can_be_read(tmp_path: Path, value: float) -> None:
    program, network = Program(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    program.observer.first_call(network, (torch.tensor([[1.0, value]]),))
    optimizer = sgd(network)
    program.call(network, torch.ones(1, 2)).sum().backward()
    assert network[1].weight.grad is not None
    network[1].weight.grad[0, 0] = value
    program.update(optimizer)
    program.observer.after_tool()
    Report().write(tmp_path / "report.json", program.observer.report(), program.observer.settings)
    seen = own_evidence(msgspec.json.decode((tmp_path / "report.json").read_bytes()), None, timed=None)
    assert seen.inputs is None
    assert seen.places["inputs"] == "cpu"
    assert seen.training is not None
    assert set(seen.training.changes) == {"0.weight", "0.bias", "1.bias"}
    assert seen.training.frozen == ()


def test_modes_are_those_of_the_first_network_in_the_last_step_that_ended() -> None:
    program, network, teacher = Program(), nn.Linear(4, 2), nn.Linear(4, 2).eval()
    optimizer, batch = sgd(network), torch.ones(2, 4)
    for _ in range(2):
        program.call(network, batch).sum().backward()
        with torch.no_grad():
            program.call(teacher, batch)
        program.update(optimizer)
    with torch.no_grad():
        program.call(network.eval(), batch)
    assert {name: program.observer.settings[name] for name in ("grad", "training")} == {
        "grad": "true",
        "training": "true",
    }


def test_where_no_step_ended_the_modes_of_the_first_call_are_told() -> None:
    observer = Observer("torch")
    with torch.no_grad():
        observer.first_call(nn.Linear(4, 2).eval(), (torch.ones(1, 4),))
    assert observer.settings == {"grad": "false", "training": "false"}


def test_networks_of_one_class_keep_their_weights_apart() -> None:
    networks = [nn.Sequential(nn.Linear(3, 3)), nn.Linear(4, 2), nn.Linear(4, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2)]
    facts, _ = network_facts(networks, [], {})
    assert facts["parameters"] == sum(weight.numel() for network in networks for weight in network.parameters())
    assert list(names_of(networks).values())[:6] == [
        "0.weight",
        "0.bias",
        "Linear.weight",  # as its layers are called
        "Linear.bias",
        "Linear2.weight",
        "Linear2.bias",
    ]


def test_a_weight_that_gets_its_name_after_its_first_update_is_not_frozen() -> None:
    program, first, later = Program(), nn.Linear(2, 2), nn.Linear(3, 3)
    optimizer = sgd(first, later)
    inner = nn.functional.linear(torch.ones(1, 3), later.weight, later.bias)
    (program.call(first, torch.ones(1, 2)).sum() + inner.sum()).backward()
    program.update(optimizer)
    program.call(later, torch.ones(1, 3))
    training = program.facts()["training"]
    assert training["frozen"] == []
    assert list(training["changes"]) == ["weight", "bias", "Linear.weight", "Linear.bias"]


def test_copies_that_no_optimizer_trains_are_not_frozen_weights_and_frozen_ones_are() -> None:
    program, network, loose = Program(), nn.Sequential(nn.Linear(2, 2)), nn.Parameter(torch.ones(1))
    network[0].bias.requires_grad_(False)
    average = copy.deepcopy(network)
    optimizer = torch.optim.SGD([network[0].weight, loose], lr=0.1)
    (program.call(network, torch.ones(1, 2)).sum() * loose).sum().backward()
    program.update(optimizer)
    program.call(average, torch.ones(1, 2))
    training = program.facts()["training"]
    assert training["frozen"] == ["0.bias"]
    assert list(training["changes"]) == ["0.weight", "0.bias", "optimizer.1"]


def test_weights_whose_optimizer_was_not_seen_to_step_are_not_called_frozen() -> None:
    program, network, other = Program(), nn.Linear(2, 2), nn.Linear(2, 2)
    program.call(other, torch.ones(1, 2))
    unseen = sgd(other)
    program.observer.meet(unseen)
    optimizer = sgd(network)
    program.train(network, optimizer, torch.ones(1, 2))
    assert program.facts()["training"] == {"changes": pytest.approx({"Linear.weight": 1, "Linear.bias": 1}, rel=9)} | {
        "frozen": []
    }


def test_a_graph_that_is_being_captured_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: asked.append("stream"))
    program, network = Program(), nn.Linear(2, 2)
    program.observer.first_call(network, (torch.ones(1, 2),))
    program.train(network, sgd(network), torch.ones(1, 2))
    assert asked == []
    assert not {"inputs", "places", "training", "synchronised", "subnormals"} & set(program.facts())


def test_a_step_in_which_weights_were_copied_tells_nothing_of_synchronisation(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def query(self) -> bool:
            return False

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch.cuda, "current_stream", Busy)
    observer = Observer("torch")
    weight = nn.Parameter(torch.ones(2, device="meta"))  # a device that is not the host
    optimizer = torch.optim.SGD([weight], lr=0.1)
    observer.update(optimizer, lambda: None)
    observer.step_ended("warmup", 1)
    assert "synchronised" not in observer.facts
    observer.step_ended("warmup", 1)
    assert observer.facts["synchronised"] is False


def test_the_peak_of_memory_has_no_copies_of_weights_in_it() -> None:
    program, network = Program(), nn.Linear(6000, 6000)
    optimizer = sgd(network)
    program.call(network, torch.ones(1, 6000)).sum().backward()
    room = torch.ones(max(0, peak_bytes() - resident()) // 4 + 1)  # so that whatever is copied makes a new peak
    before = peak_bytes()
    program.update(optimizer)
    assert peak_bytes() > before + 100_000_000  # 144 MB are copied
    program.observer.before_tool()
    assert program.observer.facts["memory"]["peak_rss_bytes"] < before + 50_000_000
    assert room.numel()


def resident() -> int:
    return 1024 * next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )


def test_before_any_step_there_is_no_memory_of_steps() -> None:
    observer = Observer("torch")
    observer.before_tool()
    assert "process" in observer.facts
    assert "memory" not in observer.facts


class Drawn:
    """A transform that counts how often it is printed."""

    printed = 0

    def __repr__(self) -> str:
        self.printed += 1
        return f"Drawn({[object()]})"


class Data(torch.utils.data.Dataset[torch.Tensor]):
    """Ten samples."""

    def __init__(self) -> None:
        self.transform = Drawn()

    def __len__(self) -> int:
        return 10

    def __getitem__(self, _index: int) -> torch.Tensor:
        return torch.ones(2)


def test_a_data_set_is_described_once_and_by_the_loader_of_the_first_batch() -> None:
    observer, data, others = Observer("torch"), Data(), Data()
    for epoch in range(2):
        iterator = iter(torch.utils.data.DataLoader(data, batch_size=2, shuffle=True))
        for batch in iterator:
            observer.loads(iterator)
            observer.first_call(nn.Linear(2, 2), (batch,))
        observer.loads(iter(torch.utils.data.DataLoader(others)))
        assert (epoch, data.transform.printed, others.transform.printed) == (epoch, 1, 0)
    prepared = observer.report()["inputs"]["preparation"]
    assert prepared["order"] == "RandomSampler"
    assert "0x" not in prepared["transform"]


def test_several_places_are_parted_as_other_programs_part_them() -> None:
    assert places([torch.ones(1), torch.ones(1, device="meta")]) == "cpu,meta"
    assert json.loads(json.dumps(places([]))) == ""
