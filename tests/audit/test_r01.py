"""R01: both do the same work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profkit.audit import Outcome
from profkit.audit.r01_work import R01
from profkit.evidence import Work
from profkit.profile import Profile
from profkit.run import Agreement
from tests.audit.profiles import CONV, LINEAR, profile, with_evidence, with_run

WORK = Work(parameters=11_000_000, layers=62, macs=555_422_720, network="0123456789ab")
AGREES = Agreement("pytorch", 20, 4e-8, 0.0, 0.0, 0.0, 1e-5, excess=0.01, worst="loss 3")
TRAIN = {"mode": "train", "language": "python"}
ONE = with_evidence(profile(workload="resnet18", bundle_sha256="ab" * 32, settings=TRAIN, agreement=AGREES), work=WORK)
TWIN = with_run(ONE, implementation="libtorch", settings={**TRAIN, "language": "c++"})
OWN = profile(workload="train.py", implementation=None, settings={"language": "python"})


def working(given: Profile = TWIN, **differ: Any) -> Profile:
    return with_evidence(given, work=replace(WORK, **differ))


def test_two_implementations_of_one_network_that_agree_are_fair() -> None:
    found = R01.check((ONE, TWIN))
    assert found.outcome is Outcome.PASS
    assert found.says == "both do 555 M MACs a sample; their numbers agree to rounding"
    assert found.evidence["MACs a sample"] == (555_422_720, 555_422_720)
    assert found.effect is None


def test_a_tenth_of_the_work_fails_with_the_ratio_and_what_is_left_without_it() -> None:
    slow, fast = with_run(ONE, step_ns=(320,) * 5), with_run(working(macs=55_889_920), step_ns=(100,) * 5)
    found = R01.check((slow, fast))
    assert found.outcome is Outcome.FAIL
    assert "B does 9.9 times less work a sample: A does 555 M MACs a sample, B 55.9 M MACs" in found.says
    assert "per FLOP B takes 3.11 times what A takes" in found.says
    assert found.effect == pytest.approx(100 * (55_889_920 / 555_422_720 - 1))
    assert R01.check((fast, slow)).effect == pytest.approx(100 * (555_422_720 / 55_889_920 - 1))


@pytest.mark.parametrize(
    ("macs", "outcome"),
    [
        (555_422_721, Outcome.PASS),
        (560_000_000, Outcome.PASS),
        (561_500_000, Outcome.FAIL),
        (549_000_000, Outcome.FAIL),
    ],
)
def test_a_hundredth_of_the_work_is_what_decides(macs: int, outcome: Outcome) -> None:
    assert R01.check((ONE, working(macs=macs))).outcome is outcome


def test_other_batch_sizes_warn_because_a_sample_is_the_same_work() -> None:
    found = R01.check((ONE, with_run(TWIN, batch_size=64, bundle_sha256="cd" * 32)))
    assert found.outcome is Outcome.WARN
    assert "samples a step: A 8, B 64" in found.says
    assert "bundles" not in found.says
    assert found.effect == 700


@pytest.mark.parametrize(
    ("differ", "says"),
    [
        ({"parameters": 11_000_016}, "A has 11,000,000 parameters and B 11,000,016"),
        ({"layers": 61}, "A has 62 layers and B 61"),
        ({"network": "ffffffffffff"}, "the networks as data differ (0123456789ab and ffffffffffff)"),
    ],
)
def test_networks_that_differ_at_equal_work_warn(differ: dict[str, Any], says: str) -> None:
    found = R01.check((ONE, working(**differ)))
    assert found.outcome is Outcome.WARN
    assert says in found.says
    assert found.effect is None


def test_other_weights_of_the_same_network_warn_with_the_seeds() -> None:
    found = R01.check((with_run(ONE, seed=0), with_run(TWIN, seed=1, bundle_sha256="cd" * 32)))
    assert found.outcome is Outcome.WARN
    assert "the weights or samples differ (seeds 0 and 1)" in found.says


def test_training_against_inference_is_other_work() -> None:
    found = R01.check((ONE, with_run(TWIN, settings={"mode": "infer"})))
    assert found.outcome is Outcome.FAIL
    assert "A trains and B infers" in found.says


def test_two_networks_of_profkit_are_never_the_same_work() -> None:
    found = R01.check((ONE, with_run(TWIN, workload="mnist_cnn")))
    assert found.outcome is Outcome.FAIL
    assert "A is resnet18 and B is mnist_cnn" in found.says
    names = with_run(OWN, workload="mine.py")
    assert R01.check((OWN, names)).outcome is not Outcome.FAIL


@pytest.mark.parametrize("excess", [3.5, float("nan")])
def test_numbers_that_do_not_agree_fail_on_two_sides_and_on_one(excess: float) -> None:
    wrong = with_run(TWIN, agreement=replace(AGREES, excess=excess))
    found = R01.check((ONE, wrong))
    assert found.outcome is Outcome.FAIL
    assert "B does not compute what pytorch computes: loss 3 differs" in found.says
    assert R01.check((wrong,)).outcome is Outcome.FAIL


def test_equal_work_of_two_implementations_that_nobody_compared_is_unknown() -> None:
    found = R01.check((with_run(ONE, agreement=None), with_run(TWIN, agreement=None)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("agreement on shared weights",)
    assert "profkit agree" in found.advice
    assert R01.check((with_run(ONE, agreement=None), TWIN)).outcome is Outcome.PASS
    assert R01.check((with_run(ONE, agreement=None),) * 2).outcome is Outcome.PASS


def test_programs_of_others_are_compared_by_the_operators_of_a_step() -> None:
    assert R01.check((OWN, OWN)).outcome is Outcome.PASS
    less = profile([CONV], workload="train.py", implementation=None, settings={"language": "python"})
    found = R01.check((OWN, less))
    assert found.outcome is Outcome.FAIL
    assert "20.0 % less work a sample" in found.says
    assert found.effect == pytest.approx(-20)


def test_operators_of_unknown_work_that_take_most_of_the_time_leave_it_unknown() -> None:
    dark = {"operator": "mine::fast", "kind": "operator", "self_ns": 9000, "device": "cpu"}
    found = R01.check((OWN, profile([CONV, dark], workload="train.py", implementation=None)))
    assert found.outcome is Outcome.UNKNOWN
    assert "100.0 % of A's and 6.2 % of B's cost" in found.says


def test_work_that_nobody_counted_is_unknown_and_says_what_to_do() -> None:
    bare = profile([{"operator": "x", "self_ns": 5}], workload=None, implementation=None, batch_size=None, steps=None)
    found = R01.check((bare, bare))
    assert found.outcome is Outcome.UNKNOWN
    assert found.missing == ("MACs or FLOP of a step",)
    assert "record_shapes=True" in found.advice
    assert R01.check((OWN, bare)).outcome is Outcome.UNKNOWN


def bare(**differ: Any) -> Profile:
    """Of a network that nobody counted the multiply-adds of, and no operator with FLOP."""
    given = profile([{"operator": "x", "self_ns": 5}], workload="train.py", implementation=None)
    return with_evidence(given, work=replace(WORK, macs=None, network=None, **differ))


def test_networks_of_other_size_are_not_the_same_work_although_nobody_counted_it() -> None:
    found = R01.check((bare(), bare(parameters=1_000_000)))
    assert found.outcome is Outcome.FAIL
    assert "A has 11,000,000 parameters and B 1,000,000" in found.says
    assert "nobody counted the work" in found.says
    assert R01.check((bare(), bare(parameters=10_999_000))).outcome is Outcome.WARN
    assert R01.check((bare(), bare(layers=3))).outcome is Outcome.WARN
    assert R01.check((bare(), bare())).outcome is Outcome.UNKNOWN


def test_operators_of_unknown_work_do_not_hide_that_the_networks_differ() -> None:
    dark = {"operator": "mine::fast", "kind": "operator", "self_ns": 9000, "device": "cpu"}
    given = profile([CONV, dark], workload="train.py", implementation=None)
    one, other = (with_evidence(given, work=replace(WORK, macs=None, layers=count)) for count in (62, 61))
    assert R01.check((one, other)).outcome is Outcome.WARN
    assert R01.check((one, one)).outcome is Outcome.UNKNOWN


def test_one_profile_is_held_against_the_reference() -> None:
    found = R01.check((TWIN,))
    assert found.outcome is Outcome.PASS
    assert found.says == "555 M MACs a sample, it agrees with pytorch to rounding over 20 steps"
    assert R01.check((OWN,)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("macs", [0, -1])
def test_impossible_counts_are_left_for_those_of_the_operators(macs: int) -> None:
    assert R01.check((OWN, working(OWN, macs=macs))).outcome is Outcome.PASS


def test_rows_without_any_cost_do_not_stop_the_check() -> None:
    empty = profile([{"operator": "aten::mm", "kind": "operator", "flop": 8}], workload="train.py")
    assert R01.check((empty, OWN)).outcome is Outcome.UNKNOWN
    assert R01.check((profile([LINEAR]), profile([LINEAR]))).outcome is Outcome.PASS
