"""Runs as `profkit record` leaves them, and trials of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from profkit.machine import Machine
from profkit.repeatable import trial_of
from profkit.run import Run
from profkit.what_if import Change, Trial

MACHINE = Machine("AMD EPYC", "avx512", cores=4, memory_bytes=2**34, system="Linux 6.1")


def run_of(implementation: str = "pytorch", **changes: Any) -> Run:
    """A run of `mnist_cnn` on a machine of four cores."""
    settings = {"device": "cpu", "mode": "train", "workers": "0", "cpu_capability": "AVX512"}
    run = Run(
        tool="wallclock",
        workload="mnist_cnn",
        implementation=implementation,
        machine=MACHINE,
        batch_size=8,
        threads=1,
        warmup=2,
        seed=0,
        step_ns=(1_000_000,) * 20,
        settings={**settings, **changes.pop("settings", {})},
        build={"type": "Release"} if implementation == "libtorch" else {},
    )
    return replace(run, **changes)


def trial(implementation: str = "pytorch", **changes: Any) -> Trial:
    return trial_of(run_of(implementation, **changes), "A")


def labels(change: Change, one: Trial, other: Trial) -> list[str]:
    """What a change tries, after it was asked whether it applies."""
    assert change.refusal(one, other) is None
    return [variant.label for variant in change.variants(one, other)]


def only(change: Change, one: Trial) -> Trial:
    """The one trial that a change makes."""
    (variant,) = change.variants(one, one)
    return variant.trial
