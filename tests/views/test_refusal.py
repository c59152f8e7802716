"""What stands in place of an unfair comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profkit.audit import audit
from profkit.evidence import Work
from profkit.profile import Profile
from profkit.views.refusal import fraction, refusal_lines, refusal_markdown
from tests.audit.profiles import MACHINE, profile, with_evidence, with_run


def working(macs: int, step_ns: int, workload: str = "resnet18") -> Profile:
    given = profile(workload=workload, step_ns=(step_ns,) * 5)
    return with_evidence(given, work=Work(1000, 10, macs, "0123456789ab"))


WHOLE = working(10_000_000, 1_000_000)
TENTH = working(1_000_000, 320_000)


def lines_of(baseline: Profile, candidate: Profile) -> list[str]:
    return refusal_lines(audit(baseline, candidate), baseline, candidate)


def test_less_work_is_said_with_what_is_left_for_each_flop() -> None:
    first, second, *_ = lines_of(WHOLE, TENTH)
    assert first == (
        "NOT COMPARABLE: B does a tenth of the work (multiply-adds a sample); per FLOP it is 3.2 times slower "
        "(takes 1/3.12 of A's time a step)."
    )
    assert second.startswith("R01, not the same work: B does 10.0 times less work a sample")


def test_more_work_is_a_multiple_of_it() -> None:
    assert (
        "B does 10 times the work (multiply-adds a sample); per FLOP it is 3.2 times faster"
        in lines_of(TENTH, WHOLE)[0]
    )


def test_equal_speed_for_each_flop_is_as_fast() -> None:
    assert "per FLOP it is as fast (takes 1/10 of A's time" in lines_of(WHOLE, working(1_000_000, 100_000))[0]


def test_times_of_two_machines_are_not_set_against_the_work() -> None:
    elsewhere = with_run(TENTH, machine=replace(MACHINE, processor="Xeon"))
    first = lines_of(WHOLE, elsewhere)[0]
    assert first == "NOT COMPARABLE: not the same work (R01); not the same machine (R14)."


def test_a_fair_pair_is_not_refused() -> None:
    assert lines_of(WHOLE, WHOLE) == []


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.5, "half of the work"), (0.98, "0.98 of the work"), (1.02, "1.02 times the work"), (20.0, "20 times the work")],
)
def test_a_fraction_is_of_the_work(ratio: float, words: str) -> None:
    assert fraction(ratio) == words


def test_the_summary_has_every_line_and_no_name_breaks_it() -> None:
    odd = working(1_000_000, 320_000, "<b>|*net_a*|")
    text = refusal_markdown(audit(WHOLE, odd), WHOLE, odd)
    assert text.startswith("### ❌ profkit: NOT COMPARABLE: B does a tenth")
    assert "\n- R01, not the same work: " in text
    assert "<b>" not in text
