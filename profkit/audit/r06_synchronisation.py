"""R06: device timers are synchronised."""

from __future__ import annotations

from collections.abc import Iterator

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, passes, seen
from profkit.audit.devices import on_device
from profkit.audit.objections import Objection, decided, of_each, off_by
from profkit.evidence import Trace
from profkit.profile import Profile
from profkit.units import format_share

LATE = 0.01
"""Share of the device's time that may lie after its step: the last kernel ends a few microseconds after it was seen."""

_ADVICE = "torch.cuda.synchronize() before each reading of the clock, or time with events of the device"
_RECORD = "record with profkit record, or with PyTorch Profiler and CUDA activities: the trace has steps and kernels"


def check(sides: Sides) -> Finding:
    """See whether devices still worked for a step after the clock had stopped."""
    facts: dict[str, tuple[Fact, ...]] = {
        "synchronised": seen(sides, lambda side: side.run.evidence.synchronised),
        "on a device": seen(sides, on_device),
        "of the device's time, after its step": seen(sides, lambda side: _late(side.run.evidence.trace)),
        "waits in the trace": seen(sides, lambda side: _trace(side).synchronisations),
    }
    if not any(facts["on a device"]) and None not in facts["on a device"]:
        return passes("no device was used: the host's clock has nothing to wait for", facts)
    factors = seen(sides, _factor)
    effect = None if None in factors else off_by([factor for factor in factors if factor is not None])
    done = "no more than a hundredth of the devices' time lies after its step, or the program waits for it"
    return decided(of_each(sides, _objections), done, facts, effect)


def _trace(profile: Profile) -> Trace:
    return profile.run.evidence.trace or Trace()


def _late(trace: Trace | None) -> float | None:
    """Share of the kernels' time after the step that launched them."""
    if trace is None or trace.late_device_ns is None or not trace.device_ns:
        return None
    return trace.late_device_ns / trace.device_ns


def _objections(name: str, profile: Profile) -> Iterator[Objection]:
    evidence = profile.run.evidence
    late, used = _late(evidence.trace), on_device(profile)
    if late is not None and late > LATE:
        says = f"{format_share(late)} of the device's time of {name} lies after the step that launched it"
        yield Objection(Outcome.FAIL, f"{says}: the timer did not wait", _ADVICE)
    elif evidence.synchronised is False and used is not False:
        seen_late = late is not None
        says = f"{name} does not wait for its device at the end of a step"
        also = ", though in the trace the kernels end within theirs" if seen_late else ""
        yield Objection(Outcome.WARN if seen_late else Outcome.FAIL, says + also, _ADVICE)
    elif late is None and evidence.synchronised is None and used is not False:
        says = f"nobody saw whether {name} waits for its device" if used else f"nobody saw whether {name} used a device"
        yield Objection(Outcome.UNKNOWN, says, _RECORD, ("synchronisation of the steps",))


def _factor(profile: Profile) -> float | None:
    """Measured time over that with what the timer missed; None where it is not known and there is something."""
    trace, late = _trace(profile), _late(profile.run.evidence.trace)
    if late is None:
        return 1.0 if profile.run.evidence.synchronised or on_device(profile) is False else None
    if not trace.steps_ns or trace.outlived_ns is None:
        return None
    # Kernels of one step that end in the next are timed there: only what outlives the last step is missed.
    return trace.steps_ns / (trace.steps_ns + trace.outlived_ns)


R06 = Rule(
    name="R06",
    demand="device timers are synchronised",
    decides_on="time of kernels after the end of the step that launched them; whether the program waits for its device "
    "in every timed step",
    unknown_when="a device was used, or may have been, and neither the program nor the trace tells when it was done",
    check=check,
)
