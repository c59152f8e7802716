"""What surrounds a run in its process, and that both languages know it by the same names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from profkit.runner.surroundings import WATCHERS, other_tools
from profkit.runner.torch_facts import VARIABLES, torch_settings

TWIN = Path(__file__).parents[2] / "cpp/src/surroundings.cpp"


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_AUDIT"])
@pytest.mark.parametrize(
    ("library", "watches"),
    [
        ("/usr/lib/libasan.so.6", True),
        ("/usr/lib/libprofiler.so.0", True),
        ("/opt/nsight/libToolsInjection64.so", True),
        ("/lib/libscalene.so", True),
        ("libmkl_rt.so", False),
        ("/opt/conda/lib/libstdc++.so.6", False),
        ("/usr/lib/libnuma.so.1", False),
        ("/usr/lib/libjemalloc.so.2", False),
        ("/opt/intel/libiomp5.so", False),
    ],
)
def test_a_library_ahead_of_others_is_a_tool_only_if_it_watches(
    monkeypatch: pytest.MonkeyPatch, variable: str, library: str, watches: bool
) -> None:
    monkeypatch.setenv(variable, library)
    assert other_tools("none") == ([f"{variable}: {library.rpartition('/')[2]}"] if watches else [])


@pytest.mark.parametrize(("name", "known"), [("watchers", WATCHERS), ("variables", VARIABLES)])
def test_both_languages_know_the_same(name: str, known: tuple[str, ...]) -> None:
    listed = re.search(rf"{name}{{([^}}]*)}}", TWIN.read_text())
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == set(known)


def test_flags_that_torch_refuses_to_tell_are_left_out() -> None:
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        told = torch_settings()
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
    assert "matmul_tf32" not in told
    assert {"cudnn_tf32", "interop_threads", "onednn"} <= set(told)
    assert "matmul_tf32" in torch_settings()
