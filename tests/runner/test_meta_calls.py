"""Calls of any module on tensors without values: each in its layer, and what cannot be run so is said in two lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from profkit.errors import ProfkitError, UsageError
from profkit.runner.meta_calls import CallRecorder, Sizes, costed_module, parse_sizes
from tests.small_networks import TWICE

NETWORKS = (
    TWICE
    + """


class Undecided(nn.Module):
    def forward(self, values):
        return values if values.sum() > 0 else -values


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Undecided()

    def forward(self, values):
        return self.inner(values)


class Picked(nn.Module):
    def forward(self, values):
        return values[torch.nonzero(values)]


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(100, 8)

    def forward(self, words):
        return self.table(words)


class MyError(Exception):
    pass


def broken():
    raise MyError("the first line\\nthe second line")


def wanting(size):
    return Twice()


made = Twice()
number = 3


def number_of():
    return 3
"""
)


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of somebody else in the current directory."""
    (tmp_path / "their_nets").mkdir()
    (tmp_path / "their_nets" / "small.py").write_text(NETWORKS)
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("their_nets", "needs_more", "ends"):
            del sys.modules[name]


def places(module: nn.Module, *inputs: torch.Tensor) -> Counter[tuple[str | None, str, str]]:
    """How often each operator ran in each layer and phase."""
    recorder = CallRecorder()
    recorder.watch_all(module)
    with recorder:
        recorder.phase = "forward"
        outputs = module(*inputs)
        recorder.phase = "backward"
        outputs.sum().backward()
    return Counter((call.layer, call.phase, call.operator) for call in recorder.calls)


class Shared(nn.Module):
    """One module twice, another between, and work of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.act = nn.Tanh()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.linear(self.act(self.linear(values))).relu_()


def test_the_derivative_of_a_call_is_of_the_layer_that_made_the_call() -> None:
    with torch.device("meta"):
        found = places(Shared(), torch.empty(2, 4))
    assert found["linear", "forward", "aten::addmm"] == 2
    assert found["linear", "backward", "aten::mm"] == 3  # the first input needs no gradient
    assert found["act", "backward", "aten::tanh_backward"] == 1
    assert found["Shared", "forward", "aten::relu_"] == found["Shared", "backward", "aten::threshold_backward"] == 1


class Recomputed(nn.Module):
    """Runs its layers again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.rest = nn.Sequential(self.linear, nn.Tanh())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        found = checkpoint(self.rest, values, use_reentrant=False)
        assert isinstance(found, torch.Tensor)
        return found


def test_what_is_computed_again_for_the_derivative_is_of_its_layer_and_backward() -> None:
    with torch.device("meta"):
        found = places(Recomputed(), torch.empty(2, 4, requires_grad=True))
    assert found["linear", "forward", "aten::addmm"] == found["linear", "backward", "aten::addmm"] == 1


