"""CSV and Parquet: the operator table as it is."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from profkit.exporters import Material
from profkit.exporters.csv import render as csv_of
from profkit.exporters.parquet import render as parquet_of
from profkit.profile import read_profile


def test_csv_has_every_row_and_column_and_leaves_empty_what_is_null(recorded: Material) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(recorded).decode())))
    table = recorded.profile.operators.to_pylist()
    assert len(rows) == len(table)
    for written, row in zip(rows, table, strict=True):
        assert list(written) == list(row)
        for name, value in row.items():
            text = "" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
            assert written[name] == text


def test_parquet_is_read_as_the_profile(recorded: Material, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(parquet_of(recorded))
    again = read_profile(path)
    assert again.run == recorded.profile.run
    assert again.operators.to_pydict() == recorded.profile.operators.to_pydict()
