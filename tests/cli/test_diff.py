"""`profkit diff` as a user runs it: fair, refused, and as a gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Profkit, complaint
from tests.views.test_refusal import TENTH, WHOLE

Pair = tuple[Path, Path]


@pytest.fixture
def unfair(tmp_path: Path) -> Pair:
    """Two profiles, of which the second does a tenth of the work."""
    paths = tmp_path / "whole.json", tmp_path / "tenth.json"
    WHOLE.write(paths[0])
    TENTH.write(paths[1])
    return paths


def test_other_work_is_refused_with_what_can_be_said(profkit: Profkit, unfair: Pair) -> None:
    done = profkit("diff", *unfair)
    assert done.returncode == 11
    assert done.stdout.startswith("NOT COMPARABLE: B does a tenth of the work")
    assert done.stderr.startswith("profkit: not comparable: R01\nhint: --force")


def test_a_refused_csv_prints_nothing_that_is_no_csv(profkit: Profkit, unfair: Pair) -> None:
    assert "not comparable: R01" in complaint(profkit("diff", *unfair, "--csv"), 11)
    assert profkit("diff", *unfair, "--csv", "--force").stdout.startswith("device,layer,")


def test_json_says_what_refused_it_also_where_it_is_forced(profkit: Profkit, unfair: Pair) -> None:
    for more in ((), ("--force",)):
        done = profkit("diff", *unfair, "--json", *more)
        assert json.loads(done.stdout)["refused_by"] == ["R01"]
    assert json.loads(profkit("diff", unfair[0], unfair[0], "--json").stdout)["refused_by"] == []


def test_a_refused_gate_writes_its_summary_too(profkit: Profkit, unfair: Pair, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = profkit("diff", *unfair, "--fail-over", "5%", "--markdown", summary)
    assert done.returncode == 11
    assert summary.read_text().startswith("### ❌ profkit: NOT COMPARABLE: B does a tenth")
    printed = profkit("diff", *unfair, "--fail-over", "5%", "--markdown", "-")
    assert (printed.returncode, printed.stdout) == (11, summary.read_text())


def test_a_summary_is_made_anew_without_leave(profkit: Profkit, unfair: Pair, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("of yesterday")
    done = profkit("diff", unfair[0], unfair[0], "--fail-over", "5%", "--markdown", summary)
    assert done.returncode == 0, done.stderr
    assert summary.read_text().startswith("### ✅ profkit: Passed")


def test_a_summary_goes_nowhere_else(profkit: Profkit, unfair: Pair, tmp_path: Path) -> None:
    gate = ("--fail-over", "5%", "--markdown")
    before = unfair[0].read_bytes()
    assert "which is to be compared" in complaint(profkit("diff", *unfair, *gate, unfair[0]), 2)
    assert unfair[0].read_bytes() == before
    assert "exists already" in complaint(profkit("diff", *unfair, *gate, tmp_path), 2)
    assert "no directory" in complaint(profkit("diff", *unfair, *gate, tmp_path / "none" / "summary.md"), 2)
