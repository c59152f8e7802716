"""Threads: one, as many as the other side had, all processors that it may use."""

from __future__ import annotations

from profkit.what_if import Change, Trial, Variant


def _counts(trial: Trial, other: Trial) -> list[int]:
    """Numbers of threads that differ from the trial's own."""
    run = trial.run
    processors = len(run.affinity) if run.affinity else run.machine.cores if run.machine else 1
    return sorted({1, other.course.threads, processors} - {trial.course.threads})


def refusal(trial: Trial, other: Trial) -> str | None:
    """There may be no other number of threads."""
    return None if _counts(trial, other) else "it had one thread, and so have the other side and the machine"


def variants(trial: Trial, other: Trial) -> tuple[Variant, ...]:
    """One trial for each number of threads."""
    return tuple(Variant(_label(count), trial.on(threads=count)) for count in _counts(trial, other))


def _label(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


THREADS = Change(
    name="threads",
    question="what if it had as many threads as the other side, one, or all?",
    refusal=refusal,
    variants=variants,
)
