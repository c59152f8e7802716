"""R02: both train the same."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, passes, seen
from profkit.errors import UsageError
from profkit.evidence import Training
from profkit.profile import Profile
from profkit.quantities import derive
from profkit.work import samples_a_step, trains

ROUNDING = 1e-4
"""Share of the largest change of any weight below which a change may be nothing but rounding, as that of a bias before
a batch norm is, whose gradient is zero in exact arithmetic."""
ALIKE = 0.05
"""Relative difference of two changes from the same weights on the same batch that rounding explains: Adam turns
gradients that are nearly zero into whole steps of either sign, which leaves the norm of the change alone."""
STRANGERS = 3.0
"""Ratio of changes from other weights or batches that is still the same training. A loss that is summed and not
averaged, or a forgotten momentum, is further off."""
DECAY = 100.0
"""Least ratio of the change of a trained weight to that of one which nothing but weight decay moves: decay takes the
learning rate times some thousandth of it off, a step of an optimizer far more."""
NAMED = 4
"""Weights that a sentence names before it counts the others."""

_ADVICE = "train every weight on both sides, with one loss, optimizer and learning rate"
_RECORD = "record with profkit record, which compares the weights before and after a step"


@dataclass(frozen=True)
class _Pair:
    """A weight on both sides, where it may have two names."""

    name: str
    other: str
    before: float
    after: float

    @property
    def ratio(self) -> float:
        return self.after / self.before if self.before else math.inf


def check(sides: Sides) -> Finding:
    """Compare what one step does to each weight."""
    modes = seen(sides, lambda side: trains(side.run))
    if all(mode is False for mode in modes):
        return passes("no training on either side" if len(sides) > 1 else "it does not train")
    if None not in modes and modes[0] != modes[-1]:
        says = f"only {'A' if modes[0] else 'B'} trains"
        return Finding(Outcome.FAIL, says, {"trains": modes}, advice="record both with one --mode")
    trainings = seen(sides, lambda side: side.run.evidence.training)
    if unknown := lacking("what a step does to the weights", trainings, _RECORD):
        return unknown
    known = tuple(training for training in trainings if training is not None)
    facts = _facts(known)
    return (
        _not_numbers(known, facts)
        or _alone(known, facts)
        or _missing(known, facts)
        or _frozen(sides, known, facts)
        or _unlike(sides, known, facts)
    )


def _facts(trainings: Sequence[Training]) -> Mapping[str, tuple[Fact, ...]]:
    return {
        "trainable weights": tuple(len(_names(training)) for training in trainings),
        "frozen weights": tuple(", ".join(training.frozen) or "none" for training in trainings),
        "median change of a weight": tuple(
            median(training.changes.values()) if training.changes else None for training in trainings
        ),
    }


def _names(training: Training) -> list[str]:
    """All trainable weights, in the order of the network."""
    return list(dict.fromkeys((*training.changes, *training.frozen)))


def _not_numbers(trainings: Sequence[Training], facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """Weights that one step makes infinite or no number."""
    wrong = [[name for name, value in each.changes.items() if not math.isfinite(value)] for each in trainings]
    if not any(wrong):
        return None
    outcome = Outcome.WARN if all(names == wrong[0] for names in wrong) else Outcome.FAIL
    words = "; ".join(f"{side}: {_listed(names)}" for side, names in _by_side(wrong) if names)
    return Finding(outcome, f"a step makes weights infinite or no number ({words})", facts, advice=_ADVICE)


def _by_side(values: Sequence[list[str]]) -> Iterator[tuple[str, list[str]]]:
    return zip("AB" if len(values) > 1 else ("it",), values, strict=True)


def _listed(names: Collection[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _alone(trainings: Sequence[Training], facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    if len(trainings) > 1:
        return None
    count, frozen = len(_names(trainings[0])), trainings[0].frozen
    if not frozen:
        return passes(f"a step changes each of its {count} weights", facts)
    says = f"a step leaves {len(frozen)} of {count} weights as they are: {_listed(frozen)}"
    return Finding(Outcome.WARN, says, facts, advice="train every weight, or say that they are frozen on purpose")


def _missing(trainings: Sequence[Training], facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """Another number of weights; the same number under other names is compared in the order of the network."""
    before, after = (_names(training) for training in trainings)
    if len(before) == len(after):
        return None
    only = [[name for name in before if name not in after], [name for name in after if name not in before]]
    words = "".join(f"; only in {side}: {_listed(names)}" for side, names in _by_side(only) if names)
    says = f"A has {len(before)} trainable weights and B {len(after)}{words}"
    return Finding(Outcome.FAIL, says, facts, advice=_ADVICE)


def _pairs(trainings: Sequence[Training]) -> list[_Pair]:
    before, after = trainings
    names, others = _names(before), _names(after)
    if set(names) == set(others):
        others = names
    return [
        _Pair(name, other, _change(before, name), _change(after, other))
        for name, other in zip(names, others, strict=True)
    ]


def _change(training: Training, name: str) -> float:
    return 0.0 if name in training.frozen else training.changes.get(name, 0.0)


def _tiny(trainings: Sequence[Training]) -> float:
    """The largest change that may be rounding alone."""
    return ROUNDING * max((0.0, *(value for training in trainings for value in training.changes.values())))


def _frozen(sides: Sides, trainings: Sequence[Training], facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """Weights that one side leaves as they are and the other changes by more than rounding."""
    pairs, tiny = _pairs(trainings), _tiny(trainings)
    in_baseline = [pair for pair in pairs if _left(pair.name, pair.before, pair.after, tiny)]
    in_candidate = [pair for pair in pairs if _left(pair.name, pair.after, pair.before, tiny)]
    says = [
        f"{name} never trains {len(frozen)} of {len(pairs)} weights that {other} trains: {_listed(frozen)}"
        for name, frozen, other in (
            ("A", [pair.name for pair in in_baseline], "B"),
            ("B", [pair.other for pair in in_candidate], "A"),
        )
        if frozen
    ]
    return (
        Finding(Outcome.FAIL, "; ".join(says), facts, _effect(sides, in_baseline, in_candidate), _ADVICE)
        if says
        else None
    )


def _left(name: str, change: float, other: float, tiny: float) -> bool:
    """Whether a side leaves a weight as it is that the other trains.

    Weight decay alone moves a weight by next to nothing. A bias may move so little for rounding: none at all counts.
    """
    if name.endswith("bias"):
        return change == 0 and other > tiny
    return change <= tiny and other > max(tiny, DECAY * change)


def _effect(sides: Sides, in_baseline: Sequence[_Pair], in_candidate: Sequence[_Pair]) -> float | None:
    """What the gradients left out are of a step, by FLOP: that of a weight takes as many as its layer forward."""
    saved = (
        _left_out(sides[1], [pair.other for pair in in_baseline]),
        _left_out(sides[0], [pair.name for pair in in_candidate]),
    )
    if saved[0] is None or saved[1] is None:
        return None
    return 100 * ((1 - saved[1]) / (1 - saved[0]) - 1)


def _left_out(trained: Profile, frozen: Sequence[str]) -> float | None:
    """Share of a step's FLOP that the gradients of these weights take where they are computed."""
    if not frozen:
        return 0.0
    layers = dict.fromkeys(name.rpartition(".")[0] for name in frozen if not name.endswith("bias"))
    if not layers:
        return 0.0
    try:
        found = derive(trained, ("layer", "phase"), [[(layer, "forward")] for layer in layers], ("flop",))
    except UsageError:
        return None
    whole, parts = found.whole["flop"], [value for value in found.values["flop"] if value is not None]
    share = sum(parts) / whole if whole and parts else None
    return share if share is not None and share < 1 else None


