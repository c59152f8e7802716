"""R16: the tool's slowdown is known, no tool ran inside another, and samples are of the steps."""

from __future__ import annotations

from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r16_tool import R16
from profkit.evidence import Evidence, Trace
from profkit.profile import Profile
from tests.audit.profiles import profile, with_run


def run(factor: float = 1.2, tools: tuple[str, ...] | None = (), **trace: Any) -> Profile:
    evidence = Evidence(other_tools=tools, trace=Trace(**trace))
    return profile(step_ns=(100,) * 3, tool_step_ns=(round(100 * factor),) * 3, evidence=evidence)


def sampled(inside: int, outside: int) -> Profile:
    """Samples as the table counts them."""
    evidence = Evidence(other_tools=(), trace=Trace(samples=inside + outside, samples_in_steps=inside))
    rows = [{"operator": "aten::mm", "samples": inside}, {"symbol": "import", "samples": outside}]
    return profile(rows, tool="py-spy", step_ns=(100,), tool_step_ns=(101,), evidence=evidence)


def test_a_small_and_equal_slowdown_is_fair() -> None:
    found = R16.check((run(), run(1.3)))
    assert found.outcome is Outcome.PASS
    assert "1.2 times slower and 1.3 times slower" in found.says
    assert found.evidence["slowdown"] == (1.2, 1.3)


def test_a_large_slowdown_warns() -> None:
    found = R16.check((run(3.0), run(3.0)))
    assert found.outcome is Outcome.WARN
    assert "3 times slower" in found.says
    assert "wallclock" in found.advice
    assert found.effect is None


def test_unequal_slowdowns_warn_with_their_effect() -> None:
    found = R16.check((run(1.0), run(1.5)))
    assert found.outcome is Outcome.WARN
    assert found.effect == pytest.approx(50)


def test_slowdowns_that_vary_as_much_between_processes_are_the_machine() -> None:
    def run_of(*slowed: int) -> Profile:
        return with_run(run(), repeats=3, step_ns=(100,) * 3, tool_step_ns=slowed)

    assert R16.check((run_of(101, 110, 160), run_of(105, 150, 155))).outcome is Outcome.PASS
    found = R16.check((run_of(101, 105, 110), run_of(140, 150, 155)))
    assert found.outcome is Outcome.WARN
    assert "A 1.05 times slower and B 1.5 times" in found.says


def test_a_profiler_inside_the_program_fails() -> None:
    found = R16.check((run(), run(tools=("cProfile",))))
    assert found.outcome is Outcome.FAIL
    assert "inside B ran cProfile" in found.says


def test_another_tool_in_the_trace_fails_with_its_share() -> None:
    found = R16.check((run(), run(other_tools={"tracemalloc": 0.2})))
    assert found.outcome is Outcome.FAIL
    assert "20 % of what was recorded of B is tracemalloc" in found.says
    assert found.effect == pytest.approx(25)
    assert R16.check((run(), run(other_tools={"tracemalloc": 0.001}))).outcome is Outcome.PASS


def test_instructions_do_not_depend_on_the_slowdown() -> None:
    rows = [{"operator": "aten::mm", "self_instructions": 1000}]
    evidence = Evidence(other_tools=())
    counted = profile(rows, tool="callgrind", step_ns=(100,), tool_step_ns=(90000,), evidence=evidence)
    found = R16.check((counted, counted))
    assert found.outcome is Outcome.PASS
    assert "900 times slower, which does not change instruction counts" in found.says
    assert R16.check((with_run(counted, step_ns=()),)).outcome is Outcome.PASS


@pytest.mark.parametrize(("outside", "outcome"), [(0, Outcome.PASS), (100, Outcome.WARN), (2000, Outcome.FAIL)])
def test_samples_outside_the_steps_count_by_their_share(outside: int, outcome: Outcome) -> None:
    found = R16.check((sampled(300, 0), sampled(300, outside)))
    assert found.outcome is outcome
    assert found.evidence["samples in steps"] == (300, 300)


def test_samples_that_the_table_leaves_out_do_no_harm() -> None:
    trace = Trace(samples=3000, samples_in_steps=300)
    left_out = with_run(sampled(300, 0), evidence=Evidence(other_tools=(), trace=trace))
    assert R16.check((left_out,)).outcome is Outcome.PASS


def test_a_handful_of_samples_warns() -> None:
    assert R16.check((sampled(20, 0),)).outcome is Outcome.WARN


@pytest.mark.parametrize(
    ("step_ns", "tool_step_ns"), [((), (1,)), ((1,), ()), ((0, 0), (1, 1)), ((1, 1), (0, 0))]
)  # fmt: skip
def test_no_time_is_no_slowdown(step_ns: tuple[int, ...], tool_step_ns: tuple[int, ...]) -> None:
    given = with_run(run(), step_ns=step_ns, tool_step_ns=tool_step_ns)
    assert given.run.slowdown is None
    found = R16.check((given,))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("the slowdown by the tool",)


def test_a_trace_that_cannot_show_other_tools_is_no_look_for_them() -> None:
    blind = run(tools=None)
    found = R16.check((blind,))
    assert (found.outcome, found.missing) == (Outcome.UNKNOWN, ("other tools",))
    assert found.evidence["other tools"] == (None,)
    assert R16.check((run(tools=None, importing=0.0),)).outcome is Outcome.PASS
    assert R16.check((run(tools=None, other_tools={"cProfile": 0.2}),)).outcome is Outcome.FAIL


def test_a_tool_that_costs_nothing_makes_nothing_slower() -> None:
    assert R16.check((run(0.98),)).says == "the tool makes the program no slower, and no other ran inside"
    assert "the tool makes A no slower and B 1.5 times slower" in R16.check((run(0.98), run(1.5))).says


def test_a_trace_of_others_does_not_tell() -> None:
    found = R16.check((profile(), run()))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("the slowdown by the tool", "other tools")
