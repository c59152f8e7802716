"""Layer, phase and step of records: on a real training run with scopes, and on forests written from literals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from profkit import schema, stacks
from profkit.columns import from_integers
from profkit.frames import frame_of
from profkit.importers.kineto import KINETO
from profkit.layers import place
from profkit.profile import Recording
from profkit.run import Run

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"


def recording(rows: list[dict[str, Any]], **run: Any) -> Recording:
    """A forest from literals: symbol, parent and whatever else matters; each row lasts from its start to its end."""
    columns: dict[str, Any] = {
        "symbol": [row["symbol"] for row in rows],
        "kind": [row.get("kind", "operator") for row in rows],
        "parent_id": from_integers(np.array([row.get("parent", -1) for row in rows], np.int32)),
        "launcher_id": from_integers(np.array([row.get("launcher", -1) for row in rows], np.int32)),
        "sequence": from_integers(np.array([row.get("sequence", -1) for row in rows], np.int64)),
        "forward_thread": from_integers(np.array([row.get("forward_thread", -1) for row in rows], np.int64)),
        "thread": [row.get("thread", "1") for row in rows],
        "scope": pa.array([row.get("scope") for row in rows], pa.string()),
        "start_ns": np.array([row.get("start", index) for index, row in enumerate(rows)], np.int64),
        "total_ns": np.array([row.get("total", 0) for row in rows], np.int64),
    }
    return Recording(Run(tool="test", **run), schema.table_from(schema.RECORDS, columns, len(rows)))


def placed(rows: list[dict[str, Any]], *columns: str) -> list[Any]:
    table = place(recording(rows)).records
    return list(zip(*(table[column].to_pylist() for column in columns), strict=True))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with_stack"])
def training(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two real training steps with the scopes that profkit's own runs emit."""
    torch = pytest.importorskip("torch")
    scope = torch.profiler.record_function
    layers = {
        "conv1": torch.nn.Conv2d(1, 4, 3),
        "relu1": torch.nn.ReLU(),
        "body.conv2": torch.nn.Conv2d(4, 4, 3),
        "flatten": torch.nn.Flatten(),
        "linear": torch.nn.Linear(64, 5),
    }
    optimizer = torch.optim.SGD([weight for layer in layers.values() for weight in layer.parameters()], lr=0.1)
    images, labels = torch.randn(3, 1, 8, 8), torch.randint(5, (3,))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], with_stack=request.param) as profiler:
        for step in range(2):
            with scope(f"ProfilerStep#{step}"):
                with scope("phase/forward"):
                    value = images
                    for name, layer in layers.items():
                        with scope(f"layer/{name}"):
                            value = layer(value)
                    with scope("layer/loss"):
                        loss = torch.nn.functional.cross_entropy(value, labels)
                with scope("phase/backward"):
                    loss.backward()
                with scope("phase/optimizer"):
                    optimizer.step()
                    optimizer.zero_grad()
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    profiler.export_chrome_trace(str(path))
    return place(KINETO.load(path))


def rows_of(training: Recording, name: str) -> list[dict[str, Any]]:
    return [row for row in training.records.to_pylist() if row["symbol"] == name]


def test_every_backward_convolution_carries_the_layer_whose_derivative_it_is(training: Recording) -> None:
    rows = rows_of(training, "aten::convolution_backward")
    assert [(row["step"], row["layer"], row["phase"]) for row in rows] == [
        (step, layer, "backward") for step in (0, 1) for layer in ("body.conv2", "conv1")
    ]


def test_every_derivative_has_a_layer_and_every_gradient_accumulation_none(training: Recording) -> None:
    prefix = "autograd::engine::evaluate_function: "
    rows = [row for row in training.records.to_pylist() if (row["symbol"] or "").startswith(prefix)]
    assert {row["phase"] for row in rows} == {"backward"}
    layers = {row["symbol"].removeprefix(prefix): row["layer"] for row in rows}
    assert layers.pop("torch::autograd::AccumulateGrad") is None
    assert layers["NllLossBackward0"] == layers["LogSoftmaxBackward0"] == "loss"
    assert layers["AddmmBackward0"] == layers["TBackward0"] == "linear"
    assert layers["ReluBackward0"] == "relu1"
    assert None not in layers.values()


def test_forward_and_optimizer_work_lies_in_its_phase_and_step(training: Recording) -> None:
    assert [(row["step"], row["layer"], row["phase"]) for row in rows_of(training, "aten::addmm")] == [
        (0, "linear", "forward"),
        (1, "linear", "forward"),
    ]
    updates = [row for row in training.records.to_pylist() if (row["symbol"] or "").startswith("Optimizer.step#")]
    assert [(row["step"], row["layer"], row["phase"]) for row in updates] == [
        (0, None, "optimizer"),
        (1, None, "optimizer"),
    ]
    assert training.run.steps == 2


def test_nothing_within_a_phase_is_without_a_phase_or_a_step(training: Recording) -> None:
    operators = training.records.filter(pc.equal(training.records["kind"].cast("string"), "operator"))
    assert operators["phase"].null_count == 0
    assert operators["step"].null_count == 0


