"""R01: both do the same work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, passes, seen
from profkit.audit.programs import unchecked
from profkit.evidence import Work
from profkit.profile import Profile
from profkit.registry import discover
from profkit.spec import Workload
from profkit.units import format_count, format_share
from profkit.work import MACS, StepWork, costed_share, samples_a_step, step_work, trains, verdict_per_work

TOLERANCE = 0.01
"""Relative difference of work that is none: two ways to count one network are closer, and an hour's measurement is not
as exact as that."""
LEAST_COSTED = 0.5
"""Share of the operators' cost that must be in operators of known FLOP, before their sum stands for the work."""

WHOLE = 0.995
"""Share from which nothing is to be said of the rest."""

_ADVICE = "run one network on both sides: the same --workload, --option, --batch-size and --seed"
_RECORD = "record with profkit record, which counts the network, or with PyTorch Profiler and record_shapes=True"
_AGREE = "profkit agree, or profkit record without --no-agree, compares outputs, losses and weights"


def check(sides: Sides) -> Finding:
    """Compare the work of a step, then of a sample, then what else tells two networks apart."""
    facts = _facts(sides)
    if disagreement := _disagreement(sides, facts):
        return disagreement
    if len(sides) == 1:
        return _alone(sides[0], facts)
    baseline, candidate = sides
    work = step_work(baseline, candidate)
    return (
        _other_kind(baseline, candidate, work, facts)
        or _uncounted(sides, work, facts)
        or _other_amount(baseline, candidate, work, facts)
        or _doubtful(sides, work, facts)
        or passes(f"{_amounts(work)}{_coverage(sides, work)}; {_agreement(sides)}", facts)
    )


def _facts(sides: Sides) -> Mapping[str, tuple[Fact, ...]]:
    def of_work(attribute: str) -> tuple[Fact, ...]:
        return tuple(None if work is None else getattr(work, attribute) for work in _works(sides))

    facts: dict[str, tuple[Fact, ...]] = {
        "workload": seen(sides, lambda side: side.run.workload),
        "MACs a sample": of_work("macs"),
        "samples a step": seen(sides, lambda side: samples_a_step(side.run)),
        "layers": of_work("layers"),
        "parameters": of_work("parameters"),
        "network": of_work("network"),
        "bundle": seen(sides, lambda side: (side.run.bundle_sha256 or "")[:12] or None),
        "agrees": seen(sides, lambda side: side.run.agreement.holds if side.run.agreement else None),
    }
    return {name: values for name, values in facts.items() if any(value is not None for value in values)}


def _works(sides: Sides) -> tuple[Work | None, ...]:
    return seen(sides, lambda side: side.run.evidence.work)


