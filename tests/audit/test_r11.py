"""R11: threads and affinity are equal and recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profkit.audit import Outcome
from profkit.audit.r11_threads import R11
from tests.audit.profiles import MACHINE, profile, with_run

ONE = profile(threads=1, affinity=(0, 1))


def test_the_same_threads_on_the_same_processors_are_fair() -> None:
    found = R11.check((ONE, ONE))
    assert found.outcome is Outcome.PASS
    assert found.says == "both have 1 thread on processors 0, 1"
    assert R11.check((ONE,)).outcome is Outcome.PASS


def test_unequal_threads_fail_and_their_effect_is_not_guessed() -> None:
    found = R11.check((ONE, with_run(ONE, threads=2)))
    assert found.outcome is Outcome.FAIL
    assert "A has threads: 1, B 2" in found.says
    assert found.effect is None
    assert "--threads" in found.advice


@pytest.mark.parametrize(
    ("affinity", "outcome"), [((0,), Outcome.FAIL), ((2, 3), Outcome.WARN), ((1, 0), Outcome.PASS)]
)
def test_processors_are_compared_by_number_and_by_place(affinity: tuple[int, ...], outcome: Outcome) -> None:
    assert R11.check((ONE, with_run(ONE, affinity=affinity))).outcome is outcome


def test_more_threads_than_processors_warn() -> None:
    crowded = with_run(ONE, threads=4)
    found = R11.check((crowded, crowded))
    assert found.outcome is Outcome.WARN
    assert "4 threads on 2 processors" in found.says


def test_other_threads_between_operators_warn() -> None:
    two, four = (with_run(ONE, settings={"interop_threads": count}) for count in ("2", "4"))
    assert R11.check((two, four)).outcome is Outcome.WARN
    assert R11.check((two, ONE)).outcome is Outcome.PASS


def test_what_nobody_recorded_is_unknown() -> None:
    found = R11.check((ONE, profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("the number of threads", "the affinity")


def test_a_system_without_affinity_needs_none() -> None:
    mac = profile(threads=1, machine=replace(MACHINE, system="Darwin 24"))
    found = R11.check((mac, mac))
    assert found.outcome is Outcome.PASS
    assert "binds no program" in found.says
