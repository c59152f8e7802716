from __future__ import annotations

import json
from pathlib import Path

import pytest

from profkit.errors import InputError
from profkit.importers.wallclock import WALLCLOCK
from profkit.loader import load

SCOPES = {
    "format": "profkit-wallclock",
    "name": ["ProfilerStep#0", "phase/forward", "layer/conv1", "phase/backward", "ProfilerStep#1", "phase/forward"],
    "depth": [0, 1, 2, 1, 0, 1],
    "start_ns": [0, 10, 20, 60, 100, 110],
    "duration_ns": [90, 40, 25, 25, 50, 30],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "wallclock.json").write_text(json.dumps(SCOPES))
    return tmp_path / "wallclock.json"


def test_self_time_is_what_the_inner_scopes_leave(path: Path) -> None:
    records = WALLCLOCK.load(path).records
    assert records["parent_id"].to_pylist() == [None, 0, 1, 0, None, 4]
    assert records["self_ns"].to_pylist() == [25, 15, 25, 25, 20, 30]


def test_scopes_become_layers_phases_and_steps(path: Path) -> None:
    table = load(path).operators
    rows = zip(*(table[name].to_pylist() for name in ("layer", "phase", "self_ns_per_step", "category")), strict=True)
    assert sorted(rows, key=str) == sorted(
        [
            (None, None, [25, 20], "other"),
            (None, "forward", [15, 30], "other"),
            ("conv1", "forward", [25, 0], "other"),
            (None, "backward", [25, 0], "other"),
        ],
        key=str,
    )


@pytest.mark.parametrize("change", [{"depth": [0]}, {"name": []}, {"duration_ns": ["long"]}])
def test_another_layout_is_refused(path: Path, change: dict[str, object]) -> None:
    path.write_text(json.dumps(SCOPES | change))
    with pytest.raises(InputError, match="wallclock"):
        WALLCLOCK.load(path)