def _disagreement(sides: Sides, facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    for name, side in zip("AB" if len(sides) > 1 else ("it",), sides, strict=True):
        found = side.run.agreement
        if found is not None and not found.holds:
            much = "" if found.excess is None else f" by {found.excess:.3g} times what rounding explains"
            says = f"{name} does not compute what {found.reference} computes: {found.worst or 'a number'} differs{much}"
            return Finding(Outcome.FAIL, says, facts, advice="correct the implementation: profkit agree shows where")
    return None


def _alone(side: Profile, facts: Mapping[str, tuple[Fact, ...]]) -> Finding:
    """Of one profile: whether its numbers are those of the reference."""
    work, agreement = side.run.evidence.work, side.run.agreement
    counted = "" if work is None or work.macs is None else f"{format_count(work.macs, MACS)} a sample, "
    if agreement is None:
        return Finding(
            Outcome.UNKNOWN, f"{counted}nobody compared its outputs with those of another implementation", facts,
            advice=_AGREE, missing=("agreement with the reference",),
        )  # fmt: skip
    return passes(f"{counted}it agrees with {agreement.reference} to rounding over {agreement.steps} steps", facts)


def _other_kind(
    baseline: Profile, candidate: Profile, work: StepWork | None, facts: Mapping[str, tuple[Fact, ...]]
) -> Finding | None:
    """Training against inference, or one of profkit's networks against another."""
    modes = trains(baseline.run), trains(candidate.run)
    if None not in modes and modes[0] != modes[1]:
        words = ["trains" if mode else "infers" for mode in modes]
        says = f"A {words[0]} and B {words[1]}: a training step is about three forward passes"
        return Finding(Outcome.FAIL, says, facts, _effect(work), "record both with one --mode")
    names = baseline.run.workload, candidate.run.workload
    if names[0] != names[1] and set(names) <= set(discover("profkit.workloads", Workload)):
        amount = f": {_amounts(work)}" if work else ""
        return Finding(Outcome.FAIL, f"A is {names[0]} and B is {names[1]}{amount}", facts, _effect(work), _ADVICE)
    return None


def _uncounted(sides: Sides, work: StepWork | None, facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """Where the work of both is not known, or of too little of their operators: then by what else is known."""
    if work is None:
        says = "nobody counted the work of both: no MACs of their networks, no FLOP of their operators"
        return _other_network(sides, says, facts) or Finding(
            Outcome.UNKNOWN, says, facts, advice=_RECORD, missing=("MACs or FLOP of a step",)
        )
    shares = _costed(sides, work)
    if min(shares) >= LEAST_COSTED:
        return None
    says = f"{_amounts(work)}, but of operators of known FLOP, which take only {_each(shares)} cost"
    return _other_network(sides, says, facts) or Finding(
        Outcome.UNKNOWN, says, facts, advice=_RECORD, missing=("FLOP of most operators",)
    )


def _other_network(sides: Sides, uncounted: str, facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """Networks that differ although nobody knows the work of both; by their parameters it is another network."""
    doubts = list(_doubts(sides, facts))
    if not doubts:
        return None
    parameters = [value for value in facts.get("parameters", ()) if isinstance(value, int)]
    apart = len(parameters) > 1 and max(parameters) - min(parameters) > TOLERANCE * max(parameters)
    says = f"{'; '.join(doubts)}; {uncounted}"
    return Finding(Outcome.FAIL if apart else Outcome.WARN, says, facts, advice=_ADVICE)


def _costed(sides: Sides, work: StepWork | None) -> tuple[float, ...]:
    return seen(sides, costed_share) if work and work.counts_operators else (1.0,)


def _each(shares: tuple[float, ...]) -> str:
    return " and ".join(f"{format_share(share)} of {name}'s" for name, share in zip("AB", shares, strict=True))


def _coverage(sides: Sides, work: StepWork | None) -> str:
    shares = _costed(sides, work)
    return f", by operators that take {_each(shares)} cost" if min(shares) < WHOLE else ""


def _other_amount(
    baseline: Profile, candidate: Profile, work: StepWork | None, facts: Mapping[str, tuple[Fact, ...]]
) -> Finding | None:
    """More than the tolerance apart, a sample where the samples are known."""
    assert work is not None
    ratio = work.step_ratio if work.sample_ratio is None else work.sample_ratio
    if ratio is None or abs(ratio - 1) <= TOLERANCE:
        return None
    says = f"B does {_times(ratio)} work {'a step' if work.sample_ratio is None else 'a sample'}: {_amounts(work)}"
    corrected = verdict_per_work(baseline, candidate)
    if corrected is not None:
        says += f"; per FLOP B takes {corrected.per_work:.3g} times what A takes"
    return Finding(Outcome.FAIL, says, facts, _effect(work), _ADVICE)


def _times(ratio: float) -> str:
    """In words how many times more or less.

    >>> _times(0.1006), _times(1.25), _times(3.0)
    ('9.9 times less', '25.0 % more', '3.0 times more')
    """
    factor = max(ratio, 1 / ratio)
    if factor < 1.5:
        return f"{format_share(abs(ratio - 1))} {'more' if ratio > 1 else 'less'}"
    return f"{factor:.1f} times {'more' if ratio > 1 else 'less'}"


def _effect(work: StepWork | None) -> float | None:
    ratio = work.step_ratio if work else None
    if work and ratio is None:
        ratio = work.sample_ratio
    return None if ratio is None else 100 * (ratio - 1)


def _amounts(work: StepWork | None) -> str:
    assert work is not None
    pair, what = (work.per_sample, "a sample") if work.per_sample else (work.per_step, "a step")
    assert pair is not None
    before, after = (format_count(value, work.unit) for value in pair)
    return f"both do {before} {what}" if before == after else f"A does {before} {what}, B {after}"


def _doubtful(sides: Sides, work: StepWork | None, facts: Mapping[str, tuple[Fact, ...]]) -> Finding | None:
    """The same work to all that is counted: what else differs, and what nobody looked at."""
    doubts = list(_doubts(sides, facts))
    effect = _effect(work) if work and abs((work.step_ratio or 1) - 1) > TOLERANCE else None
    if doubts:
        return Finding(Outcome.WARN, f"{_amounts(work)}, but {'; '.join(doubts)}", facts, effect, _ADVICE)
    if unchecked((sides[0].run, sides[1].run)):
        says = f"{_amounts(work)}{_coverage(sides, work)}, but nobody compared what they compute on shared weights"
        return Finding(Outcome.UNKNOWN, says, facts, advice=_AGREE, missing=("agreement on shared weights",))
    return None


def _doubts(sides: Sides, facts: Mapping[str, tuple[Fact, ...]]) -> Iterator[str]:
    def differ(name: str) -> tuple[Fact, Fact] | None:
        before, after = facts.get(name, (None, None))
        return (before, after) if None not in (before, after) and before != after else None

    batches = differ("samples a step")
    if batches:
        yield f"samples a step: A {batches[0]}, B {batches[1]}"
    for name in ("layers", "parameters"):
        if values := differ(name):
            yield f"A has {_count(values[0])} {name} and B {_count(values[1])}"
    networks = differ("network")
    if networks:
        yield f"the networks as data differ ({networks[0]} and {networks[1]})"
    if differ("bundle") and not batches and not networks:
        seeds = seen(sides, lambda side: side.run.seed)
        told = f" (seeds {seeds[0]} and {seeds[1]})" if seeds[0] != seeds[1] else ""
        yield f"the weights or samples differ{told}: the bundles are not the same"


def _count(value: Fact) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _agreement(sides: Sides) -> str:
    return "their numbers agree to rounding" if any(side.run.agreement for side in sides) else "one implementation"


R01 = Rule(
    name="R01",
    demand="both do the same work",
    decides_on="MACs, layers, parameters and digest of the networks, FLOP of the operators, batch size, mode, "
    "agreement of outputs, losses and weights on shared weights",
    unknown_when="a side has neither MACs of its network nor operators of known FLOP, or nobody compared the outputs "
    "of two implementations",
    check=check,
)
