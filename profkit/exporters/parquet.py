"""Parquet: the operator table for pandas, Polars, DuckDB and the like; profkit itself reads it as a profile."""

from __future__ import annotations

from profkit.exporters import Exporter, Material
from profkit.profile import to_parquet


def render(material: Material) -> bytes:
    """All columns, with the run and the notes in the file's metadata."""
    return to_parquet(material.profile)


PARQUET = Exporter(
    name="parquet", suffix=".parquet", summary="operator table for pandas, Polars, DuckDB", render=render, stacks=False
)
