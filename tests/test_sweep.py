from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import UsageError
from profkit.implementations import Implementation
from profkit.registry import find
from profkit.spec import Workload
from profkit.sweep import Cell, Sweep, cells, chosen, chosen_devices, numbers, option_axes, order, varying, words

CONVNET = find("profkit.workloads", Workload, "convnet")
MNIST = find("profkit.workloads", Workload, "mnist_cnn")
PYTORCH = find("profkit.implementations", Implementation, "pytorch")
LIBTORCH = find("profkit.implementations", Implementation, "libtorch")


def test_every_combination_is_a_cell_and_what_is_compared_stands_side_by_side() -> None:
    sweep = Sweep((CONVNET,), (PYTORCH, LIBTORCH), batch_sizes=(8, 32), options={"kernel_size": (3, 5)})
    found = [(cell.batch_size, dict(cell.options)["kernel_size"], cell.implementation) for cell in cells(sweep)]
    assert found == [(b, k, i) for k in (3, 5) for b in (8, 32) for i in ("pytorch", "libtorch")]


def test_without_a_batch_size_each_workload_has_its_own_and_latency_has_one() -> None:
    sweep = Sweep((CONVNET, MNIST), (PYTORCH,))
    assert [cell.batch_size for cell in cells(sweep)] == [8, 512]
    assert {cell.batch_size for cell in cells(Sweep((CONVNET, MNIST), (PYTORCH,), mode="latency"))} == {1}


def test_the_order_goes_there_and_back_again() -> None:
    pair = cells(Sweep((CONVNET,), (PYTORCH, LIBTORCH)))
    assert [(cell.implementation[0], repeat) for cell, repeat in order(pair, 3)] == [
        ("p", 0), ("l", 0), ("l", 1), ("p", 1), ("p", 2), ("l", 2)
    ]  # fmt: skip


def test_a_key_is_stable_and_tells_every_cell_apart() -> None:
    cell = Cell("convnet", "pytorch", "cpu", "train", 8, 1, 0, 0, (("kernel_size", 3),))
    assert cell.key == "e0a79ccb7c783d88"
    sweep = Sweep((CONVNET, MNIST), (PYTORCH, LIBTORCH), threads=(1, 2), seeds=(0, 1), options={"lr": (0.1, 1.0)})
    assert len({cell.key for cell in cells(sweep)}) == len(cells(sweep)) == 32


def test_only_axes_with_several_values_vary_and_the_implementation_comes_last() -> None:
    sweep = Sweep((CONVNET,), (PYTORCH, LIBTORCH), threads=(1, 2), options={"kernel_size": (3, 5), "layers": (3,)})
    assert varying(cells(sweep)) == ["threads", "kernel_size", "implementation"]


def test_lists_lose_their_spaces_and_repetitions() -> None:
    assert words("--impl", "a, b,a") == ("a", "b")
    assert numbers("--lr", "1e-3,0.001,0.1", float, 0) == (0.001, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8,x", "--batch-size has 'x', which is not a whole number"),
        ("8,2.5", "--batch-size has '2.5', which is not a whole number"),
        ("8,,32", "--batch-size '8,,32' has an empty place"),
        ("", "has an empty place"),
        ("8,0", "--batch-size has 0"),
        ("-1", "--batch-size has -1"),
    ],
)
def test_a_bad_list_names_the_option_and_the_value(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        numbers("--batch-size", text, int, 1)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["nan", "inf", "1,-0.5"])
def test_a_rate_is_a_finite_number(text: str) -> None:
    with pytest.raises(UsageError, match="--lr has"):
        numbers("--lr", text, float, 0)


def test_options_are_numbers_where_they_are_and_words_elsewhere() -> None:
    axes = option_axes(["padding=same,seed", "scale=1,0.5"], {"kernel_size": "3,5", "lr": "1e-3", "optimizer": None})
    assert axes == {"kernel_size": (3, 5), "lr": (0.001,), "padding": ("same", "seed"), "scale": (1, 0.5)}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["padding"], "is not name=value"),
        (["=3"], "is not name=value"),
        (["kernel_size=3"], "option kernel_size is given twice"),
        (["a=1", "a=2"], "option a is given twice"),
    ],
)
def test_a_bad_option_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        option_axes(texts, {"kernel_size": "3"})


def test_names_are_found_or_the_nearest_are_told() -> None:
    found = chosen("profkit.implementations", Implementation, "impl", "libtorch,pytorch")
    assert found == (LIBTORCH, PYTORCH)
    with pytest.raises(UsageError, match="unknown implementation 'pytroch'") as caught:
        chosen("profkit.implementations", Implementation, "impl", "pytroch")
    assert "pytorch" in caught.value.hint
    assert CONVNET in chosen("profkit.workloads", Workload, "workload", "all")


def test_devices_are_those_that_some_implementation_has() -> None:
    assert chosen_devices((LIBTORCH,), "all") == ("cpu", "cuda")
    with pytest.raises(UsageError, match="unknown device 'mps'"):
        chosen_devices((LIBTORCH,), "mps")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (Sweep((MNIST,), (PYTORCH,), mode="trian"), "--mode is 'trian'"),
        (Sweep((MNIST,), (PYTORCH,), loader="native,bundle"), "--loader is"),
        (Sweep((MNIST,), (PYTORCH,), repeats=0), "--repeats is 0"),
        (Sweep((MNIST,), (PYTORCH,), mode="latency", batch_sizes=(8,)), "batches of 1"),
        (Sweep((MNIST,), (PYTORCH,), mode="latency", epochs=2), "counts steps"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(sweep: Sweep, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep.check()


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_every_number_that_is_written_is_read(values: list[int]) -> None:
    assert numbers("--threads", ",".join(map(str, values)), int, 1) == tuple(dict.fromkeys(values))
