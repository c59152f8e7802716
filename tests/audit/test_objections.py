"""What speaks against a pair of runs becomes one finding."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.objections import Objection, decided, differing, names, off_by, unseen, unseen_parts
from tests.audit.profiles import profile

UNKNOWN = Objection(Outcome.UNKNOWN, "nobody knows", "find out", ("the fact",))
WARNS = Objection(Outcome.WARN, "it may be", "look")
FAILS = Objection(Outcome.FAIL, "it is", "mend it")


def test_nothing_against_it_is_a_pass_without_advice() -> None:
    found = decided([], "all is well", {"fact": (1, 1)}, effect=50.0)
    assert (found.outcome, found.says, found.advice, found.effect) == (Outcome.PASS, "all is well", "", None)
    assert found.evidence == {"fact": (1, 1)}


def test_the_worst_comes_first_and_everything_is_said() -> None:
    found = decided([UNKNOWN, WARNS, FAILS, WARNS], "all is well", effect=50.0)
    assert found.outcome is Outcome.FAIL
    assert found.says == "it is; it may be; nobody knows"
    assert found.advice == "mend it; look; find out"
    assert found.missing == ("the fact",)
    assert found.effect == 50.0


@pytest.mark.parametrize("nothing", [0.0, -0.04, float("nan"), None])
def test_an_effect_of_nothing_is_none(nothing: float | None) -> None:
    assert decided([FAILS], "all is well", effect=nothing).effect is None
    assert decided([FAILS], "all is well", effect=-0.06).effect == -0.06


def test_what_is_unknown_has_no_effect() -> None:
    assert decided([UNKNOWN], "all is well", effect=50.0).effect is None


@pytest.mark.parametrize(("factors", "percent"), [((2.0, 1.0), -50), ((1.0, 9.9), 890), ((3.0, 3.0), 0), ((1.1,), 10)])
def test_an_effect_is_by_how_much_the_ratio_is_off(factors: tuple[float, ...], percent: float) -> None:
    assert off_by(factors) == pytest.approx(percent)


def test_facts_differ_only_where_both_are_known() -> None:
    assert differing("threads", (1, 2), Outcome.FAIL, "")[0].says == "A has threads 1, B 2"
    for facts in ((1, 1), (1, None), (None, None), (1,)):
        assert differing("threads", facts, Outcome.FAIL, "") == []


def test_missing_facts_name_the_sides_that_lack_them() -> None:
    assert unseen("the clock", (1, 2), "") == []
    assert unseen("the clock", (1, None), "")[0].says == "nobody recorded of B: the clock"


def test_no_side_is_blamed_for_what_only_the_other_lacks() -> None:
    parts = {"seed": (1, None), "time": (None, 2), "options": (1, 1), "commit": (0, None), "digest": (None, None)}
    found = unseen_parts(parts, "record it")
    assert [each.says for each in found] == [
        "nobody recorded of B: seed, commit",
        "nobody recorded of A: time",
        "nobody recorded of A and B: digest",
    ]
    assert [each.missing for each in found] == [("seed", "commit"), ("time",), ("digest",)]
    assert unseen_parts({"seed": (None,), "time": (3,)}, "")[0].says == "nobody recorded of this run: seed"


def test_one_profile_is_called_it() -> None:
    assert names((profile(),)) == ("it",)
    assert names((profile(), profile())) == ("A", "B")
