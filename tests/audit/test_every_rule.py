"""What every rule of the audit owes, whatever is in the profiles."""

from __future__ import annotations

from math import isfinite

import pytest

from profkit.audit import Audit, Finding, Outcome, Rule, audit, rules
from profkit.evidence import Clock, Evidence, Inputs, Memory, Subnormals, Trace, Training, Work
from profkit.profile import Profile
from tests.audit.profiles import profile

NAN, INFINITY = float("nan"), float("inf")

ODD = Evidence(
    work=Work(0, 0, 0, ""),
    inputs=Inputs("", (), "", NAN, NAN, -INFINITY, INFINITY),
    training=Training({"weight": NAN, "bias": INFINITY, "zero": 0.0}),
    subnormals=Subnormals(NAN, INFINITY, -1.0, flushed_step_ns=(0,)),
    memory=Memory(-1, 0),
    clock=Clock("a clock", NAN, False),
    trace=Trace(NAN, 0, 0, 0, NAN, 1.0, 0, 10, 0, 5, 5, 0, -1, {"a tool": 2.0}),
    phase_ns={"data": (0,), "forward": ()},
    warmup_ns=(0,),
    load_ns=0,
    samples=(0, -1),
    metrics={"test_samples": 0},
    workers=-1,
    places={"weights": ""},
    synchronised=False,
    other_tools=("a tool",),
    processes=("", ""),
)
TIMES = {"none": (), "zero": (0,) * 12, "one": (100,), "negative": (-5,) * 12, "constant": (7,) * 12}
ROWLESS = profile(())
SIDES = {
    "nothing": profile(),
    "no rows": ROWLESS,
    **{
        f"odd, {name} times": profile(
            evidence=ODD, step_ns=times, tool_step_ns=times[:2], repeats=2, threads=0, affinity=(), seed=0
        )
        for name, times in TIMES.items()
    },
    "other workload": profile(workload="resnet18", implementation=None, steps=None, repeats=0, batch_size=0),
    "samples": profile([{"symbol": "main", "samples": 3}], tool="py-spy"),
    "instructions": profile([{"symbol": "main", "self_instructions": 3}], tool="callgrind"),
}


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.name)
def test_a_rule_always_has_an_answer(rule: Rule) -> None:
    for side in SIDES.values():
        _check(rule.check((side,)), 1)
        for other in SIDES.values():
            _check(rule.check((side, other)), 2)


def _check(found: Finding, sides: int) -> None:
    assert found.says
    assert found.says == found.says.strip()
    assert all(len(facts) == sides for facts in found.evidence.values())
    assert found.effect is None or isfinite(found.effect)
    assert found.effect is None or found.outcome in (Outcome.WARN, Outcome.FAIL)
    assert found.advice or found.outcome is Outcome.PASS
    assert found.missing or found.outcome is not Outcome.UNKNOWN


def test_there_are_24_rules_in_their_order() -> None:
    assert list(rules()) == [f"R{number:02}" for number in range(1, 25)]


def test_every_rule_says_what_it_is_about() -> None:
    for rule in rules().values():
        assert all((rule.demand, rule.decides_on, rule.unknown_when))


def test_an_audit_is_as_bad_as_its_worst_rule() -> None:
    def of(*outcomes: Outcome) -> Audit:
        return Audit({f"R{number:02}": Finding(outcome, "") for number, outcome in enumerate(outcomes, 1)})

    assert of(Outcome.PASS, Outcome.UNKNOWN).worst is Outcome.UNKNOWN
    assert of(Outcome.WARN, Outcome.UNKNOWN).worst is Outcome.WARN
    assert of(Outcome.FAIL, Outcome.PASS, Outcome.FAIL).refusals == ("R01",)
    assert of().worst is Outcome.PASS


@pytest.mark.parametrize("side", SIDES)
def test_a_profile_against_itself_never_differs(side: str) -> None:
    given: Profile = SIDES[side]
    found = audit(given, given).findings
    differing = [rule for rule, finding in found.items() if finding.effect and abs(finding.effect) > 1e-9]
    assert differing == []
