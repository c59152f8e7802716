"""R02: both train the same."""

from __future__ import annotations

import pytest

from profkit.audit import Outcome
from profkit.audit.r02_training import R02
from profkit.evidence import Training
from profkit.profile import Profile
from tests.audit.profiles import CONV, LINEAR, profile, with_evidence, with_run

CHANGES = {"conv1.weight": 2e-3, "conv1.bias": 1e-3, "linear1.weight": 5e-4, "linear1.bias": 4e-4}


def trained(changes: dict[str, float] | None = None, frozen: tuple[str, ...] = ()) -> Profile:
    training = Training(CHANGES if changes is None else changes, frozen)
    return with_evidence(profile(bundle_sha256="ab" * 32, settings={"mode": "train"}), training=training)


ONE = trained()


def changed(**factors: float) -> Profile:
    names = {name.replace(".", "_"): name for name in CHANGES}
    return trained(CHANGES | {names[key]: CHANGES[names[key]] * factor for key, factor in factors.items()})


def test_equal_changes_of_every_weight_are_fair() -> None:
    found = R02.check((ONE, changed(conv1_weight=1.01)))
    assert found.outcome is Outcome.PASS
    assert found.says == "a step changes all 4 weights alike, within 5 %"
    assert R02.check((ONE,)).outcome is Outcome.PASS


def test_weights_that_one_side_never_trains_fail_with_what_is_saved() -> None:
    frozen = trained({**CHANGES, "conv1.weight": 0.0, "conv1.bias": 0.0}, ("conv1.weight", "conv1.bias"))
    found = R02.check((ONE, frozen))
    assert found.outcome is Outcome.FAIL
    assert "B never trains 2 of 4 weights that A trains: conv1.weight, conv1.bias" in found.says
    assert found.effect == pytest.approx(100 * (0.2 - 1))  # the convolution is 8000 of 10000 FLOP forward
    assert R02.check((frozen, ONE)).effect == pytest.approx(100 * (1 / 0.2 - 1))
    unchanged = {name: change for name, change in CHANGES.items() if "conv1" not in name}
    absent = trained(unchanged, ("conv1.weight", "conv1.bias"))
    assert R02.check((ONE, absent)).outcome is Outcome.FAIL


def test_what_frozen_weights_save_is_unknown_without_any_flop() -> None:
    rows = [{**CONV, "flop": None}, {**LINEAR, "flop": None}]
    bare = profile(rows, workload="a.py", settings={"mode": "train"}, evidence=ONE.run.evidence)
    frozen = trained({**CHANGES, "conv1.weight": 0.0}, ("conv1.weight",))
    found = R02.check((bare, with_run(frozen, workload="a.py")))
    assert (found.outcome, found.effect) == (Outcome.FAIL, None)


def test_weights_frozen_on_both_sides_warn() -> None:
    frozen = trained({**CHANGES, "conv1.weight": 0.0}, ("conv1.weight",))
    for sides in ((frozen, frozen), (frozen,)):
        found = R02.check(sides)
        assert found.outcome is Outcome.WARN
        assert "conv1.weight" in found.says


def test_a_weight_that_changes_by_nothing_but_rounding_counts_as_frozen_on_neither_side() -> None:
    rounding = trained({**CHANGES, "conv1.bias": 1e-11})
    frozen = trained({**CHANGES, "conv1.bias": 0.0}, ("conv1.bias",))
    assert R02.check((rounding, frozen)).outcome is Outcome.PASS
    assert R02.check((rounding, trained({**CHANGES, "conv1.bias": 9e-11}))).outcome is Outcome.PASS


@pytest.mark.parametrize("bundle", ["ab" * 32, "cd" * 32])
def test_weights_that_nothing_but_weight_decay_moves_are_not_trained(bundle: str) -> None:
    trains = trained({**CHANGES, "conv1.weight": 2e-2})
    decays = with_run(trained({**CHANGES, "conv1.weight": 1e-7}), bundle_sha256=bundle)
    found = R02.check((trains, decays))
    assert found.outcome is Outcome.FAIL
    assert "B never trains 1 of 4 weights that A trains: conv1.weight" in found.says
    assert found.effect == pytest.approx(100 * (0.2 - 1))
    found = R02.check((decays, trains))
    assert "A never trains 1 of 4 weights that B trains: conv1.weight" in found.says


def test_two_tiny_changes_of_a_weight_are_rounding() -> None:
    one, other = (trained({**CHANGES, "conv1.weight": change, "linear1.weight": 2e-2}) for change in (1e-7, 4e-6))
    assert R02.check((one, other)).outcome is Outcome.PASS


