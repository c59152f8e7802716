"""Call trees as columns, on random trees and against the plain recursive definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import calltree


@st.composite
def forests(draw: st.DrawFn) -> np.ndarray:
    """Parents of a random forest whose rows come in any order."""
    rows = draw(st.integers(0, 40))
    parent = np.array([draw(st.integers(-1, row - 1)) for row in range(rows)], np.int32)
    new = np.array(draw(st.permutations(range(rows))), np.int64)
    shuffled = np.full(rows, -1, np.int32)
    shuffled[new] = np.where(parent >= 0, new[parent] if rows else parent, -1)
    return shuffled


def ancestors(parent: np.ndarray, row: int) -> list[int]:
    found = []
    while (row := int(parent[row])) >= 0:
        found.append(row)
    return found


@st.composite
def intervals(draw: st.DrawFn, nested: bool) -> tuple[list[tuple[int, int]], int]:
    """Random intervals; nested ones are made by splitting a range, so that none overlaps another in part."""
    if not nested:
        pairs = draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=25))
        return [(start, start + length) for start, length in pairs], 0
    found: list[tuple[int, int]] = []
    open_ranges = [(0, draw(st.integers(1, 60)))]
    while open_ranges and len(found) < 30:
        low, high = open_ranges.pop()
        if high <= low:
            continue
        start = draw(st.integers(low, high))
        end = draw(st.integers(start, high))
        found.append((start, end))
        open_ranges += [(end, high), (start, end)]
        if draw(st.booleans()):
            open_ranges.pop()
    return found, 0


@given(forests(), st.data())
def test_self_of_total_of_self_is_self(parent: np.ndarray, data: st.DataObject) -> None:
    own = np.array(data.draw(st.lists(st.integers(0, 2**50), min_size=len(parent), max_size=len(parent))), np.int64)
    total = calltree.total_from_self(parent, own)
    assert np.array_equal(calltree.self_from_total(parent, total), own)
    assert total[parent < 0].sum() == own.sum()


@given(forests())
def test_depth_is_the_number_of_ancestors(parent: np.ndarray) -> None:
    assert calltree.depths(parent).tolist() == [len(ancestors(parent, row)) for row in range(len(parent))]


@given(forests(), st.data())
def test_a_row_inherits_from_its_nearest_ancestor(parent: np.ndarray, data: st.DataObject) -> None:
    own = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=len(parent), max_size=len(parent))), np.int64)
    expected = [
        next((int(own[above]) for above in (row, *ancestors(parent, row)) if own[above] >= 0), -1)
        for row in range(len(own))
    ]
    assert calltree.inherit(parent, own).tolist() == expected


@given(forests(), st.data())
def test_nearest_ancestor_of_the_same_name(parent: np.ndarray, data: st.DataObject) -> None:
    at_once = data.draw(st.sampled_from([2, 5, 1 << 18]))
    name = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(parent), max_size=len(parent))), np.int64)
    expected = [
        next((above for above in ancestors(parent, row) if name[above] == name[row]), -1) for row in range(len(name))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calltree, "_ROWS_AT_ONCE", at_once)
        assert calltree.nearest_same(parent, name).tolist() == expected


@given(forests())
def test_a_subtree_is_one_range_of_places(parent: np.ndarray) -> None:
    place, size = calltree.preorder(parent)
    assert sorted(place.tolist()) == list(range(len(parent)))
    for row in range(len(parent)):
        below = {other for other in range(len(parent)) if row in (other, *ancestors(parent, other))}
        assert {int(place[other]) for other in below} == set(range(place[row], place[row] + size[row]))


def nested(pairs: list[tuple[int, int]], yields: list[bool] | None = None) -> tuple[list[int], calltree.Nesting]:
    start, end = (
        (np.array(column, np.int64) for column in zip(*pairs, strict=True)) if pairs else (np.zeros(0, np.int64),) * 2
    )
    thread = np.zeros(len(pairs), np.int64)
    order = calltree.order_by_time(thread, start, end)
    flags = np.array(yields, bool)[order] if yields else None
    return order.tolist(), calltree.nest(thread, start[order], end[order], flags)


@given(intervals(nested=True))
def test_nested_intervals_are_never_cut(drawn: tuple[list[tuple[int, int]], int]) -> None:
    pairs, _ = drawn
    order, nesting = nested(pairs)
    assert nesting.overlaps == 0
    assert nesting.end.tolist() == [pairs[row][1] for row in order]


@given(intervals(nested=False), st.data())
def test_whatever_overlaps_self_is_never_negative_and_the_sum_is_that_of_the_roots(
    drawn: tuple[list[tuple[int, int]], int], data: st.DataObject
) -> None:
    pairs, _ = drawn
    yields = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    order, nesting = nested(pairs, yields)
    start = np.array([pairs[row][0] for row in order], np.int64)
    total = nesting.end - start
    own = calltree.self_from_total(nesting.parent, total)
    assert (own >= 0).all()
    assert own.sum() == total[nesting.parent < 0].sum()
    assert (nesting.end <= np.array([pairs[row][1] for row in order], np.int64)).all()


def test_of_equal_intervals_the_first_in_the_file_is_the_outer_one() -> None:
    order, nesting = nested([(5, 5), (0, 10), (0, 10), (5, 5)])
    assert order == [1, 2, 0, 3]
    assert nesting.parent.tolist() == [-1, 0, 1, 2]


def test_an_interval_that_ends_late_is_cut_to_its_caller() -> None:
    _, nesting = nested([(0, 10), (4, 13), (11, 12)])
    assert nesting.parent.tolist() == [-1, 0, -1]
    assert nesting.end.tolist() == [10, 10, 12]
    assert nesting.overlaps == 1


def test_a_frame_that_yields_ends_where_the_scope_that_it_opens_begins() -> None:
    _, nesting = nested([(0, 100), (10, 20), (11, 19), (15, 90), (30, 40)], [True, True, True, False, True])
    assert nesting.parent.tolist() == [-1, 0, 1, 0, 3]
    assert nesting.end.tolist() == [100, 15, 15, 90, 40]
