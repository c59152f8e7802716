"""R04: loading is measured apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, seen
from profkit.audit.devices import on_device
from profkit.audit.objections import Objection, decided, names, off_by, unseen
from profkit.columns import Flags, to_codes
from profkit.errors import DataError
from profkit.profile import Profile
from profkit.summary import is_host
from profkit.units import format_share

NOTABLE = 0.05
"""Share of a step from which loading matters: below it, all of it is less than steps vary."""
ONE_SIDED = 1 / 3
"""A side that loads less than this part of what the other does loads elsewhere, or something else."""

_ADVICE = "load before the steps, or time it apart, on both sides with equally many workers"
_RECORD = "record with profkit record, which times loading and copying to the device apart in every step"


@dataclass(frozen=True)
class Loading:
    """Shares of a step.

    Attributes:
        apart: told as loading.
        outside: in no phase at all, where loading hides.
    """

    apart: float
    outside: float = 0.0

    @property
    def share(self) -> float:
        """All that is or may be loading; never the whole step."""
        return min(self.apart + self.outside, 0.99)


def check(sides: Sides) -> Finding:
    """Compare what loading takes of the steps, whether it is told apart, and who does it."""
    found = seen(sides, _loading)
    workers = seen(sides, _workers)
    if unknown := lacking("what loading takes of the steps", found, _RECORD):
        return unknown
    loadings = tuple(loading for loading in found if loading is not None)
    facts: dict[str, tuple[Fact, ...]] = {
        "loading, of a step": tuple(loading.apart for loading in loadings),
        "outside every phase, of a step": tuple(loading.outside for loading in loadings),
        "copying to the device, of a step": seen(sides, lambda side: _timed(side, "host_to_device")),
        "workers": workers,
    }
    objections = [
        *unseen("the workers that load", workers, _RECORD),
        *(list(_one_sided(sides, loadings)) or _hidden(sides, loadings)),
        *_other_workers(workers, loadings),
    ]
    each = zip((" of A", " of B") if len(sides) > 1 else ("",), loadings, strict=True)
    told = ", ".join(f"{format_share(loading.share)} of the steps{side}" for side, loading in each)
    effect = off_by([1 / (1 - loading.share) for loading in loadings])
    return decided(objections, f"loading takes {told}, told apart from the rest", facts, effect)


def _loading(profile: Profile) -> Loading | None:
    """By the program's own clock, else by what the tool saw."""
    timed = _timed(profile, "data")
    if timed is not None:
        return Loading(timed, _untimed(profile))
    trace = profile.run.evidence.trace
    reading = None if trace is None else trace.reading
    recorded = _recorded(profile)
    if recorded is None:
        return None if reading is None else Loading(reading)
    return Loading(max(recorded.apart, reading or 0.0), recorded.outside)


def _timed(profile: Profile, phase: str) -> float | None:
    """Share of a phase in the steps without the tool; None where it was not timed."""
    phases = profile.run.evidence.phase_ns
    whole = max(sum(map(sum, phases.values())), _steps(profile, phase))
    return sum(phases[phase]) / whole if phases.get(phase) and 0 < whole < math.inf else None


def _untimed(profile: Profile) -> float:
    """Share of the steps that no phase timed; profkit's own programs do nothing there."""
    phases, steps = profile.run.evidence.phase_ns, _steps(profile, "data")
    if profile.run.bundle_sha256 is not None or not 0 < steps < math.inf:
        return 0.0
    return max(1 - sum(map(sum, phases.values())) / steps, 0.0)


def _steps(profile: Profile, phase: str) -> float:
    """All steps that the phase was timed in; 0 where they are others than those of the run."""
    times = profile.run.step_ns
    return sum(times) if len(times) == len(profile.run.evidence.phase_ns.get(phase, ())) else 0


def _recorded(profile: Profile) -> Loading | None:
    """Shares of the self cost on the host; None where the tool saw no phase and nothing that loads.

    A sampler does not find the phase of each stack, and a program with a device waits for it outside every phase: there
    nothing is made of what lies outside.
    """
    try:
        cost = profile.cost() * is_host(profile)
    except DataError:  # no cost in any row
        return None
    whole = int(cost.sum())
    loads = _are(profile, "phase", ("data",)) | _are(profile, "category", ("data",))
    works = _are(profile, "phase", ("forward", "backward", "optimizer"))
    if whole <= 0 or not (loads | works).any():
        return None
    copies = _are(profile, "phase", ("host_to_device",))
    tells = profile.unit == "ns" and works.any() and not on_device(profile)
    outside = cost[~(loads | works | copies)].sum() / whole if tells else 0.0
    return Loading(float(cost[loads].sum() / whole), float(outside))


def _are(profile: Profile, column: str, values: Sequence[str]) -> Flags:
    """Which rows have one of these values, shape (rows,)."""
    codes, known = to_codes(profile.operators[column])
    return np.isin(codes, [code for code, value in enumerate(known) if value in values])


def _workers(profile: Profile) -> int | None:
    told = profile.run.settings.get("workers", "")
    known = profile.run.evidence.workers
    return int(told) if known is None and told.isdecimal() else known


def _one_sided(sides: Sides, loadings: Sequence[Loading]) -> Iterator[Objection]:
    """One side loads within its steps, and the other does not; programs that load bundles all do it alike."""
    bundles = seen(sides, lambda side: side.run.bundle_sha256)
    if len(sides) == 1 or None not in bundles:
        return
    shares = [loading.share for loading in loadings]
    if max(shares) > NOTABLE and min(shares) < ONE_SIDED * max(shares):
        side, other = ("A", "B") if shares[0] > shares[1] else ("B", "A")
        loading = loadings["AB".index(side)]
        where = "outside every phase, where loading hides" if loading.outside > loading.apart else "loading"
        says = f"{format_share(max(shares))} of the steps of {side} is {where}, {format_share(min(shares))} of {other}"
        yield Objection(Outcome.FAIL, says, _ADVICE)


def _other_workers(workers: Sequence[int | None], loadings: Sequence[Loading]) -> Iterator[Objection]:
    """Workers hide loading behind the steps: as many on both sides, or there is nothing to hide."""
    if None in workers or len(set(workers)) == 1:
        return
    notable = max(loading.share for loading in loadings) > NOTABLE
    says = f"A loads with {workers[0]} workers and B with {workers[-1]}"
    yield Objection(Outcome.FAIL if notable else Outcome.WARN, says, _ADVICE)


def _hidden(sides: Sides, loadings: Sequence[Loading]) -> Iterator[Objection]:
    """Time in no phase, on any side."""
    for name, loading in zip(names(sides), loadings, strict=True):
        if loading.outside > NOTABLE:
            says = f"{format_share(loading.outside)} of the steps of {name} is in no phase: loading is not told apart"
            yield Objection(Outcome.WARN, says, _ADVICE)


R04 = Rule(
    name="R04",
    demand="loading is measured apart",
    decides_on="time of each step by phase: data, host to device and the rest; else loading and time outside every "
    "phase in the trace; workers",
    unknown_when="no phase of the steps was timed and the tool saw none, or nobody recorded the workers",
    check=check,
)