def test_a_derivative_joins_the_last_forward_operator_with_its_number() -> None:
    rows = [
        {"symbol": "layer/linear", "kind": "scope", "total": 50},
        {"symbol": "aten::linear", "parent": 0, "sequence": 4},
        {"symbol": "aten::t", "parent": 1, "sequence": 4},
        {"symbol": "aten::addmm", "parent": 1, "sequence": 5},
        {"symbol": "layer/relu", "kind": "scope"},
        {"symbol": "aten::relu", "parent": 4, "sequence": 6},
        {"symbol": "aten::detach", "sequence": 6, "start": 4},
        {"symbol": "autograd::engine::evaluate_function: ReluBackward0", "sequence": 6, "start": 10},
        {"symbol": "aten::threshold_backward", "parent": 7, "start": 11},
        {"symbol": "autograd::engine::evaluate_function: TBackward0", "sequence": 4, "start": 12},
        {"symbol": "autograd::engine::evaluate_function: XBackward0", "sequence": 99, "start": 13},
        {"symbol": "aten::next_step", "sequence": 6, "start": 50},
    ]
    assert placed(rows, "layer", "phase")[7:] == [
        ("relu", "backward"),
        ("relu", "backward"),
        ("linear", "backward"),
        (None, "backward"),
        (None, "forward"),
    ]


def test_threads_that_count_the_same_numbers_are_told_apart() -> None:
    rows = [
        {"symbol": "layer/a", "kind": "scope", "thread": "1"},
        {"symbol": "aten::x", "parent": 0, "sequence": 0, "thread": "1"},
        {"symbol": "layer/b", "kind": "scope", "thread": "2"},
        {"symbol": "aten::y", "parent": 2, "sequence": 0, "thread": "2"},
        {"symbol": "aten::z", "parent": 2, "sequence": 1, "thread": "2"},
        {"symbol": "YBackward0", "sequence": 0, "forward_thread": 3, "thread": "9"},
        {"symbol": "ZBackward0", "sequence": 1, "forward_thread": 3, "thread": "9"},
        {"symbol": "XBackward0", "sequence": 0, "forward_thread": 1, "thread": "9"},
    ]
    assert [layer for (layer,) in placed(rows, "layer")[5:]] == ["b", "b", "a"]


def test_a_second_derivative_has_the_layer_of_the_first() -> None:
    rows = [
        {"symbol": "layer/a", "kind": "scope"},
        {"symbol": "aten::mul", "parent": 0, "sequence": 0},
        {"symbol": "MulBackward0", "sequence": 0},
        {"symbol": "aten::mul", "parent": 2, "sequence": 1},
        {"symbol": "MulBackward0", "sequence": 1},
    ]
    assert placed(rows, "layer", "phase")[2:] == [("a", "backward")] * 3


def test_a_kernel_lies_where_its_launcher_lies() -> None:
    rows = [
        {"symbol": "ProfilerStep#7", "kind": "scope", "total": 9},
        {"symbol": "phase/forward", "kind": "scope", "parent": 0},
        {"symbol": "layer/a", "kind": "scope", "parent": 1},
        {"symbol": "aten::add", "parent": 2},
        {"symbol": "vectorized_add", "kind": "kernel", "launcher": 3, "start": 100},
        {"symbol": "lost", "kind": "kernel", "start": 5},
        {"symbol": "aten::elsewhere", "thread": "2", "start": 8},
    ]
    assert placed(rows, "layer", "phase", "step")[4:] == [("a", "forward", 0), (None, None, None), (None, None, 0)]


