"""Run: where one recording comes from. It lies beside the artefact as `run.json` and inside every profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

import msgspec

from profkit.errors import InputError
from profkit.evidence import Evidence
from profkit.machine import Machine

T = TypeVar("T")

RUN_FILE, PROFILE_FILE = "run.json", "profile.json"
"""What a run directory holds beside the artefacts."""


@dataclass(frozen=True)
class Agreement:
    """How far an implementation is from another on the same weights and the same batches.

    Differences are relative to the largest value of a tensor where that is above one, else absolute. The largest
    float stands for a difference that is infinite or no number.

    Attributes:
        reference: name of the implementation compared with.
        steps: training steps taken by both.
        exact: largest difference of the output from float64 arithmetic: what rounding alone does.
        output: largest difference of the outputs of the first batch, before training.
        loss: largest difference of the losses over all steps.
        weight: largest difference of the weights after the last step.
        tolerance: largest difference that rounding explains where it is not measured.
        statistics: largest difference of the running statistics of batch norm after the last step.
        excess: largest share of what rounding explains that any difference takes, tensor by tensor; above one is too
            much. None in runs from before it was measured: then the differences are held against the tolerance.
        worst: what has that share.
    """

    reference: str
    steps: int
    exact: float
    output: float
    loss: float
    weight: float
    tolerance: float
    statistics: float = 0.0
    excess: float | None = None
    worst: str = ""

    @property
    def holds(self) -> bool:
        """Whether every difference is what rounding explains (a NaN is not)."""
        if self.excess is not None:
            return self.excess <= 1
        return all(
            value <= self.tolerance for value in (self.exact, self.output, self.loss, self.weight, self.statistics)
        )


@dataclass(frozen=True)
class Run:
    """Provenance of one recording; whatever is not known is None or empty.

    Attributes:
        workload: name of the network and its training recipe.
        options: options of the workload (`batch_size`, `filters1`, ...) as chosen.
        implementation: who ran it (`pytorch`, `libtorch`).
        tool: recorder or, for an imported file, the format.
        tool_version: version of the tool.
        versions: of torch, Python, the compiler and so on.
        machine: where it ran.
        command: command line of the recorded program, without the tool.
        threads: intra-operator threads.
        affinity: logical processors that the program was bound to.
        build: compiler, build type and flags of a compiled program; torch's own build summary.
        settings: gradient and evaluation mode, backend flags, instruction set in use.
        batch_size: samples in a step.
        warmup: steps discarded before the region.
        steps: steps in the region, over all repeats.
        repeats: fresh processes.
        seed: of weights and data.
        bundle_sha256: digest of the weights and batches; equal digests mean equal work.
        artefacts: raw files of the tool, relative to the run directory.
        artefact_sha256: digest of each.
        directory: where the artefacts lie, relative to the folder of the profile file; None where they lie beside it.
        sampling_period_ns: for samplers.
        step_ns: times of the steps of the same program without the tool.
        tool_step_ns: times of the recorded steps, by the program's own clock.
        commit: git commit of the directory that the run was started in.
        recorded_at: UTC, ISO 8601.
        agreement: result of the comparison with the reference; None where it was not made.
        evidence: what else was seen, to judge a comparison by.
    """

    tool: str
    workload: str | None = None
    options: dict[str, int | float | str] = field(default_factory=dict)
    implementation: str | None = None
    tool_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    machine: Machine | None = None
    command: tuple[str, ...] = ()
    threads: int | None = None
    affinity: tuple[int, ...] | None = None
    build: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    batch_size: int | None = None
    warmup: int | None = None
    steps: int | None = None
    repeats: int | None = None
    seed: int | None = None
    bundle_sha256: str | None = None
    artefacts: tuple[str, ...] = ()
    artefact_sha256: tuple[str, ...] = ()
    sampling_period_ns: int | None = None
    step_ns: tuple[int, ...] = ()
    tool_step_ns: tuple[int, ...] = ()
    commit: str | None = None
    recorded_at: str | None = None
    agreement: Agreement | None = None
    directory: str | None = None
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def slowdown(self) -> float | None:
        """Median step with the tool over median step without it; None where either was not timed, or to no time."""
        plain = median(self.step_ns) if self.step_ns else 0
        under = median(self.tool_step_ns) if self.tool_step_ns else 0
        return under / plain if under > 0 and plain > 0 else None


def decode(data: bytes, kind: type[T], source: str) -> T:
    """Read a typed value from JSON.

    Args:
        data: JSON text.
        kind: the frozen dataclass to make of it.
        source: where the text comes from, for the error.

    Raises:
        InputError: not JSON, or not that type; the message names the offending field.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{source} is not a {kind.__name__.lower()}: {error}", "record or import it again") from error
