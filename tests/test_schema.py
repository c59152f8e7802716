"""Columns from lists: as Arrow makes them, whatever stands in them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit import schema

_COUNT = st.none() | st.integers(-(2**63), 2**63 - 1)
_ANYTHING = st.none() | st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3)


def read_back(name: str, values: list[Any]) -> list[Any]:
    return schema.table_from(schema.OPERATORS, {name: values}, len(values))[name].to_pylist()


@given(st.lists(_COUNT))
def test_counts_stay_what_they_are_even_negative_ones(values: list[int | None]) -> None:
    assert read_back("count", values) == values


@given(st.lists(st.none() | st.text(max_size=3)))
def test_names_stay_what_they_are(values: list[str | None]) -> None:
    assert read_back("layer", values) == values


@given(st.lists(st.none() | st.lists(_COUNT, max_size=3)))
def test_lists_of_counts_stay_what_they_are(values: list[list[int | None] | None]) -> None:
    assert read_back("self_ns_per_step", values) == values


@pytest.mark.parametrize(
    ("name", "kind"), [("count", pa.int64()), ("line", pa.int32()), ("self_ns_per_step", pa.list_(pa.int64()))]
)
@given(values=st.lists(_ANYTHING, max_size=4))
def test_other_values_are_taken_or_refused_as_by_arrow(name: str, kind: pa.DataType, values: list[Any]) -> None:
    try:
        expected = pa.array(values, kind).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        with pytest.raises(type(error)):
            read_back(name, values)
    else:
        assert read_back(name, values) == expected
