"""R23: it runs headless from any directory."""

from __future__ import annotations

from profkit.audit import Outcome
from profkit.audit.r23_headless import R23
from tests.audit.profiles import evident, profile

SHOWN = evident(headless=True, directory=True)


def test_a_run_without_a_display_elsewhere_is_fair() -> None:
    assert R23.check((SHOWN, SHOWN)).outcome is Outcome.PASS
    assert R23.check((SHOWN,)).outcome is Outcome.PASS


def test_a_run_with_a_display_does_not_show_that_it_needs_none() -> None:
    found = R23.check((SHOWN, evident(headless=False, directory=True)))
    assert found.outcome is Outcome.UNKNOWN
    assert "of B: a run without a display" in found.says
    assert R23.check((SHOWN, evident(headless=True, directory=False))).outcome is Outcome.UNKNOWN


def test_what_nobody_recorded_is_unknown() -> None:
    assert len(R23.check((profile(), profile())).missing) == 2
