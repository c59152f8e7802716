"""No rule raises, whatever is in the profiles."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from profkit.audit import Outcome, rules
from profkit.evidence import Evidence, Inputs, Subnormals, Trace, Training, Work
from profkit.profile import Profile
from tests.audit.profiles import CONV, LINEAR, profile

NAN, INFINITE = float("nan"), float("inf")


def with_number(number: float) -> Profile:
    """A profile with one number wherever a number can be odd; integers are what a file has, unless it was edited."""
    whole: Any = number
    return profile(
        [CONV, LINEAR],
        steps=2,
        step_ns=(whole,) * 6,
        tool_step_ns=(whole,) * 6,
        bundle_sha256=None,
        settings={"mode": "train", "device": "cpu"},
        evidence=Evidence(
            work=Work(10, 2, macs=whole),
            inputs=Inputs("ab", (8,), "float32", number, number, number, number),
            training=Training({"a.weight": number, "b.weight": 1.0}),
            subnormals=Subnormals(number, number, number, "a", (whole,) * 6),
            trace=Trace(number, 2, 5, 1, number, number, whole, whole, 4, 1, 1, 0, 0),
            phase_ns={"data": (whole, whole), "forward": (whole, whole)},
            warmup_ns=(whole,),
            workers=0,
        ),
    )


ODD = {
    "nothing": profile([], workload=None, implementation=None, batch_size=None, steps=None),
    "no cost": profile([{"operator": "aten::mm", "kind": "operator", "phase": "data"}]),
    "one step": profile([CONV], steps=1, step_ns=(5,), tool_step_ns=(7,)),
    "another network": profile(workload="alexnet", options={"no such": "option"}, batch_size=-1),
    "samples": profile([{"operator": "x", "samples": 3}], workload="resnet18", tool="py-spy", steps=None),
    **{f"all {number}": with_number(number) for number in (0.0, NAN, INFINITE, -1.0)},
}


@pytest.mark.parametrize(("first", "second"), list(product(ODD, ODD)))
def test_two_odd_profiles_stop_no_rule(first: str, second: str) -> None:
    for rule in rules().values():
        assert isinstance(rule.check((ODD[first], ODD[second])).outcome, Outcome)


@pytest.mark.parametrize("name", ODD)
def test_one_odd_profile_stops_no_rule(name: str) -> None:
    for rule in rules().values():
        assert isinstance(rule.check((ODD[name],)).outcome, Outcome)
