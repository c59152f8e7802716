"""R22: a mistyped option fails."""

from __future__ import annotations

from profkit.audit import Outcome
from profkit.audit.r22_options import R22
from tests.audit.profiles import evident, profile

CHECKED = evident(options_checked=True)


def test_programs_that_refuse_what_they_do_not_know_are_fair() -> None:
    assert R22.check((CHECKED, CHECKED)).outcome is Outcome.PASS


def test_a_program_that_ignores_what_it_does_not_know_warns() -> None:
    found = R22.check((CHECKED, evident(options_checked=False)))
    assert found.outcome is Outcome.WARN
    assert "B takes options that it does not know" in found.says
    assert found.advice


def test_what_nobody_tried_is_unknown() -> None:
    found = R22.check((CHECKED, profile()))
    assert found.outcome is Outcome.UNKNOWN
    assert "of B" in found.says
