"""Weighted stacks to records: the tree, its sums, operators and categories."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import stacks
from profkit.frames import Frame, frame_of
from profkit.profile import Recording
from profkit.run import Run
from tests.importers.golden import paths, self_by

Bag = dict[tuple[str, tuple[str, ...]], int]


def recording(bag: Bag, *columns: str) -> Recording:
    counter = stacks.StackCounter(*(columns or ("samples",)))
    for (thread, texts), count in bag.items():
        counter.add(thread, [counter.code(frame_of(text)) for text in texts], *[count] * max(len(columns), 1))
    return Recording(Run(tool="test"), stacks.records(counter.stacks()))


names = st.sampled_from(["a", "b", "c", "d"])
bags = st.dictionaries(
    st.tuples(st.sampled_from(["1", "2"]), st.lists(names, min_size=1, max_size=8).map(tuple)),
    st.integers(1, 1000),
    max_size=40,
)


@given(bags)
def test_stacks_to_records_and_back_keeps_every_count(bag: Bag) -> None:
    assert paths(recording(bag)) == {(thread, *stack): count for (thread, stack), count in bag.items()}


@given(bags)
def test_every_call_path_is_one_record_and_its_total_is_what_ran_below_it(bag: Bag) -> None:
    rows = recording(bag, "samples", "self_ns").records.to_pylist()
    below: Counter[tuple[str, ...]] = Counter()
    for (thread, stack), count in bag.items():
        below.update({(thread, *stack[:depth]): count for depth in range(1, len(stack) + 1)})
    prefix: list[tuple[str, ...]] = []
    for row in rows:
        assert row["parent_id"] is None or row["parent_id"] < len(prefix)
        above = (row["thread"],) if row["parent_id"] is None else prefix[row["parent_id"]]
        prefix.append((*above, row["symbol"]))
    assert len(set(prefix)) == len(prefix)
    assert {path: row["total_ns"] for path, row in zip(prefix, rows, strict=True)} == below


def test_a_sampler_counts_no_calls_and_equal_stacks_are_summed() -> None:
    counter = stacks.StackCounter("samples")
    code = counter.code(Frame("f"))
    for count in (1, 2, 4):
        counter.add(None, [code, code], count)
    table = stacks.records(counter.stacks())
    assert table["count"].null_count == table.num_rows == 2
    assert table["samples"].to_pylist() == [0, 7]
    assert table["thread"].to_pylist() == [None, None]


def test_a_sample_without_a_stack_is_kept() -> None:
    table = recording({("1", ()): 3}).records
    assert (table["symbol"].to_pylist(), table["samples"].to_pylist()) == ([None], [3])


def test_an_operator_holds_for_everything_below_it_and_the_inner_one_wins() -> None:
    bag = {
        ("1", ("main (a.py:1)",)): 1,
        ("1", ("main (a.py:1)", "at::_ops::conv2d::call (libtorch_cpu.so)", "malloc (libc.so.6)")): 2,
        ("1", ("main (a.py:1)", "at::_ops::conv2d::call (libtorch_cpu.so)",
               "at::_ops::mkldnn_convolution::redispatch (libtorch_cpu.so)", "0x7f (?)")): 4,
        ("1", ("aten::relu (<profkit>:1)", "f (a.py:2)")): 8,
    }  # fmt: skip
    assert self_by(recording(bag), "operator") == {
        None: 1, "aten::conv2d": 2, "aten::mkldnn_convolution": 4, "aten::relu": 8,
    }  # fmt: skip


def test_without_native_frames_pythons_functions_tell_the_operator() -> None:
    relu = ("main (a.py:1)", "ReLU.forward (torch/nn/modules/activation.py:9)", "relu (torch/nn/functional.py:7)")
    found = recording({("1", relu): 3, ("1", ("main (a.py:1)",)): 2})
    assert self_by(found, "operator", "category") == {("aten::relu", "other"): 3, (None, "interpreter"): 2}
    natively = recording({("1", relu): 3, ("1", (*relu, "malloc (libc.so.6)")): 2})
    assert self_by(natively, "operator", "category") == {(None, "interpreter"): 3, (None, "memory"): 2}


def test_made_code_that_no_unwinder_sees_through_belongs_to_the_python_function_above_it() -> None:
    bag = {("1", ("Conv2d._conv_forward (torch/nn/modules/conv.py:5)", "0x7f12 (?)")): 5}
    assert self_by(recording(bag), "operator", "category") == {("aten::conv2d", "kernel"): 5}


@pytest.mark.parametrize(
    ("stack", "category"),
    [
        (("f (a.py:1)",), "interpreter"),
        (("fetch (torch/utils/data/_utils/fetch.py:50)",), "data"),
        (("f (a.py:1)", "wait (threading.py:3)"), "runtime"),
        (("f (a.py:1)", "_PyEval_EvalFrameDefault (libpython3.11.so.1.0)"), "interpreter"),
        (("f (a.py:1)", "gc_collect_main (python3.11)"), "interpreter"),
        (("f (a.py:1)", "torch::autograd::THPVariable_conv2d (libtorch_python.so)"), "binding"),
        (("f (a.py:1)", "c10::Dispatcher::call (libtorch_cpu.so)"), "dispatch"),
        (("f (a.py:1)", "at::native::add (libtorch_cpu.so)"), "kernel"),
        (("f (a.py:1)", "0x7f00 (?)"), "kernel"),
        (("f (a.py:1)", "0x* (?)"), "kernel"),
        (("f (a.py:1)", "0x7f00 (libfoo.so)"), "other"),
        (("f (a.py:1)", "0x* (libpython3.11.so.1.0)"), "interpreter"),
        (("f (a.py:1)", "malloc (libc.so.6)"), "memory"),
        (("f (a.py:1)", "pthread_cond_timedwait (libc.so.6)", "0x7f00 (libc.so.6)"), "runtime"),
        (("f (a.py:1)", "malloc (libc.so.6)", "0x7f00 (libc.so.6)"), "other"),
        (("f (a.py:1)", "clear_page_[k]"), "runtime"),
        (("f (a.py:1)", "layer/conv1 (<profkit>:1)"), "interpreter"),
        (("main",), "other"),
    ],
)
def test_every_self_cost_has_one_category(stack: tuple[str, ...], category: str) -> None:
    assert self_by(recording({("1", stack): 1}), "category") == {category: 1}


def test_what_cannot_be_told_apart_is_told() -> None:
    def notes(*stack: str) -> list[str]:
        counter = stacks.StackCounter("samples")
        counter.add(None, [counter.code(frame_of(text)) for text in stack], 4)
        found = counter.stacks()
        return stacks.notes_on(stacks.records(found), found.frames)

    assert notes("f (a.py:1)") == []
    assert ["no native frames" in note for note in notes("relu (torch/nn/functional.py:7)")] == [True]
    assert ["just-in-time" in note for note in notes("f (a.py:1)", "0x7f (?)")] == [True]
    assert notes("f (a.py:1)", "0x7f (libc.so.6)") == [
        "100.0% of the cost lies in native code that the tool found no name for"
    ]
