"""Costs by formula: bytes against real tensors, FLOP by hand and of one optimizer in its three forms, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from profkit.costs import UNTOLD, Cost, CostUnknownError, Inputs, Tensor, call, cost_of, families, formula
from profkit.costs.element_types import promoted
from profkit.costs.pooling import pooled
from profkit.operators import VIEWS
from tests.costs.dispatched import Call, calls_of, flop_of, uncosted

aten = torch.ops.aten
X = torch.rand(4, 6, 8, 8)
ROWS = torch.rand(16, 10)
TARGET = torch.arange(16) % 10
COLUMN = torch.rand(6)


def _of_one(*operators: Any) -> dict[str, Callable[[], object]]:
    return {operator.__name__: lambda operator=operator: operator(X) for operator in operators}


WHOLE: dict[str, Callable[[], object]] = {
    **_of_one(
        aten.neg, aten.exp, aten.sqrt, aten.log1p, aten.erf, aten.relu, aten.sigmoid, aten.tanh, aten.gelu, aten.silu,
        aten.hardswish, aten.softplus, aten.mish, aten.isnan, aten.clone, aten.tril, aten.mean, aten.argmax, aten.prod,
        aten.var, aten.max, aten.amax, aten.linalg_vector_norm, aten.sum,
    ),
    "add": lambda: aten.add(X, X),
    "add, broadcast": lambda: aten.add(X, COLUMN.view(6, 1, 1)),
    "add, types": lambda: aten.add(X.half(), X),
    "mul, number of another kind": lambda: aten.mul(torch.arange(6), torch.tensor(2.5)),
    "div of integers": lambda: aten.div(torch.arange(6), torch.arange(1, 7)),
    "comparison": lambda: aten.gt(X, X),
    "where": lambda: aten.where(X > 0.5, X, X),
    "addcmul": lambda: aten.addcmul(X, X, X, value=0.5),
    "lerp": lambda: aten.lerp(X, X, X),
    "clamp": lambda: aten.clamp(X, 0.0, 1.0),
    "matmul": lambda: aten.mm(ROWS, ROWS.t()),
    "mv": lambda: aten.mv(ROWS, ROWS[0]),
    "addbmm": lambda: aten.addbmm(torch.rand(2, 3), torch.rand(5, 2, 4), torch.rand(5, 4, 3)),
    "integers": lambda: aten.mm(torch.ones(4, 4, dtype=torch.int64), torch.ones(4, 4, dtype=torch.int64)),
    "convolution": lambda: functional.conv2d(X, torch.rand(9, 2, 3, 3), torch.rand(9), stride=2, padding=1, groups=3),
    "transposed": lambda: functional.conv_transpose2d(X, torch.rand(6, 2, 3, 3), stride=2, output_padding=1, groups=3),
    "max pool": lambda: functional.max_pool2d(X.requires_grad_(False), 3, 2, 1, ceil_mode=True, return_indices=True),
    "average pool": lambda: functional.avg_pool2d(X, 3, 2, 1, ceil_mode=True),
    "adaptive pool": lambda: aten._adaptive_avg_pool2d(X, [3, 5]),
    "adaptive max pool": lambda: aten.adaptive_max_pool2d(X, [3, 5]),
    "layer norm": lambda: aten.native_layer_norm(ROWS, [10], torch.rand(10), torch.rand(10), 1e-5),
    "batch norm, evaluating": lambda: aten._native_batch_norm_legit_no_training(
        X, COLUMN, COLUMN, COLUMN, COLUMN, 0.1, 1e-5
    ),
    "softmax": lambda: aten._softmax(ROWS, 1, False),
    "softmax backward": lambda: aten._softmax_backward_data(ROWS, ROWS, 1, torch.float32),
    "mse": lambda: aten.mse_loss(X, X, 0),
    "mse, mean": lambda: aten.mse_loss(X, X, 1),
    "bce": lambda: aten.binary_cross_entropy(X, X, None, 1),
    "gelu backward": lambda: aten.gelu_backward(X, X),
    "native dropout": lambda: aten.native_dropout(X, 0.5, True),
    "sum of some": lambda: aten.sum(X, [0, -1], True),
    "sum in another type": lambda: aten.sum(X, dtype=torch.float64),
    "sum of integers": lambda: aten.sum(torch.arange(6, dtype=torch.int32), [0]),
    "largest with places": lambda: aten.max(X, 1),
    "running sum": lambda: aten.cumsum(X, 1),
    "concatenate": lambda: aten.cat([X, X, X], 1),
    "cast": lambda: aten._to_copy(X, dtype=torch.bfloat16),
    "pad": lambda: aten.constant_pad_nd(X, [1, 2, 0, 3], 0.0),
    "repeat": lambda: aten.repeat(COLUMN, [3, 2]),
    "flip": lambda: aten.flip(X, [0]),
    "masked fill": lambda: aten.masked_fill(X, X > 0.5, 0.0),
    "bernoulli": lambda: aten.bernoulli(X),
    "nearest": lambda: functional.interpolate(X, scale_factor=2.5),
    "bilinear": lambda: functional.interpolate(X, size=(5, 11), mode="bilinear"),
    "each of a list": lambda: aten._foreach_add([X, COLUMN], [X, COLUMN], alpha=0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_an_operator_that_reads_all_and_writes_all_moves_the_bytes_of_its_tensors(name: str) -> None:
    calls = [one for one in calls_of(WHOLE[name]) if cost_of(one.name, one.inputs) != Cost(0, 0)]
    assert calls[-1].cost.traffic_bytes == calls[-1].tensors_bytes


SIXTEEN = Tensor((16,), "int64")
BY_HAND: dict[str, tuple[str, Inputs, Cost]] = {
    # float16: 2 x 2 x 8 x 4 + ... = 2 (16 + 32 + 8) bytes.
    "half precision": ("aten::mm", call((2, 8), (8, 4), dtype="float16"), Cost(128, 112)),
    "int8": ("aten::mm", call((2, 8), (8, 4), dtype="int8"), Cost(0, 56)),
    "in place": ("aten::add_", call((4, 5), (5,), 1), Cost(20, 4 * (20 + 5 + 20))),
    "with an out": ("aten::mul", call((4, 5), (4, 5), (4, 5)), Cost(20, 240)),
    "integers": ("aten::add", call((4, 5), (4, 5), UNTOLD, dtype="int64"), Cost(0, 480)),
    "no factor in the trace": ("aten::add", call((4,), (4,), UNTOLD), Cost(4, 48)),
    "without elements": ("aten::mm", call((0, 8), (8, 4)), Cost(0, 128)),
    "of unknown type": ("aten::relu", call(Tensor((4, 5), None)), Cost(20, None)),
    "picked rows": ("aten::embedding", call((1000, 8), SIXTEEN), Cost(0, 128 + 2 * 16 * 8 * 4)),
    "max pool backward does not read its input": (
        "aten::max_pool2d_with_indices_backward",
        call((1, 1, 2, 2), (1, 1, 4, 4), [2, 2], [2, 2], [0, 0], [1, 1], False, Tensor((1, 1, 2, 2), "int64")),
        Cost(4, 4 * 4 + 4 * 8 + 16 * 4),
    ),
    "training reads and writes the running statistics": (
        "aten::native_batch_norm",
        call((2, 3, 4), (3,), (3,), (3,), (3,), True, 0.1, 1e-5),
        Cost(8 * 24, 4 * (24 + 6 + 6 + 24 + 6 + 6)),
    ),
    # A 7 x 7 image to 3 x 2: windows of 3 + 3 + 3 rows and 4 + 4 columns, 72 additions and 6 divisions.
    "overlapping windows": ("aten::_adaptive_avg_pool2d", call((1, 1, 7, 7), [3, 2]), Cost(78, 4 * (49 + 6))),
    "padding by name": (
        "aten::conv2d",
        call((1, 1, 4, 4), (1, 1, 3, 3), None, [1, 1], "same", [1, 1], 1),
        Cost(2 * 16 * 9, 4 * (16 + 9 + 16)),
    ),
    "a step of momentum": (
        "aten::_fused_sgd_",
        call([(10,)], [(10,)], [(10,)], 0.1, 0.9, 0.01, 0.5, True, False, False, None, None),
        Cost(10 * (2 + 2 + 3 + 2), 4 * 50),
    ),
    "a view": ("aten::transpose", call((4, 5), 0, 1), Cost(0, 0)),
    "an allocation": ("aten::empty", call([4, 5], 6, 0, None, None, None), Cost(0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_a_cost_counted_by_hand(name: str) -> None:
    operator, inputs, expected = BY_HAND[name]
    assert cost_of(operator, inputs) == expected


DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16",
    "bfloat16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
NUMBERS_OF = {"bool": True, "int64": 2, "float64": 2.5, "complex128": 2j}


@pytest.mark.parametrize("a", DTYPES)
def test_a_result_has_the_type_that_torch_gives_it(a: str) -> None:
    left = torch.ones(3, dtype=getattr(torch, a))
    for b in DTYPES:
        expected = torch.result_type(left, torch.ones(3, dtype=getattr(torch, b)))
        assert f"torch.{promoted(Tensor((3,), a), Tensor((3,), b))}" == str(expected)
    for b, number in NUMBERS_OF.items():
        assert f"torch.{promoted(Tensor((3,), a), Tensor((), b))}" == str(torch.result_type(left, number))


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 20), kernel=st.integers(1, 6), stride=st.integers(1, 5), dilation=st.integers(1, 3),
    padding=st.integers(0, 3), ceil=st.booleans(),
)  # fmt: skip
def test_there_are_as_many_windows_as_torch_finds(
    size: int, kernel: int, stride: int, dilation: int, padding: int, *, ceil: bool
) -> None:
    # torch allows no more padding than half the window.
    assume(padding <= kernel // 2)
    x = torch.empty(1, 1, size, size, device="meta")
    try:
        out = functional.max_pool2d(x, kernel, stride, padding, dilation, ceil)
    except RuntimeError:
        return
    assert pooled(size, kernel, stride, padding, dilation, ceil=ceil) == out.shape[-1]


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 30), count=st.integers(1, 30))
def test_adaptive_windows_are_added_up_as_torch_lays_them(size: int, count: int) -> None:
    windows = [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]
    x = torch.arange(float(size)).view(1, 1, size)
    means = torch.stack([x[0, 0, start:end].mean() for start, end in windows])
    assert torch.allclose(functional.adaptive_avg_pool1d(x, count)[0, 0], means)
    covered = sum(end - start for start, end in windows)
    assert cost_of("aten::adaptive_max_pool1d", call((1, 1, size), [count])).flop == covered


UNKNOWN: dict[str, tuple[str, Inputs]] = {
    "no stride in the trace": ("aten::convolution", call((1, 1, 4, 4), (1, 1, 3, 3), None, *[UNTOLD] * 6)),
    "no flag in the trace": ("aten::native_batch_norm", call((2, 3, 4), *[(3,)] * 4, UNTOLD, UNTOLD, UNTOLD)),
    "no shapes": ("aten::mm", Inputs(())),
    "one shape": ("aten::mm", call((2, 3))),
    "shapes that do not go together": ("aten::mm", call((2, 3), (4, 5))),
    "a negative size": ("aten::relu", call((-1, 3))),
    "a type that nobody knows": ("aten::relu", call((2, 3), dtype="float5_e2m2")),
    "more than 63 bits": ("aten::mm", call((2**31, 2**31), (2**31, 2**31))),
    "a list that is too long for the trace": ("aten::_foreach_add_", call([], [], 1)),
    "sequences of different lengths": (
        "aten::_flash_attention_forward",
        call(*[(9, 2, 8)] * 3, Tensor((3,), "int32"), Tensor((3,), "int32"), 5, 5),
    ),
    "a stride of nothing": ("aten::max_pool2d", call((1, 1, 4, 4), [2, 2], [0, 0], [0, 0], [1, 1], False)),
    "a window that does not fit": ("aten::avg_pool2d", call((1, 1, 4, 4), [5, 5], [1, 1], [0, 0], False, True)),
    "no such operator": ("aten::topk", call((4, 5), 2)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_does_not_follow_from_the_trace_is_unknown(name: str) -> None:
    with pytest.raises(CostUnknownError):
        cost_of(*UNKNOWN[name])


def test_every_view_costs_nothing() -> None:
    assert {cost_of(f"aten::{view}", call((2, 3))) for view in VIEWS} == {Cost(0, 0)}


def test_no_operator_is_in_two_families() -> None:
    names = [operator for family in families().values() for operator in family.formulas]
    assert len(names) == len(set(names))


OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "dampening": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    "maximize": (torch.optim.SGD, {"lr": 0.1, "maximize": True}),
    "adam": (torch.optim.Adam, {"lr": 0.1}),
    "amsgrad": (torch.optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 0.1}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1, "weight_decay": 0.01}),
}


def _second_step(name: str, **form: bool) -> int:
    kind, options = OPTIMIZERS[name]
    parameters = [nn.Parameter(torch.rand(20, 30)), nn.Parameter(torch.rand(30))]
    optimizer = kind(parameters, **options, **form)
    for parameter in parameters:
        parameter.grad = torch.rand_like(parameter)
    optimizer.step()
    calls = calls_of(optimizer.step)
    assert not uncosted(calls)
    # What is done once a tensor, as counting the steps, is left out.
    return flop_of([one for one in calls if max(tensor.elements for tensor in one.inputs.all_tensors()) > 1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_costs_the_same_tensor_by_tensor_list_by_list_and_fused(name: str) -> None:
    one_by_one = _second_step(name, foreach=False)
    assert one_by_one % 630 == 0
    assert one_by_one > 0
    assert _second_step(name, foreach=True) == one_by_one
    assert _second_step(name, fused=True) == one_by_one


class _Everything(nn.Module):
    """A layer of many kinds, so that their operators are called forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList((nn.BatchNorm2d(6), nn.GroupNorm(2, 6), nn.LayerNorm(8), nn.InstanceNorm2d(6)))
        self.pools = nn.ModuleList((
            nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(4), nn.AdaptiveMaxPool2d(4),
        ))  # fmt: skip
        self.activations = nn.ModuleList((
            nn.ReLU(), nn.LeakyReLU(), nn.ELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.Tanh(),
            nn.Hardtanh(), nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(), nn.Mish(), nn.PReLU(), nn.LogSigmoid(),
            nn.Dropout(), nn.Softmax(1), nn.LogSoftmax(1), nn.ReLU6(),
        ))  # fmt: skip
        self.turned = nn.ConvTranspose2d(6, 6, 3, padding=1, groups=2)
        self.embedding = nn.Embedding(10, 8)
        self.bag = nn.EmbeddingBag(10, 8, mode="mean")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm in self.norms:
            x = norm(x)
        pooled = sum(pool(x) for pool in self.pools)
        for activation in self.activations:
            pooled = activation(pooled)
        x = self.turned(pooled)
        attended = functional.scaled_dot_product_attention(x, x, x) * 0.5
        attended = functional.interpolate(
            functional.interpolate(attended, scale_factor=2), size=(4, 4), mode="bilinear"
        )
        glued = functional.glu(torch.cat([attended, x], 1).unsqueeze(0), 2)
        return glued.sum() + self.embedding(TARGET).std() + self.bag(TARGET.view(4, 4)).norm() + self.losses()

    def losses(self) -> torch.Tensor:
        rows = ROWS.clone().requires_grad_()
        chances = rows.sigmoid()
        return (
            functional.cross_entropy(rows, TARGET)
            + functional.nll_loss(rows, TARGET, torch.rand(10))
            + functional.mse_loss(rows, ROWS)
            + functional.l1_loss(rows, ROWS)
            + functional.smooth_l1_loss(rows, ROWS)
            + functional.huber_loss(rows, ROWS)
            + functional.binary_cross_entropy(chances, ROWS)
            + functional.binary_cross_entropy_with_logits(rows, ROWS)
            + functional.kl_div(rows, ROWS, reduction="batchmean")
        )


