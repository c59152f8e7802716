"""Loader: batches made ahead by other threads, or each when it is needed."""

from __future__ import annotations

from profkit.what_if import Change, Trial, Variant

WORKERS = 2
"""Enough for one to prepare while another hands over."""


def refusal(_trial: Trial, _other: Trial) -> str | None:
    """Every runner can do both."""
    return None


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """The trial with threads that make batches ahead, or without those that it has."""
    if trial.course.workers:
        return (Variant("batches made when needed", trial.on(workers=0)),)
    return (Variant(f"batches made ahead by {WORKERS} threads", trial.on(workers=WORKERS)),)


LOADER = Change(
    name="loader",
    question="what if batches were made ahead, or were not?",
    refusal=refusal,
    variants=variants,
)
