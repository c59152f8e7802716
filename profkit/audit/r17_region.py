"""R17: the region of interest is the steps, not loading or start-up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, of_each, off_by, unseen
from profkit.columns import counts, to_codes
from profkit.profile import Profile
from profkit.schema import METRICS

ELSEWHERE = 0.05
"""Share of importing or of reading files that moves a ratio by more than a fair comparison tells."""
NOISE = 2.0
"""Standard deviations by which a share of samples must be above that: as good as never by chance."""

_ARTEFACT_ADVICE = "give the artefact itself (profkit audit trace.json.gz), or import it again"
_REGION_ADVICE = "record it with profkit record --warmup 3 --steps 10, or mark the steps with profkit.region()"
_READING_ADVICE = "read and decode the data before the steps, on both sides, or measure it apart (R04)"


def check(sides: Sides) -> Finding:
    """Check that what was recorded is steps, and how much of it is importing modules or reading files."""
    steps = seen(sides, _steps)
    traces = seen(sides, lambda profile: profile.run.evidence.trace)
    objections = [
        *unseen("where the steps are", steps, _REGION_ADVICE),
        *unseen("what the trace itself tells", traces, _ARTEFACT_ADVICE),
        *of_each(sides, _marked),
        *of_each(sides, _start_up),
    ]
    evidence = {
        "warm-up": seen(sides, lambda profile: profile.run.warmup),
        "steps": steps,
        "importing": of_known(traces, lambda trace: trace.importing),
        "reading": of_known(traces, lambda trace: trace.reading),
        "of that in phase data": seen(sides, _data_share),
    }
    factors = [1 / (1 - min(sum(_elsewhere(profile).values()), 0.99)) for profile in sides]
    count = " and ".join(dict.fromkeys(f"{each} steps" if each != 1 else "one step" for each in steps))
    otherwise = f"what was recorded is {count} and next to no importing or reading of files"
    return decided(objections, otherwise, evidence, off_by(factors))


def _steps(profile: Profile) -> int | None:
    trace = profile.run.evidence.trace
    return profile.run.steps or (trace.steps if trace else None) or None


def _elsewhere(profile: Profile) -> dict[str, float]:
    """Shares of the recorded cost that are no step's, by what they are; without what is within noise.

    Reading in the phase of loading is measured apart, which R04 looks at.
    """
    trace = profile.run.evidence.trace
    if trace is None:
        return {}
    shares = {
        "importing modules": trace.importing or 0.0,
        "reading data files": max((trace.reading or 0.0) - (_data_share(profile) or 0.0), 0.0),
    }
    noise = NOISE * (ELSEWHERE * (1 - ELSEWHERE) / trace.samples) ** 0.5 if trace.samples else 0.0
    return {what: share for what, share in shares.items() if share > ELSEWHERE + noise}


def _data_share(profile: Profile) -> float | None:
    """Share of the cost in the phase of loading; None where no row has a phase."""
    table = profile.operators
    if table.num_rows == table["phase"].null_count:
        return None
    phase, phases = to_codes(table["phase"])
    metric = next((name for name in METRICS if table[name].null_count < table.num_rows), None)
    cost = counts(table[metric]) if metric else np.zeros(table.num_rows, np.int64)
    whole = int(cost.sum())
    loading = np.array([name == "data" for name in phases])[phase] & (phase >= 0)
    return float(cost[loading].sum()) / whole if whole else None


def _marked(name: str, profile: Profile) -> Iterator[Objection]:
    run, trace = profile.run, profile.run.evidence.trace
    # A sampler marks the steps that a sample fell into.
    if trace and trace.steps and run.steps and trace.steps != run.steps and trace.samples is None:
        says = f"the program of {name} took {run.steps} steps, and its trace marks {trace.steps}"
        yield Objection(Outcome.FAIL, says, "record it again; the trace may be of another run")


def _start_up(name: str, profile: Profile) -> Iterator[Objection]:
    for what, share in _elsewhere(profile).items():
        advice = _REGION_ADVICE if what.startswith("importing") else _READING_ADVICE
        yield Objection(Outcome.FAIL, f"{100 * share:.0f} % of what was recorded of {name} is {what}", advice)


R17 = Rule(
    name="R17",
    demand="the region of interest is the steps, not loading or start-up",
    decides_on="marks of the steps; shares of the recorded cost in importing modules and in reading data files",
    unknown_when="the trace marks no steps and no run.json tells of them",
    check=check,
)