def _unlike(sides: Sides, trainings: Sequence[Training], facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    """Changes that are not alike; then weights that neither side trains; else the rule holds."""
    pairs, tiny = _pairs(trainings), _tiny(trainings)
    told = [pair for pair in pairs if min(pair.before, pair.after) > tiny]
    if told and not _share_weights(sides):
        middle = median(pair.ratio for pair in told)
        if max(middle, 1 / middle) > STRANGERS:
            says = f"a step of B changes the weights {middle:.3g} times as much as one of A (median of {len(told)})"
            return Finding(Outcome.FAIL, says, facts, advice=_ADVICE)
    elif unlike := [pair for pair in told if abs(pair.ratio - 1) > ALIKE]:
        return _differing(unlike, len(pairs), facts)
    both = [pair.name for pair in pairs if pair.before == pair.after == 0]
    if both:
        says = f"neither side trains {len(both)} of {len(pairs)} weights: {_listed(both)}"
        return Finding(Outcome.WARN, says, facts, advice="train every weight, or say that they are frozen on purpose")
    alike = f"within {100 * ALIKE:.0f} %" if _share_weights(sides) else "by as much, as far as other weights allow"
    return passes(f"a step changes all {len(pairs)} weights alike, {alike}", facts)


def _differing(unlike: Sequence[_Pair], count: int, facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    """Weights whose changes differ; of biases alone it may be rounding, which Adam makes as large as any gradient."""
    worst = max(unlike, key=lambda pair: abs(math.log(pair.ratio)))
    facts = {**facts, f"change of {worst.name}": (worst.before, worst.after)}
    says = (
        f"a step changes {len(unlike)} of {count} weights by other amounts: "
        f"{worst.name} {worst.ratio:.3g} times as much in B as in A"
    )
    if all(pair.name.endswith("bias") for pair in unlike):
        return Finding(Outcome.WARN, f"{says}; all are biases, where it may be rounding", facts, advice=_ADVICE)
    return Finding(Outcome.FAIL, says, facts, advice=_ADVICE)


def _share_weights(sides: Sides) -> bool:
    """Whether both start from the same weights on the same batch."""
    bundles = seen(sides, lambda side: side.run.bundle_sha256)
    sizes = seen(sides, lambda side: samples_a_step(side.run))
    return bundles[0] is not None and bundles[0] == bundles[1] and sizes[0] == sizes[1]


R02 = Rule(
    name="R02",
    demand="both train the same: every weight gets a gradient, and a step changes the weights alike",
    decides_on="change of every trainable weight by one step from the same weights on the same batch",
    unknown_when="a side trains and nobody compared its weights before and after a step",
    check=check,
)
