"""Subnormal numbers: as zero, or kept where the run took them as zero."""

from __future__ import annotations

from profkit.what_if import Change, Trial, Variant


def refusal(trial: Trial, _other: Trial) -> str | None:
    """It is a mode of the host's arithmetic."""
    return None if trial.course.device == "cpu" else f"it computes on {trial.course.device}"


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """The trial in the other mode."""
    flush = not trial.course.flush_denormals
    label = "subnormal numbers as zero" if flush else "subnormal numbers kept"
    return (Variant(label, trial.on(flush_denormals=flush)),)


FLUSH_DENORMALS = Change(
    name="flush_denormals",
    question="what if subnormal numbers were taken as zero?",
    refusal=refusal,
    variants=variants,
)
