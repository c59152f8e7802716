"""R19: metrics are right: test metrics from all test samples; a rate is total over total."""

from __future__ import annotations

from collections.abc import Iterator

from profkit.audit import Finding, Outcome, Rule, Sides, of_known, seen
from profkit.audit.objections import Objection, decided, differing, of_each, unseen
from profkit.profile import Profile

_RECORD_ADVICE = "record it with profkit record, which counts the samples of every step"
_RATE_ADVICE = "divide all samples by all time; a mean of rates, or a batch size for a smaller last batch, is off"
_TEST_ADVICE = "count every test sample, the last and smaller batch too"


def check(sides: Sides) -> Finding:
    """Check that samples were counted in every step, and in every test batch."""
    samples = seen(sides, lambda profile: profile.run.evidence.samples or None)
    metrics = seen(sides, lambda profile: profile.run.evidence.metrics)
    tested = tuple(each.get("test_samples") for each in metrics)
    objections = [
        *unseen("the samples of each step", samples, _RECORD_ADVICE),
        *of_each(sides, _rate),
        *of_each(sides, _tested),
        *differing("test samples:", tested, Outcome.FAIL, "test both on the same samples"),
    ]
    evidence = {
        "samples": of_known(samples, sum),
        "steps": seen(sides, lambda profile: len(profile.run.step_ns)),
        "samples/s": tuple(None if (rate := samples_per_s(profile)) is None else round(rate, 1) for profile in sides),
        "test samples": tested,
        "test samples counted": tuple(each.get("test_samples_counted") for each in metrics),
    }
    tests = "test metrics are from all test samples" if any(metrics) else "there are no test metrics"
    return decided(objections, f"samples are counted in every step, and {tests}", evidence)


def samples_per_s(profile: Profile) -> float | None:
    """All samples over all time; None where either is not known."""
    samples, time_ns = sum(profile.run.evidence.samples), sum(profile.run.step_ns)
    return samples / time_ns * 1e9 if samples and time_ns > 0 else None


def _rate(name: str, profile: Profile) -> Iterator[Objection]:
    samples, steps = profile.run.evidence.samples, profile.run.step_ns
    if samples and len(samples) != len(steps):
        says = f"{name} counted the samples of {len(samples)} steps and timed {len(steps)}"
        yield Objection(Outcome.FAIL, says, _RATE_ADVICE)
    if samples and min(samples) <= 0:
        yield Objection(Outcome.FAIL, f"{name} has steps without samples", _RATE_ADVICE)
    largest, batch = max(samples, default=0), profile.run.batch_size
    if batch and largest > batch:
        yield Objection(Outcome.FAIL, f"{name} counted {largest} samples in a step of {batch}", _RATE_ADVICE)


def _tested(name: str, profile: Profile) -> Iterator[Objection]:
    metrics = profile.run.evidence.metrics
    there, counted = metrics.get("test_samples"), metrics.get("test_samples_counted")
    if (there is None) != (counted is None):
        says = f"nobody recorded how many of the test samples of {name} were counted"
        yield Objection(Outcome.UNKNOWN, says, _TEST_ADVICE, ("test samples counted",))
    elif there != counted:
        says = f"{name} has {there} test samples, and its metrics count {counted}"
        yield Objection(Outcome.FAIL, says, _TEST_ADVICE)


R19 = Rule(
    name="R19",
    demand="metrics are right: test metrics from all test batches; a rate is total over total",
    decides_on="samples of every step; test samples there are and test samples counted",
    unknown_when="the program did not tell how many samples a step has, as programs of your own",
    check=check,
)
