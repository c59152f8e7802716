"""R03: both see the same input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, passes, seen
from profkit.evidence import Inputs

ROUNDING = 1e-4
"""Share of the deviation within which statistics of one batch agree that was scaled in another order or library."""
SAMPLES = 0.25
"""Share of the deviation within which statistics of other samples of the same data agree: eight images of one data set
differ by about a tenth, another scaling by one or more."""

_ADVICE = "give both the same batches: one bundle, one scaling, one resize and crop, one order"
_RECORD = "record with profkit record, which keeps digest and statistics of the first batch"
_STATISTICS = ("mean", "deviation", "minimum", "maximum")


def check(sides: Sides) -> Finding:
    """Compare the first batches: their bytes, else shape, type, range and statistics, and how they were made."""
    inputs = seen(sides, lambda side: side.run.evidence.inputs)
    if one_bundle := _one_bundle(sides, inputs):
        return one_bundle
    if unknown := lacking("the first batch", inputs, _RECORD):
        return unknown
    known = tuple(each for each in inputs if each is not None)
    facts = _facts(known)
    if len(known) == 1:
        return _alone(known[0], facts)
    before, after = known
    differ = _prepared_otherwise(before, after)
    if before.sha256 == after.sha256:
        alone = _alone(before, facts)
        return _same_bytes(differ, facts) if alone.outcome is Outcome.PASS else alone
    wrong = [*_kinds(before, after), *_statistics(before, after), *differ]
    if wrong:
        return Finding(Outcome.FAIL, f"the inputs differ: {'; '.join(wrong)}", facts, advice=_ADVICE)
    return _other_bytes(before, after, facts)


def _one_bundle(sides: Sides, inputs: Sequence[Inputs | None]) -> Finding | None:
    """Where nobody kept the first batch, but both made it from one file that says how."""
    bundles = seen(sides, lambda side: side.run.bundle_sha256)
    if len(sides) == 1 or None not in inputs or bundles[0] is None or bundles[0] != bundles[1]:
        return None
    facts = {"bundle": tuple(bundle and bundle[:12] for bundle in bundles)}
    return passes("both made their batches from one bundle: the same images, order, crops and scaling", facts)


def _facts(inputs: Sequence[Inputs]) -> Mapping[str, tuple[Fact, ...]]:
    facts: dict[str, tuple[Fact, ...]] = {
        "sha256": tuple(each.sha256[:12] for each in inputs),
        "shape": tuple(_shape(each) for each in inputs),
        "type": tuple(each.dtype for each in inputs),
        **{name: tuple(getattr(each, name) for each in inputs) for name in _STATISTICS},
    }
    names = dict.fromkeys(name for each in inputs for name in each.preparation)
    return {**facts, **{name: tuple(each.preparation.get(name) for each in inputs) for name in names}}


def _shape(inputs: Inputs) -> str:
    return "x".join(map(str, inputs.shape)) or "one number"


def _alone(inputs: Inputs, facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    """Of one profile: whether its input is a picture of anything."""
    if not _finite(inputs):
        return Finding(
            Outcome.FAIL, "the first batch has values that are infinite or no number", facts, advice="check the loader"
        )
    if inputs.deviation == 0:
        says = f"all values of the first batch are {inputs.mean:.3g}"
        return Finding(Outcome.WARN, says, facts, advice="measure with real or random samples")
    return passes(f"{_shape(inputs)} {inputs.dtype} {_range(inputs)}, mean {inputs.mean:.3g}", facts)


def _finite(inputs: Inputs) -> bool:
    return all(math.isfinite(getattr(inputs, name)) for name in _STATISTICS)


def _range(inputs: Inputs) -> str:
    return f"in [{inputs.minimum:.3g}, {inputs.maximum:.3g}]"


def _prepared_otherwise(before: Inputs, after: Inputs) -> list[str]:
    """What both say of how they make batches, and say differently."""
    return [
        f"{name} is {value} in A and {after.preparation[name]} in B"
        for name, value in before.preparation.items()
        if name in after.preparation and after.preparation[name] != value
    ]


def _same_bytes(differ: Sequence[str], facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    if differ:
        says = f"the first batch is the same, but later ones may not be: {'; '.join(differ)}"
        return Finding(Outcome.WARN, says, facts, advice=_ADVICE)
    return passes("the first batch is the same, byte by byte", facts)


def _kinds(before: Inputs, after: Inputs) -> list[str]:
    """Shape of a sample and type of its numbers."""
    found = []
    if before.shape[1:] != after.shape[1:]:
        found.append(f"a sample is {_sample(before)} in A and {_sample(after)} in B")
    if before.dtype != after.dtype:
        found.append(f"{before.dtype} in A and {after.dtype} in B")
    return found


def _sample(inputs: Inputs) -> str:
    return "x".join(map(str, inputs.shape[1:])) or "one number"


def _statistics(before: Inputs, after: Inputs) -> list[str]:
    """Range and moments that other samples of the same data do not explain."""
    found = []
    if not (_near(before, after, "minimum", SAMPLES) and _near(before, after, "maximum", SAMPLES)):
        found.append(f"values are {_range(before)} in A and {_range(after)} in B")
    moments = [name for name in ("mean", "deviation") if not _near(before, after, name, SAMPLES)]
    return [
        *found,
        *(f"{name} {getattr(before, name):.3g} in A and {getattr(after, name):.3g} in B" for name in moments),
    ]


def _near(before: Inputs, after: Inputs, name: str, share: float) -> bool:
    """Whether a statistic is the same within a share of the deviation; never where one is no number.

    The extremes of a few samples are anywhere in the tail: they may be twice as far.
    """
    spread = max(before.deviation, after.deviation) * (2 if name in ("minimum", "maximum") else 1)
    return bool(abs(getattr(before, name) - getattr(after, name)) <= share * spread)


def _other_bytes(before: Inputs, after: Inputs, facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    """Inputs alike in all that was measured, of which no byte need be the same."""
    if before.shape == after.shape and all(_near(before, after, name, ROUNDING) for name in _STATISTICS):
        return passes("the first batches have the same shape, range, mean and deviation, to rounding", facts)
    said = "" if before.shape == after.shape else f" ({_shape(before)} and {_shape(after)})"
    says = f"other samples of what looks like the same data{said}: mean, deviation and range are near, not equal"
    return Finding(Outcome.WARN, says, facts, advice=_ADVICE)


R03 = Rule(
    name="R03",
    demand="both see the same input",
    decides_on="digest, shape, type, mean, deviation and range of the first batch as the program made it; order, "
    "scaling, resize and augmentation by name",
    unknown_when="nobody kept the first batch of a side, and the two do not share a bundle",
    check=check,
)
