"""The work of a step or of a whole recording, by place, and how much more one side does."""

from __future__ import annotations

from math import inf

import pytest

from profkit.work_by_place import Ratios, Work, work_of
from tests.audit.profiles import CONV, LINEAR, profile, with_run

OWN = profile()
CONV1, LINEAR1 = ("conv1", "forward"), ("linear1", "forward")


def test_the_work_of_a_step_is_that_of_the_recording_over_its_steps() -> None:
    step, whole = work_of(OWN, layered=True), work_of(OWN, layered=True, per_step=False)
    assert step.macs == {CONV1: 2000, LINEAR1: 500}
    assert step.flop == {CONV1: 4000, LINEAR1: 1000}
    assert (step.whole, step.whole_flop, step.partial) == (2500, 5000, False)
    assert (whole.whole, whole.whole_flop) == (5000, 10000)
    assert work_of(OWN).macs == {("forward",): 2500}


def test_nobody_knows_the_work_of_a_recording_by_its_network_alone_without_its_steps() -> None:
    counted = profile([{"operator": "x", "phase": "forward", "self_instructions": 5}])
    assert work_of(counted).whole
    assert work_of(with_run(counted, steps=None), per_step=False) == Work()
    assert work_of(with_run(OWN, steps=None), per_step=False).whole == 5000


def test_work_outside_of_every_place_of_a_profile_is_in_the_whole() -> None:
    placed = profile([{"operator": "x", "phase": "forward", "self_instructions": 5}])
    nowhere = profile([{"operator": "x", "self_instructions": 5}])
    assert work_of(placed).whole == work_of(nowhere).whole


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [((CONV1,), (CONV1,), 2.0), ((LINEAR1,), (LINEAR1,), 1.0), ((CONV1,), (), 2.0), ((), (CONV1,), 2.0)],
)
def test_ratios_are_of_the_places_of_the_rows(
    before: tuple[tuple[str, str], ...], after: tuple[tuple[str, str], ...], ratio: float
) -> None:
    more = work_of(profile([{**CONV, "flop": 16000}, LINEAR]), layered=True)
    assert Ratios.of(work_of(OWN, layered=True), more, layered=True).of_rows(before, after) == ratio


def test_work_that_only_the_candidate_has_is_infinitely_more() -> None:
    one = work_of(profile([LINEAR]), layered=True)
    ratios = Ratios.of(one, work_of(OWN, layered=True), layered=True)
    assert (ratios.of_rows((), (CONV1,)), ratios.of_rows((LINEAR1,), (LINEAR1,))) == (inf, 1.0)


def test_what_may_do_more_than_was_counted_is_taken_to_do_the_same() -> None:
    partial = work_of(profile([LINEAR, {**CONV, "flop": None}]), layered=True)
    assert partial.partial
    assert Ratios.of(partial, work_of(OWN, layered=True), layered=True).of_rows((), (CONV1,)) == 1.0
