"""`profkit audit` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.audit.profiles import profile, with_run
from tests.cli.conftest import Profkit, complaint

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
PYTHON = TRACES / "pytorch" / "torch" / "profile.json"
CPP = TRACES / "libtorch" / "torch" / "profile.json"

HERE = profile(threads=1, affinity=(0, 1))


@pytest.fixture
def unequal(tmp_path: Path) -> tuple[Path, Path]:
    """Two profiles with unequal threads."""
    paths = tmp_path / "one.json", tmp_path / "two.json"
    HERE.write(paths[0])
    with_run(HERE, threads=2).write(paths[1])
    return paths


def test_recorded_profiles_have_all_rules_and_what_is_missing(profkit: Profkit) -> None:
    done = profkit("audit", PYTHON, CPP)
    assert "Traceback" not in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert all(f"R{number:02}" in done.stdout for number in range(1, 25))
    assert "B: mnist_cnn, libtorch under torch" in done.stdout
    assert "R20" in done.stdout.split("unknown (")[1].split(")")[0]


def test_one_process_warns_with_its_own_exit_code(profkit: Profkit) -> None:
    done = profkit("audit", PYTHON, CPP, "--rule", "r12")
    assert done.returncode == 10
    assert done.stderr.startswith("profkit: R12 warns\nhint: ")
    assert "--repeats 3" in done.stdout
    assert "R11" not in done.stdout


def test_unequal_threads_fail_with_their_own_exit_code(profkit: Profkit, unequal: tuple[Path, Path]) -> None:
    done = profkit("audit", *unequal, "--rule", "R11,R12")
    assert done.returncode == 11
    assert "profkit: R11 fails" in done.stderr
    assert "A has threads: 1, B 2" in done.stdout


def test_rules_that_hold_or_cannot_tell_are_no_failure(profkit: Profkit, unequal: tuple[Path, Path]) -> None:
    one, _ = unequal
    done = profkit("audit", one, one, "--rule", "R11,R20", "--all")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "R11 pass: threads 1 | 1" in done.stdout
    assert "unknown (R20)" in done.stdout


def test_one_profile_is_checked_alone(profkit: Profkit) -> None:
    done = profkit("audit", CPP, "--rule", "R10,R11")
    assert done.returncode == 0, done.stderr
    assert "B:" not in done.stdout
    assert "Release" in done.stdout


def test_json_has_everything_and_the_same_exit_code(profkit: Profkit) -> None:
    done = profkit("audit", PYTHON, CPP, "--rule", "R12,R14", "--json")
    assert done.returncode == 10
    found = json.loads(done.stdout)
    assert [each["rule"] for each in found["rules"]] == ["R12", "R14"]
    assert found["outcome"] == "warn"
    assert found["counts"]["warn"] == 1
    assert found["rules"][0]["evidence"]["repeats"] == [1, 1]
    assert "below the table" not in done.stderr
    assert "the advice of each rule" in done.stderr


def test_an_artefact_tells_more_than_its_old_profile(profkit: Profkit) -> None:
    artefact = CPP.with_name("trace.json.gz")
    assert "names 90.3 % of the steps" in " ".join(profkit("audit", artefact, "--rule", "R18").stdout.split())


def test_the_rules_are_listed_without_a_profile(profkit: Profkit) -> None:
    done = profkit("audit", "--rules")
    assert done.returncode == 0, done.stderr
    assert all(f"R{number:02}" in done.stdout for number in range(1, 25))
    assert len(json.loads(profkit("audit", "--rules", "--json").stdout)) == 24


def test_wrong_arguments_say_what_to_do(profkit: Profkit, tmp_path: Path) -> None:
    assert "unknown rule 'R99'" in complaint(profkit("audit", PYTHON, "--rule", "R99"), 2)
    assert "nothing to audit" in complaint(profkit("audit"), 2)
    other = tmp_path / "other.json"
    other.write_bytes(PYTHON.read_bytes().replace(b'"version":1', b'"version":99', 1))
    assert "version 99" in complaint(profkit("audit", other, CPP), 3)