def test_recordings_of_others_are_read_by_what_torch_marks() -> None:
    rows = [
        {"symbol": "nn.Module: Conv2d_0", "kind": "python"},
        {"symbol": "aten::conv2d", "parent": 0, "sequence": 0},
        {"symbol": "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "kind": "scope"},
        {"symbol": "aten::stack", "parent": 2},
        {"symbol": "Optimizer.step#SGD.step", "kind": "scope"},
        {"symbol": "aten::add_", "parent": 4},
        {"symbol": "ConvolutionBackward0", "sequence": 0},
        {"symbol": "aten::rand"},
    ]
    assert placed(rows, "layer", "phase") == [
        ("Conv2d_0", "forward"),
        ("Conv2d_0", "forward"),
        (None, "data"),
        (None, "data"),
        (None, "optimizer"),
        (None, "optimizer"),
        ("Conv2d_0", "backward"),
        (None, None),
    ]


def test_labels_of_parts_are_read() -> None:
    labels = [
        "step/0 forward layer/conv1",
        "step/1 backward layer/body.0",
        "step/1 optimizer",
        "Program termination",
        None,
    ]
    rows = [{"symbol": "f", "kind": "native", "scope": label} for label in labels]
    assert placed(rows, "layer", "phase", "step") == [
        ("conv1", "forward", 0),
        ("body.0", "backward", 1),
        (None, "optimizer", 1),
        (None, None, None),
        (None, None, None),
    ]
    assert place(recording(rows)).run.steps == 2


def test_a_record_without_a_symbol_lies_where_its_caller_lies() -> None:
    """Its code is none of a name: in particular not that of the last one, which opens a layer here."""
    rows = [
        {"symbol": "layer/conv1", "kind": "scope"},
        {"symbol": None, "parent": 0},
        {"symbol": "phase/backward", "kind": "scope"},
        {"symbol": None, "parent": 2},
        {"symbol": None},
        {"symbol": "layer/fc", "kind": "scope"},
    ]
    expected = [("conv1", "forward"), ("conv1", "forward"), (None, "backward"), (None, "backward"), (None, None)]
    assert placed(rows, "layer", "phase")[:5] == expected


def test_a_recording_without_any_mark_is_left_as_it_is() -> None:
    before = recording([{"symbol": "aten::a"}, {"symbol": "aten::b", "parent": 0}])
    assert place(before).records.equals(before.records)
    assert place(recording([])).records.num_rows == 0


def sampled(*stacks_: str) -> Recording:
    """A recording of a sampler: collapsed stacks, each of one sample."""
    counter = stacks.StackCounter("samples")
    for stack in stacks_:
        counter.add("1", [counter.code(frame_of(frame)) for frame in stack.split(";")], 1)
    return place(Recording(Run(tool="test"), stacks.records(counter.stacks())))


def places_of_samples(*stacks_: str) -> set[tuple[Any, ...]]:
    rows = sampled(*stacks_).records.to_pylist()
    return {(row["layer"], row["phase"]) for row in rows if row["samples"]}


@pytest.mark.parametrize(
    ("stack", "phase"),
    [
        (
            "m (a.py:1);Tensor.backward (torch/_tensor.py:6);_engine_run_backward (torch/autograd/graph.py:9)",
            "backward",
        ),
        ("m (a.py:1);backward (/venv/torch/autograd/__init__.py:3)", "backward"),
        ("m (a.py:1);backward (mine.py:3)", None),
        ("torch::autograd::Engine::thread_main (libtorch_cpu.so);0x7f (?)", "backward"),
        ("torch::autograd::generated::ReluBackward0::apply (libtorch_cpu.so)", "backward"),
        ("m (a.py:1);torch::autograd::THPVariable_conv2d (libtorch_python.so)", None),
        ("main;torch::autograd::THPVariable_conv2d", None),
        ("main;torch::autograd::Engine::thread_main(std::shared_ptr<GraphTask>);f", "backward"),
        (
            "m (a.py:1);Optimizer.profile_hook_step.<locals>.wrapper (torch/optim/optimizer.py:5);f (x.py:1)",
            "optimizer",
        ),
        ("m (a.py:1);SGD.step (torch/optim/sgd.py:5)", "optimizer"),
        ("m (a.py:1);Optimizer.zero_grad (torch/optim/optimizer.py:5)", "optimizer"),
        ("m (a.py:1);SGD.__init__ (torch/optim/sgd.py:5)", None),
        ("torch::optim::SGD::step(std::function<at::Tensor ()>) (prog)", "optimizer"),
        ("m (a.py:1);_BaseDataLoaderIter.__next__ (torch/utils/data/dataloader.py:7);f (a.py:2)", "data"),
        ("m (a.py:1);<module> (torch/utils/data/dataloader.py:7)", None),
        ("m (a.py:1);Module._call_impl (torch/nn/modules/module.py:1);CNN.forward (a.py:2)", "forward"),
        ("m (a.py:1);<module> (torch/nn/modules/module.py:1)", None),
        ("phase/backward (<profkit>:1);Module._call_impl (torch/nn/modules/module.py:1);f (a.py:2)", "backward"),
    ],
)
def test_functions_of_torch_tell_the_phase_of_samples(stack: str, phase: str | None) -> None:
    assert places_of_samples(stack) == {(None, phase)}


def test_samples_in_a_layer_are_forward_and_the_inner_layer_wins() -> None:
    assert places_of_samples(
        "m (a.py:1);layer/body (<profkit>:1);f (b.py:1);layer/body.0 (<profkit>:1);g (b.py:1)"
    ) == {("body.0", "forward")}
    assert places_of_samples("m (a.py:1);phase/data (<profkit>:1);layer/a (<profkit>:1)") == {("a", "data")}


def test_samples_below_the_autograd_engine_have_no_layer_but_that_of_a_scope_inside() -> None:
    engine = "layer/a (<profkit>:1);m (a.py:1);torch::autograd::Engine::execute (libtorch_cpu.so)"
    assert places_of_samples(f"{engine};f (libtorch_cpu.so)") == {(None, "backward")}
    assert places_of_samples(f"{engine};layer/b (<profkit>:1);f (a.py:3)") == {("b", "backward")}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent")
def test_every_backward_convolution_of_a_foreign_trace_carries_its_module() -> None:
    records = place(KINETO.load(SAMPLES / "own/kineto-python-cpu.json.gz")).records
    rows = [row for row in records.to_pylist() if row["symbol"] == "aten::convolution_backward"]
    assert [(row["layer"], row["phase"]) for row in rows] == [("Conv2d_0", "backward")] * 3