@cache
def _every_call() -> tuple[Call, ...]:
    module = _Everything()
    x = X.clone().requires_grad_()
    return tuple(calls_of(lambda: module(x).backward()))


def test_every_operator_of_a_network_of_many_kinds_has_a_cost_forward_and_backward() -> None:
    assert uncosted(list(_every_call())) == set()
    assert len({one.name for one in _every_call()}) > 80


SIZES = st.one_of(st.integers(0, 5), st.integers(-2, 2**40))
TENSORS = st.builds(
    Tensor,
    st.lists(SIZES, max_size=5).map(tuple),
    st.sampled_from(["float32", "bfloat16", "int64", "bool", "complex64", "float8_e4m3fn", "nothing", None]),
)
NUMBERS = st.one_of(st.integers(-3, 5), st.integers(), st.booleans(), st.floats())
VALUES = st.one_of(
    TENSORS,
    st.lists(TENSORS, max_size=3).map(tuple),
    NUMBERS,
    st.lists(st.integers(-2, 5), max_size=4).map(tuple),
    st.lists(NUMBERS, max_size=4).map(tuple),
    st.sampled_from([None, UNTOLD, "same", "valid", "tanh", "floor", ""]),
)
OPERATORS = sorted(operator for family in families().values() for operator in family.formulas)


def _cost_or_unknown(operator: str, inputs: Inputs) -> None:
    assert formula(operator) is not None
    try:
        cost = cost_of(operator, inputs)
    except CostUnknownError:
        return
    assert type(cost.flop) is int
    assert cost.flop >= 0
    assert cost.traffic_bytes is None or type(cost.traffic_bytes) is int
    assert (cost.traffic_bytes or 0) >= 0


@settings(max_examples=15, deadline=None)
@given(inputs=st.lists(VALUES, max_size=14).map(lambda values: Inputs(tuple(values))))
def test_any_inputs_give_a_cost_or_none_for_every_operator(inputs: Inputs) -> None:
    for operator in OPERATORS:
        _cost_or_unknown(operator, inputs)


@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_damaged_inputs_of_a_real_call_give_a_cost_or_none(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(_every_call()), label="call")
    values = list(one.inputs.values)
    for place in data.draw(st.lists(st.integers(0, max(len(values) - 1, 0)), min_size=1, max_size=2)):
        if values:
            values[place] = data.draw(VALUES)
    cut = data.draw(st.integers(0, len(values)))
    _cost_or_unknown(one.name, Inputs(tuple(values[: cut or None])))
