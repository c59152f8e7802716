"""Profiles from literals, as small as a profile can be: what the rules of the audit are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from profkit.evidence import Evidence
from profkit.machine import Machine
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from

MACHINE = Machine("EPYC", "avx512", 2, 2**34, "Linux 6.1")

CONV = {
    "operator": "aten::conv2d", "kind": "operator", "category": "kernel", "layer": "conv1", "phase": "forward",
    "device": "cpu", "self_ns": 600, "flop": 8000,
}  # fmt: skip
LINEAR = {
    "operator": "aten::addmm", "kind": "operator", "category": "kernel", "layer": "linear1", "phase": "forward",
    "device": "cpu", "self_ns": 400, "flop": 2000,
}  # fmt: skip


def profile(rows: Sequence[dict[str, Any]] = (CONV, LINEAR), **run_fields: Any) -> Profile:
    """A valid profile: two steps of batch 8 on one machine, two operators and no evidence.

    Args:
        rows: of the operator table, by column; what a row leaves out is null.
        run_fields: of the run, over those.
    """
    run = Run(
        **{
            "tool": "torch",
            "workload": "mnist_cnn",
            "implementation": "pytorch",
            "machine": MACHINE,
            "batch_size": 8,
            "steps": 2,
            **run_fields,
        }
    )
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Profile(run, table_from(OPERATORS, columns, len(rows)))


def with_evidence(given: Profile, **parts: Any) -> Profile:
    """The same profile with these parts of the evidence, and what it had of the others."""
    return with_run(given, evidence=replace(given.run.evidence, **parts))


def with_run(given: Profile, **run_fields: Any) -> Profile:
    """The same profile with these fields of its run."""
    return replace(given, run=replace(given.run, **run_fields))


def evident(**parts: Any) -> Profile:
    """A profile with nothing but these parts of the evidence."""
    return profile(evidence=Evidence(**parts))
