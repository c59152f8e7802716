"""Names and categories of operators."""

from __future__ import annotations

import numpy as np
import pytest

from profkit import operators
from profkit.schema import CATEGORIES

KINDS = ("operator", "scope", "python", "runtime", "kernel")


@pytest.mark.parametrize(
    ("symbol", "category"),
    [
        ("aten::mkldnn_convolution", "kernel"),
        ("aten::addmm", "kernel"),
        ("aten::empty", "memory"),
        ("aten::empty_strided", "memory"),
        ("aten::copy_", "memory"),
        ("aten::fill_", "memory"),
        ("aten::zero_", "memory"),
        ("aten::as_strided", "dispatch"),
        ("aten::view", "dispatch"),
        ("aten::to", "dispatch"),
        ("autograd::engine::evaluate_function: AddmmBackward0", "dispatch"),
        ("AddmmBackward0", "dispatch"),
        ("torch::autograd::AccumulateGrad", "dispatch"),
        ("aten::convolution_backward", "kernel"),
        ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "data"),
        ("mine::custom", "kernel"),
    ],
)
def test_an_operator_that_calls_none_is_sorted_by_its_name(symbol: str, category: str) -> None:
    assert operators.category_of_leaf(symbol) == category


def test_every_self_cost_has_one_category() -> None:
    names = [
        "aten::addmm",
        "aten::empty",
        "layer/a",
        "f.py(1): f",
        "cudaLaunchKernel",
        "gemm",
        "Memcpy HtoD (Pageable -> Device)",
    ]
    kind = np.array([0, 0, 0, 1, 2, 3, 4, 4], np.int8)
    name = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    dispatches = np.array([True] + [False] * 7)
    codes = operators.categories(kind, KINDS, name, names, dispatches, "python")
    assert [CATEGORIES[code] for code in codes] == [
        "dispatch",
        "kernel",
        "memory",
        "interpreter",
        "interpreter",
        "runtime",
        "kernel",
        "memory",
    ]


def test_the_own_time_of_a_scope_is_the_interpreters_in_python_only() -> None:
    one = (np.array([1], np.int8), KINDS, np.array([0]), ["layer/a"], np.array([False]))
    assert CATEGORIES[operators.categories(*one, "c++")[0]] == "other"
    assert CATEGORIES[operators.categories(*one, None)[0]] == "other"
