"""What a program of the user told of itself while it was recorded, and what its file tells, as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profkit.binary import binary_facts
from profkit.evidence import Clock, Evidence, Inputs, Memory, Subnormals, Training, Work

Report = Mapping[str, Any]
"""What a program reports; either language leaves out what it does not know."""


def step_times(said: Report) -> tuple[int, ...]:
    """Steps around the region, where no tool ran [ns]; of the warm-up all but the first, if there are no others."""
    return tuple(said.get("after_ns") or said.get("warmup_ns", ())[1:])


def own_evidence(said: Report, program: Path | None, *, timed: str | None) -> Evidence:
    """Evidence of a program's own report.

    Args:
        said: the report of the process that gave the times without the tool.
        program: the file, of a compiled program.
        timed: which of its steps those times are of: `step` where no tool ran at all, `around` the region, or None
            where the tool slows down all of them.
    """
    kind, skipped = _timed_steps(said, timed)
    marks = (said["process"],) if said.get("process") else ()
    return Evidence(
        work=_work(said),
        inputs=_inputs(said.get("inputs")),
        training=_training(said.get("training")),
        subnormals=Subnormals(**said["subnormals"]) if said.get("subnormals") else None,
        memory=Memory(**said["memory"]) if said.get("memory") else None,
        clock=Clock(**said["clock"]) if said.get("clock") else None,
        binary=binary_facts(program) if program else None,
        phase_ns={
            phase: tuple(times[skipped:])
            for phase, times in said.get("phase_ns", {}).get(kind, {}).items()
            if len(times) > skipped
        },
        warmup_ns=tuple(said.get("warmup_ns", ())) if timed else (),
        samples=_samples(said.get("samples", {}).get(kind, ())[skipped:]),
        workers=said.get("workers"),
        places=dict(said.get("places", {})),
        synchronised=said.get("synchronised"),
        other_tools=tuple(said["other_tools"]) if "other_tools" in said else None,
        processes=marks,
        headless=said.get("headless"),
        directory=said.get("directory"),
    )


def batch_size_of(said: Report) -> int | None:
    """Samples of a step, if all steps had as many."""
    counts = {count for steps in said.get("samples", {}).values() for count in steps}
    return counts.pop() or None if len(counts) == 1 else None


def _timed_steps(said: Report, timed: str | None) -> tuple[str, int]:
    """Under which name the report has what belongs to the timed steps, and how many of those come before them."""
    if timed != "around":
        return timed or "", 0
    return ("after", 0) if said.get("after_ns") else ("warmup", 1)


def _samples(counts: list[int]) -> tuple[int, ...]:
    return tuple(counts) if all(counts) else ()


def _work(said: Report) -> Work | None:
    if not said.get("layers") and not said.get("parameters"):
        return None
    return Work(said.get("parameters", 0), said.get("layers", 0), said.get("macs"))


def _inputs(told: Report | None) -> Inputs | None:
    return Inputs(**{**told, "shape": tuple(told["shape"])}) if told else None


def _training(told: Report | None) -> Training | None:
    return Training(dict(told["changes"]), tuple(told["frozen"])) if told else None
