"""Options of the benchmarks."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trace-megabytes", type=int, default=100, help="size of the trace that is read [MB]")
    parser.addoption("--rounds", type=int, default=5, help="paired runs of two programs")
