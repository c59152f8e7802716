"""CSV: the operator table for spreadsheets."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.csv

from profkit.exporters import Exporter, Material


def render(material: Material) -> bytes:
    """All columns, a header first; empty where a value is null, and a list of per-step values as JSON."""
    table = material.profile.operators
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if values is None else json.dumps(values) for values in table[index].to_pylist()]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
        elif pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table[index].cast(pa.string()))
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()


CSV = Exporter(name="csv", suffix=".csv", summary="operator table for spreadsheets", render=render, stacks=False)
