"""R24: results carry configuration and commit; reruns never mix."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r24_provenance import R24
from profkit.profile import Profile
from tests.audit.profiles import profile, with_run


def run(*digests: str, **run_fields: Any) -> Profile:
    given = {
        "command": ("python",),
        "options": {"filters1": 8},
        "seed": 0,
        "commit": "c" * 40,
        "recorded_at": "2026-01-01T00:00:00+00:00",
    }
    return profile(artefact_sha256=digests, artefacts=digests, **{**given, **run_fields})


FAIR = run("a1", "a2")


def test_runs_that_say_what_they_were_are_fair() -> None:
    found = R24.check((FAIR, run("b1")))
    assert found.outcome is Outcome.PASS
    assert "commit cccccccccccc" in found.says


def test_other_commits_are_told() -> None:
    found = R24.check((FAIR, run("b1", commit="d" * 40)))
    assert found.outcome is Outcome.PASS
    assert "A is of commit cccccccccccc, B of dddddddddddd" in found.says


def test_a_run_outside_git_warns() -> None:
    found = R24.check((FAIR, run("b1", commit=None)))
    assert found.outcome is Outcome.WARN
    assert "B ran in no git repository" in found.says


def test_a_run_against_itself_is_told() -> None:
    found = R24.check((FAIR, FAIR))
    assert found.outcome is Outcome.PASS
    assert "one run is compared with itself" in found.says


def test_runs_that_share_an_artefact_fail() -> None:
    found = R24.check((FAIR, run("a2", "b1")))
    assert found.outcome is Outcome.FAIL
    assert "share an artefact" in found.says
    assert R24.check((run("a1", "a1"),)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ({"options": {}, "command": ()}, "options"),
        ({"seed": None}, "seed"),
        ({"recorded_at": None}, "time"),
        ({"artefact_sha256": ()}, "digest of the artefact"),
    ],
)
def test_each_missing_part_is_named(field: dict[str, Any], missing: str) -> None:
    found = R24.check((FAIR, with_run(run("b1"), **field)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == (missing,)


def test_a_run_without_commit_and_command_is_of_unknown_source() -> None:
    for sides in ((run("a1", commit=None, command=()),), (FAIR, run("b1", commit=None, command=()))):
        found = R24.check(sides)
        assert (found.outcome, found.missing) == (Outcome.UNKNOWN, ("commit",))


def test_each_side_is_told_its_own_missing_parts() -> None:
    found = R24.check((run("a1", seed=None), run("b1", recorded_at=None)))
    assert "of A: seed" in found.says
    assert "of B: time" in found.says


def test_a_program_of_ones_own_has_its_seed_in_its_source() -> None:
    own = run("b1", implementation=None, seed=None, options={}, command=("python", "train.py"))
    assert R24.check((own,)).outcome is Outcome.PASS


def test_a_trace_with_its_time_needs_no_git() -> None:
    assert R24.check((profile(recorded_at="2026-01-01T00:00:00+00:00"),)).outcome is Outcome.UNKNOWN


def test_a_trace_of_others_carries_nothing() -> None:
    found = R24.check((profile(), profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("options", "seed", "time", "commit", "digest of the artefact")
