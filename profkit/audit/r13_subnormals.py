"""R13: no subnormal numbers, which processors compute with in microcode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, differing, of_each, off_by, unseen
from profkit.evidence import Subnormals
from profkit.profile import Profile

TINY = 1e-5
"""Share from which they can be noticed: with some 150 cycles for each and one cycle for 16 others, it adds 2 %."""
MANY = 1e-3
"""Share that is wrong even where nobody measured what it costs: it more than doubles what computes with it."""
GIVES_BACK = 1.05
"""Factor of flush-to-zero from which subnormal numbers are to blame; less is noise between two runs."""

_RECORD_ADVICE = "record it with profkit record, which counts them in weights, state and activations"
_FLUSH_ADVICE = (
    "run both with flush-to-zero (--flush-denormals, torch.set_flush_denormal(True)), or without the weight decay that "
    "makes such weights"
)
_EQUAL_ADVICE = "run both with the same flush-to-zero"


def check(sides: Sides) -> Finding:
    """Look for subnormal numbers, and at what flush-to-zero gives back."""
    counted = seen(sides, lambda profile: profile.run.evidence.subnormals)
    flushed = seen(sides, lambda profile: profile.run.settings.get("flush_denormals"))
    factors = seen(sides, flush_factor)
    objections = [
        *unseen("subnormal numbers", counted, _RECORD_ADVICE),
        *of_each(sides, _numbers),
        *differing("flush-to-zero", flushed, Outcome.WARN, _EQUAL_ADVICE),
    ]
    evidence = {
        **{part: tuple(shares(each).get(part) for each in counted) for part in ("weights", "state", "activations")},
        "worst": of_known(counted, lambda each: each.worst or None),
        "flush-to-zero gives back": of_known(factors, lambda each: round(each, 3)),
        "flush-to-zero": flushed,
    }
    whose = "neither has" if len(sides) > 1 else "it has no"
    otherwise = f"{whose} subnormal numbers to speak of (less than {100 * TINY:g} %), or they are taken as zero"
    return decided(objections, otherwise, evidence, _effect(sides))


def _effect(sides: Sides) -> float | None:
    """What subnormal numbers cost; None where a side has some and nobody ran it with flush-to-zero."""
    costs = [flush_factor(profile) if _subnormal(profile) else 1.0 for profile in sides]
    known = [max(cost, 1.0) for cost in costs if cost is not None]  # flushing does not slow down: that is noise
    return off_by(known) if len(known) == len(sides) else None


def shares(subnormals: Subnormals | None) -> Mapping[str, float]:
    """The shares that were counted, by what they are of."""
    if subnormals is None:
        return {}
    counted = {"weights": subnormals.weights, "state": subnormals.state, "activations": subnormals.activations}
    return {part: share for part, share in counted.items() if share is not None}


def flush_factor(profile: Profile) -> float | None:
    """Median step over the median step with flush-to-zero; None where either is not known."""
    subnormals, steps = profile.run.evidence.subnormals, profile.run.step_ns
    if subnormals is None or not steps or not subnormals.flushed_step_ns:
        return None
    flushed = median(subnormals.flushed_step_ns)
    return median(steps) / flushed if flushed > 0 else None


def _flushes(profile: Profile) -> bool:
    return profile.run.settings.get("flush_denormals") == "true"


def _subnormal(profile: Profile) -> bool:
    counted = shares(profile.run.evidence.subnormals)
    return not _flushes(profile) and any(share > TINY for share in counted.values())


def _numbers(name: str, profile: Profile) -> Iterator[Objection]:
    if not _subnormal(profile):
        return
    counted = shares(profile.run.evidence.subnormals)
    factor = flush_factor(profile)
    parts = " and ".join(f"{100 * share:.2g} % of the {part}" for part, share in counted.items() if share > TINY)
    says = f"{parts} of {name} are subnormal"
    subnormals = profile.run.evidence.subnormals
    says += f" (most in {subnormals.worst})" if subnormals and subnormals.worst else ""
    if factor is None:
        outcome = Outcome.FAIL if any(share > MANY for share in counted.values()) else Outcome.WARN
        yield Objection(outcome, f"{says}; nobody ran it with flush-to-zero", _FLUSH_ADVICE)
    elif factor > GIVES_BACK:
        yield Objection(Outcome.FAIL, f"{says}: flush-to-zero makes its steps {factor:.3g} times faster", _FLUSH_ADVICE)
    else:
        gain = f"{factor:.3g} times" if factor >= 1.005 else "no"
        says = f"{says}, which costs nothing here: flush-to-zero makes its steps {gain} faster"
        yield Objection(Outcome.WARN, says, _FLUSH_ADVICE)


R13 = Rule(
    name="R13",
    demand="no subnormal numbers: share in weights and state; flush-to-zero run beside it",
    decides_on="shares in weights, optimizer state and activations; steps of the same program with flush-to-zero",
    unknown_when="nobody looked at the weights, as in a trace of another program",
    check=check,
)