class Careful(nn.Module):
    """Goes on after an error of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong, self.right = nn.Linear(3, 3), nn.Linear(4, 4)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        try:
            return self.wrong(values)
        except RuntimeError:
            return self.right(values)


def test_a_layer_that_fails_does_not_hold_what_follows() -> None:
    with torch.device("meta"):
        found = places(nn.Sequential(Careful(), nn.Tanh()), torch.empty(2, 4))
    assert found["1", "forward", "aten::tanh"] == 1
    assert found["1", "backward", "aten::tanh_backward"] == 1


@pytest.mark.parametrize("name", ["their_nets.small:Twice", "their_nets.small:made"])
def test_a_class_and_a_module_cost_alike(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    network = costed_module(name, [Sizes((2, 3, 8, 8))])
    layers = {(cost.layer, cost.operator): cost for cost in network.costs.costs if cost.flop}
    assert layers["one", "aten::convolution"].flop == 2 * 2 * 4 * 64 * 27
    assert layers["one", "aten::convolution_backward"].flop == 2 * 2 * 4 * 64 * 27
    assert layers["two", "aten::mm"].calls == 2
    assert network.parameters == 4 * 27 + 4 + 20 + 5
    assert network.costs.uncosted == ()
    said = capsys.readouterr()
    assert said.out == ""
    assert "a greeting" in said.err


def test_weights_and_inputs_have_the_type_that_is_asked_for() -> None:
    single, half = (
        costed_module("their_nets.small:Twice", [Sizes((2, 3, 8, 8))], dtype=dtype, training=False)
        for dtype in (None, "bfloat16")
    )
    assert (single.costs.costs[0].dtype, half.costs.costs[0].dtype) == ("float32", "bfloat16")
    assert single.costs.costs[0].traffic_bytes == 2 * (half.costs.costs[0].traffic_bytes or 0)
    assert single.parameter_bytes == 2 * half.parameter_bytes
    words = costed_module("their_nets.small:Words", [parse_sizes("2x16:int64")])
    assert {cost.phase for cost in words.costs.costs} == {"forward", "backward"}


def test_an_operator_without_a_formula_is_counted() -> None:
    torch.library.define("profkit_test::halved", "(Tensor x) -> Tensor")
    torch.library.impl("profkit_test::halved", "Meta", lambda x: torch.empty_like(x))
    Path("their_nets/more.py").write_text(
        "import torch\n\n\nclass Special(torch.nn.Module):\n    def forward(self, x):\n"
        "        return torch.ops.profkit_test.halved(x)\n"
    )
    network = costed_module("their_nets.more:Special", [Sizes((4,))], training=False)
    assert [(each.operator, each.calls) for each in network.costs.uncosted] == [("profkit_test::halved", 1)]


@pytest.mark.parametrize(
    ("name", "sizes", "code", "message", "hint"),
    [
        ("their_nets.small:Twice", "2x1x8x8", 6, "input 2x1x8x8 failed in layer one: RuntimeError: ", "--input 1x3x2"),
        ("their_nets.small:Twice", "", 6, "no input failed in layer Twice: TypeError: ", "--input"),
        ("their_nets.small:Chosen", "3", 6, "failed in layer inner: RuntimeError: Tensor.item()", "depend on values"),
        ("their_nets.small:Picked", "3", 6, "failed in layer Picked: NotImplementedError: ", "depend on values"),
        ("their_nets.small:broken", "", 6, "small:broken() failed: MyError: the first line", "without arguments"),
        (
            "their_nets.small:wanting",
            "",
            6,
            "small:wanting() failed: TypeError: wanting() missing",
            "without arguments",
        ),
        ("their_nets.small:number", "", 2, "small:number is of type int", "nn.Module"),
        ("their_nets.small:number_of", "", 2, "small:number_of() returned a int", "nn.Module"),
        ("their_nets.small:Twicee", "", 2, "unknown name in their_nets.small 'Twicee'", "did you mean Twice"),
        ("their_nets.small:", "", 2, "'their_nets.small:' is not module:callable", "models.vit:build"),
        ("their_nets.large:Net", "", 2, "there is no module their_nets.large to import", "directory"),
        ("his_nets.small:Net", "", 2, "there is no module his_nets to import", "directory"),
        ("needs_more:Net", "", 6, "importing needs_more failed: ModuleNotFoundError: No module named 'no_su", "import"),
        ("ends:Net", "", 6, "importing ends failed: SystemExit: 3", "import"),
    ],
)
def test_what_cannot_be_run_without_values_says_where(
    name: str, sizes: str, code: int, message: str, hint: str
) -> None:
    with pytest.raises(ProfkitError) as caught:
        costed_module(name, [parse_sizes(sizes)] if sizes else [])
    assert caught.value.exit_code == code
    assert message in caught.value.message
    assert "second line" not in caught.value.message
    assert hint in caught.value.hint


def test_without_anything_to_train_only_inference_is_possible() -> None:
    Path("their_nets/fixed.py").write_text("from torch import nn\n\n\ndef act():\n    return nn.Tanh()\n")
    with pytest.raises(
        ProfkitError, match=r"no output of their_nets\.fixed:act depends on a trainable weight"
    ) as caught:
        costed_module("their_nets.fixed:act", [Sizes((3,))])
    assert "--infer" in caught.value.hint
    assert costed_module("their_nets.fixed:act", [Sizes((3,))], training=False).costs.costs[0].flop == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1x-3x8x8", "--input 1x-3x8x8 has the size -3"),
        ("1xthree", "has a size 'three', which is no whole number"),
        ("", "has a size '', which is no whole number"),
        ("9999999999x9999999999", "--input 9999999999x9999999999 has 99,999,999,980,000,000,001 elements"),
        ("3:float31", "unknown type 'float31'"),
    ],
)
def test_sizes_that_no_tensor_has_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sizes(text)
    assert message in caught.value.message
    assert caught.value.exit_code == 2


def test_sizes_may_be_zero_and_may_name_a_type() -> None:
    assert parse_sizes("0x3") == Sizes((0, 3))
    assert parse_sizes("7:int64") == Sizes((7,), "int64")
