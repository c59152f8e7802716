"""R18: the trace is complete: kernels present, nothing cut off, and what covers the time of the steps."""

from __future__ import annotations

from collections.abc import Iterator

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, unseen
from profkit.columns import NONE, counts, to_codes
from profkit.evidence import Trace
from profkit.profile import Profile
from profkit.units import format_share

COVERED = 0.8
"""Share of the steps that has a name: of a step of a millisecond, C++ itself takes a tenth between its operators."""
HARDLY_COVERED = 0.5
"""Below this, the trace says less than it leaves out."""
UNEQUALLY_COVERED = 0.2
"""Difference of the two shares from which operators of one side look cheaper for being left out."""
UNPAIRED, MOSTLY_UNPAIRED = 0.01, 0.1
"""Share of launches without their kernel, or the other way round: the ends of a trace, and a broken one."""
MISSED_SAMPLES = 0.01
"""Share of its samples that a sampler may miss: on a busy machine it comes too late now and then."""

_ARTEFACT_ADVICE = "give the artefact itself (profkit audit trace.json.gz), or import it again"
_FLUSH_ADVICE = "synchronise the device before the profiler stops, so that it gets the kernels that still run"
_FEWER_ADVICE = "record fewer steps, so that the tool's buffer holds them"
_COVER_ADVICE = "record both with a tool that sees the rest (callgrind, py-spy), or trace with layers and operators"


def check(sides: Sides) -> Finding:
    """Check that nothing is missing from the traces, and how much of the steps they explain."""
    traces = seen(sides, lambda profile: profile.run.evidence.trace)
    covered = seen(sides, _named)
    objections = [
        *unseen("whether the trace is whole", [_looked(trace) for trace in traces], _ARTEFACT_ADVICE),
        *of_each(sides, _cut_off),
        *of_each(sides, _unpaired),
        *of_each(sides, _without_kernels),
        *of_each(sides, _uncovered),
        *_unequal(covered),
    ]
    evidence = {
        "covered": of_known(traces, lambda trace: trace.covered),
        "named": of_known(covered, lambda share: round(share, 4)),
        "broken": of_known(traces, lambda trace: trace.broken),
        "launches": of_known(traces, lambda trace: trace.launches),
        "launches without kernel": of_known(traces, lambda trace: trace.launches_without_kernel),
        "kernels without launch": of_known(traces, lambda trace: trace.kernels_without_launch),
    }
    shares = [format_share(share) for share in covered if share is not None]
    told = f", and it names {' and '.join(shares)} of the steps" if len(shares) == len(sides) else ""
    return decided(objections, f"nothing is missing from the trace{told}", evidence)


def _looked(trace: Trace | None) -> bool | None:
    return True if trace and (trace.broken is not None or trace.covered is not None) else None


def _named(profile: Profile) -> float | None:
    """Share of the steps that operators and kernels cover, and of those of Python, what the interpreter does between.

    A trace of operators has no frames of Python: the own time of its scopes is that of the interpreter. None where no
    steps are marked, as nobody knows what there was to name.
    """
    trace, table = profile.run.evidence.trace, profile.operators
    if trace is None or trace.covered is None or not (trace.steps or profile.run.steps):
        return None
    (kind, kinds), (category, categories) = to_codes(table["kind"]), to_codes(table["category"])
    scope = kind == (kinds.index("scope") if "scope" in kinds else NONE - 1)
    interpreter = category == (categories.index("interpreter") if "interpreter" in categories else NONE - 1)
    cost = counts(table["self_ns"])
    whole = int(cost.sum())
    return min(trace.covered + (float(cost[scope & interpreter].sum()) / whole if whole else 0.0), 1.0)


def _cut_off(name: str, profile: Profile) -> Iterator[Objection]:
    trace = profile.run.evidence.trace
    if trace and trace.broken and trace.broken > MISSED_SAMPLES * (trace.samples or 0):
        says = f"{trace.broken} events of {name} were lost, cut off or repaired"
        yield Objection(Outcome.WARN, says, _FEWER_ADVICE)


def _unpaired(name: str, profile: Profile) -> Iterator[Objection]:
    trace = profile.run.evidence.trace
    if trace is None or trace.launches is None:
        return
    missing, orphans = trace.launches_without_kernel or 0, trace.kernels_without_launch or 0
    kernels = max(trace.launches - missing, 0) + orphans
    if missing > UNPAIRED * trace.launches:
        outcome = Outcome.FAIL if missing > MOSTLY_UNPAIRED * trace.launches else Outcome.WARN
        says = f"{missing} of {trace.launches} launches of {name} have no kernel in the trace"
        yield Objection(outcome, says, _FLUSH_ADVICE)
    if orphans > UNPAIRED * kernels:
        outcome = Outcome.FAIL if orphans > MOSTLY_UNPAIRED * kernels else Outcome.WARN
        says = f"{orphans} of {kernels} kernels of {name} have no launch in the trace"
        yield Objection(outcome, says, "start the profiler on an idle device, after a synchronisation")


def _without_kernels(name: str, profile: Profile) -> Iterator[Objection]:
    """A run on a device whose trace has nothing of it."""
    device, trace = profile.run.settings.get("device", "cpu"), profile.run.evidence.trace
    if device != "cpu" and trace and trace.launches is not None and not trace.device_ns:
        says = f"{name} ran on {device}, and its trace has no kernel"
        yield Objection(Outcome.FAIL, says, "trace with ProfilerActivity.CUDA, and with CUPTI at hand")


def _uncovered(name: str, profile: Profile) -> Iterator[Objection]:
    share = _named(profile)
    if share is not None and share < COVERED:
        outcome = Outcome.FAIL if share < HARDLY_COVERED else Outcome.WARN
        says = f"the trace of {name} names {format_share(share)} of its steps"
        yield Objection(outcome, says, _COVER_ADVICE)


def _unequal(covered: tuple[float | None, ...]) -> Iterator[Objection]:
    first, last = covered[0], covered[-1]
    if first is not None and last is not None and abs(first - last) > UNEQUALLY_COVERED:
        says = f"the trace of A names {format_share(first)} of its steps, that of B {format_share(last)}"
        yield Objection(Outcome.WARN, says, _COVER_ADVICE)


R18 = Rule(
    name="R18",
    demand="the trace is complete: kernels present, nothing truncated, coverage of wall time",
    decides_on="events lost or cut off, launches against kernels, share of the steps that has a name",
    unknown_when="the profile was written by a profkit that did not look at its artefact",
    check=check,
)
