"""Two times set against the work behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profkit.evidence import Inputs, Work
from profkit.profile import Profile
from profkit.work import costed_share, samples_a_step, step_work, trains, verdict_per_work
from tests.audit.profiles import CONV, LINEAR, profile, with_evidence, with_run

WORK = Work(parameters=1000, layers=4, macs=5_000_000, network="aaaaaaaaaaaa")
OWN = profile(workload="train.py", implementation=None, settings={"mode": "train"})
BARE = with_run(OWN, batch_size=None, settings={})


def counted(macs: int | None, **run_fields: Any) -> Profile:
    return with_run(with_evidence(OWN, work=replace(WORK, macs=macs)), **run_fields)


def ratio(baseline: Profile, candidate: Profile) -> float | None:
    """The candidate's work a step over the baseline's."""
    work = step_work(baseline, candidate)
    return None if work is None else work.step_ratio


def test_the_work_of_a_step_is_the_networks_multiply_adds_of_all_its_samples() -> None:
    one, tenth = counted(5_000_000), counted(500_000)
    assert ratio(one, tenth) == pytest.approx(0.1)
    assert ratio(one, counted(5_000_000, batch_size=64)) == 8
    work = step_work(one, counted(5_000_000, batch_size=64))
    assert work is not None
    assert work.sample_ratio == 1


def test_without_a_network_the_operators_of_a_step_are_counted() -> None:
    less = profile([{**CONV, "flop": 2000}, {**LINEAR, "flop": 500}], workload="train.py")
    work = step_work(OWN, less)
    assert work is not None
    assert (work.unit, work.per_step) == ("MACs", (2500.0, 625.0))
    assert ratio(OWN, less) == 0.25
    assert ratio(BARE, with_run(less, batch_size=None)) == 0.25


def test_a_run_over_more_steps_does_not_do_more_work() -> None:
    assert ratio(OWN, with_run(profile([{**CONV, "flop": 16000}, {**LINEAR, "flop": 4000}]), steps=4)) == 1


def test_without_multiply_adds_flop_are_counted() -> None:
    adds = {**CONV, "operator": "aten::add", "flop": 100}
    work = step_work(profile([adds], workload="a.py"), profile([{**adds, "flop": 300}], workload="a.py"))
    assert work is not None
    assert (work.unit, work.step_ratio) == ("FLOP", 3.0)


def test_multiply_adds_of_a_forward_pass_say_nothing_of_training_against_inference() -> None:
    trained = with_evidence(OWN, work=WORK)
    inferred = with_run(profile([{**CONV, "flop": 4000}], evidence=trained.run.evidence), settings={"mode": "infer"})
    work = step_work(trained, inferred)
    assert work is not None
    assert work.counts_operators


def test_a_network_of_profkit_needs_no_counting() -> None:
    sampled = profile(
        [{"operator": "x", "self_instructions": 5}], workload="mnist_cnn", batch_size=8, settings={"mode": "train"}
    )
    work = step_work(sampled, with_run(sampled, batch_size=16))
    assert work is not None
    assert (work.step_ratio, work.sample_ratio) == (pytest.approx(2, rel=0.01), pytest.approx(1, rel=0.01))


def test_nobody_knows_the_work_of_unknown_programs_without_shapes() -> None:
    unknown = profile([{"operator": "x", "self_ns": 5}], workload="a.py")
    assert ratio(OWN, unknown) is None
    assert ratio(with_run(OWN, steps=None), OWN) is None
    assert ratio(with_run(unknown, workload="mnist_cnn", options={"no such": 1}), OWN) is None
    assert verdict_per_work(OWN, unknown) is None


def test_the_verdict_takes_the_work_out_of_the_time() -> None:
    slow = with_run(counted(5_000_000), step_ns=(320, 330, 310))
    fast = with_run(counted(500_000), step_ns=(100, 100, 1000))
    found = verdict_per_work(slow, fast)
    assert found is not None
    assert found.times == pytest.approx(0.3125)
    assert found.per_work == pytest.approx(3.125)


def test_without_step_times_the_verdict_is_of_what_the_tool_counted() -> None:
    found = verdict_per_work(OWN, profile([{**CONV, "self_ns": 2000}, LINEAR], workload="train.py"))
    assert found is not None
    assert (found.times, found.work, found.measured) == (2.4, 1.0, "self time a step")
    samples = profile([{"operator": "x", "samples": 5}], evidence=counted(5_000_000).run.evidence)
    assert verdict_per_work(counted(5_000_000), samples) is None


@pytest.mark.parametrize("times", [(0, 0, 0), (float("nan"),), (float("inf"), float("inf"))])
def test_times_that_are_none_make_no_verdict_of_steps(times: tuple[int, ...]) -> None:
    found = verdict_per_work(with_run(OWN, step_ns=times), with_run(OWN, step_ns=(5, 5)))
    assert found is not None
    assert found.measured == "self time a step"


def test_the_share_of_operators_with_known_flop_is_by_cost() -> None:
    assert costed_share(OWN) == 1.0
    assert costed_share(profile([CONV, {**LINEAR, "flop": None}])) == 0.6
    assert costed_share(profile([{**CONV, "flop": None}])) == 1.0
    assert costed_share(profile([{"operator": "x", "kind": "operator", "flop": 1}])) == 0.0


def test_mode_and_batch_are_found_where_they_are_told() -> None:
    assert [trains(with_run(OWN, settings=told).run) for told in ({"mode": "latency"}, {"training": "true"}, {})] == [
        False,
        True,
        None,
    ]
    batch = Inputs("ab", (32, 3), "float32", 0.0, 1.0, -1.0, 1.0)
    assert samples_a_step(with_evidence(BARE, inputs=batch).run) == 32
    assert samples_a_step(with_evidence(BARE, inputs=replace(batch, shape=())).run) is None
    assert samples_a_step(BARE.run) is None
