"""Warm-up: none, so that the first steps count too, or more."""

from __future__ import annotations

from profkit.what_if import Change, Statistic, Trial, Variant

MORE = 20
"""Steps; twice as many as were where that is more."""


def refusal(_trial: Trial, _other: Trial) -> str | None:
    """More is always possible."""
    return None


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """The trial without a warm-up, where it had one, and with a longer one."""
    own = trial.course.warmup
    more = max(MORE, 2 * own)
    without = (Variant("no warm-up", trial.on(warmup=0)),) if own else ()
    return (*without, Variant(f"{more} steps of warm-up", trial.on(warmup=more)))


WARM_UP = Change(
    name="warm_up",
    question="what if the first steps counted, or more were left out?",
    refusal=refusal,
    variants=variants,
    statistic=Statistic.MEAN,  # a median does not see the first step
)