def test_both_are_named_where_each_side_leaves_other_weights() -> None:
    one = trained({**CHANGES, "conv1.weight": 0.0}, ("conv1.weight",))
    other = trained({**CHANGES, "linear1.weight": 0.0}, ("linear1.weight",))
    found = R02.check((one, other))
    assert "A never trains 1 of 4 weights that B trains: conv1.weight" in found.says
    assert "B never trains 1 of 4 weights that A trains: linear1.weight" in found.says
    assert found.effect == pytest.approx(100 * (0.8 / 0.2 - 1))


def test_the_weights_of_a_side_are_named_as_that_side_names_them() -> None:
    mine = dict(zip(("features.0.w", "features.0.bias", "head.w", "head.bias"), CHANGES.values(), strict=True))
    frozen = trained({**mine, "features.0.w": 0.0}, ("features.0.w",))
    found = R02.check((ONE, frozen))
    assert "B never trains 1 of 4 weights that A trains: features.0.w" in found.says
    assert found.effect == pytest.approx(100 * (0.2 - 1))  # by A's conv1, which B calls features.0
    assert R02.check((frozen, ONE)).effect == pytest.approx(100 * (1 / 0.2 - 1))


def test_a_loss_that_is_summed_changes_the_weights_by_other_amounts() -> None:
    found = R02.check((ONE, trained({name: 8 * change for name, change in CHANGES.items()})))
    assert found.outcome is Outcome.FAIL
    assert "conv1.weight 8 times as much in B as in A" in found.says
    assert found.evidence["change of conv1.weight"] == (2e-3, pytest.approx(16e-3))


def test_biases_alone_warn_because_adam_makes_whole_steps_of_rounding() -> None:
    found = R02.check((ONE, changed(conv1_bias=0.5)))
    assert found.outcome is Outcome.WARN
    assert "may be rounding" in found.says


def test_from_other_weights_only_the_order_of_the_changes_is_compared() -> None:
    other = with_run(changed(conv1_weight=1.4, linear1_weight=0.7), bundle_sha256="cd" * 32)
    assert R02.check((ONE, other)).outcome is Outcome.PASS
    summed = with_run(trained({name: 8 * change for name, change in CHANGES.items()}), bundle_sha256=None)
    assert R02.check((ONE, summed)).outcome is Outcome.FAIL


def test_weights_that_only_one_side_has_fail_and_are_named() -> None:
    fewer = trained({name: change for name, change in CHANGES.items() if name != "linear1.bias"})
    found = R02.check((ONE, fewer))
    assert found.outcome is Outcome.FAIL
    assert found.says == "A has 4 trainable weights and B 3; only in A: linear1.bias"


def test_weights_under_other_names_are_compared_in_the_order_of_the_network() -> None:
    assert R02.check((ONE, trained(dict(zip("abcd", CHANGES.values(), strict=True))))).outcome is Outcome.PASS
    backwards = trained(dict(zip("abcd", reversed(CHANGES.values()), strict=True)))
    assert R02.check((ONE, backwards)).outcome is Outcome.FAIL
    reordered = trained(dict(reversed(CHANGES.items())))
    assert R02.check((ONE, reordered)).outcome is Outcome.PASS


def test_inference_has_no_training_and_is_none_of_its_kind() -> None:
    infer = profile(settings={"mode": "infer"})
    assert R02.check((infer, infer)).outcome is Outcome.PASS
    assert R02.check((infer,)).outcome is Outcome.PASS
    found = R02.check((infer, ONE))
    assert (found.outcome, found.says) == (Outcome.FAIL, "only B trains")


def test_training_that_nobody_looked_at_is_unknown_and_names_the_side() -> None:
    found = R02.check((ONE, profile(settings={"mode": "train"})))
    assert found.outcome is Outcome.UNKNOWN
    assert "of B" in found.says
    assert R02.check((profile(), profile())).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_step_that_makes_weights_no_number_is_told(wrong: float) -> None:
    broken = trained({**CHANGES, "linear1.bias": wrong})
    found = R02.check((ONE, broken))
    assert found.outcome is Outcome.FAIL
    assert "(B: linear1.bias)" in found.says
    assert R02.check((broken, broken)).outcome is Outcome.WARN


def test_a_network_without_weights_trains_alike() -> None:
    assert R02.check((trained({}), trained({}))).outcome is Outcome.PASS
