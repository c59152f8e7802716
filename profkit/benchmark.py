"""Benchmark: measure every cell of a sweep in fresh processes, keep each run as it ends, and go on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from profkit.agree import agreement_of
from profkit.bundle import Bundle
from profkit.checkpoints import unfinished
from profkit.errors import (
    DisagreementError,
    InputError,
    InterruptedRunError,
    MissingToolError,
    ProgramError,
    UsageError,
)
from profkit.implementations import REFERENCE, Implementation
from profkit.machine import Machine
from profkit.measures import Measured, Omission, Results, values_of
from profkit.prepare import Task, prepare
from profkit.programs import Course, run_program
from profkit.provenance import commit
from profkit.reconstructions import results_file
from profkit.sweep import Cell, Sweep, cells, order
from profkit.sweep_directory import (
    RunFile,
    checkpoint_file,
    finished_runs,
    keep,
    open_directory,
    reconstruction_file,
    save,
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A cell that is ready to be measured.

    Attributes:
        cell: which.
        bundle: its work.
        command: its program.
        course: how the program goes through the work.
        reconstruction: where to keep what an autoencoder makes of pictures; None where nobody asks.
    """

    cell: Cell
    bundle: Bundle
    command: list[str]
    course: Course
    reconstruction: Path | None = None


@dataclass
class Ledger:
    """What is known so far, by the cell and the repeat.

    Attributes:
        runs: finished.
        durations: of them, by the key of their cell [s].
        bundles: digest of the work that they did, by the key of their cell without its implementation.
        omissions: what has no numbers.
    """

    runs: dict[tuple[Cell, int], Measured] = field(default_factory=dict)
    durations: dict[str, list[float]] = field(default_factory=dict)
    bundles: dict[Cell, str] = field(default_factory=dict)
    omissions: list[Omission] = field(default_factory=list)

    def add(self, run: RunFile) -> None:
        """Take a finished run."""
        measured = Measured(run.cell, run.repeat, values_of(run.report), tuple(run.report["epochs"]))
        self.runs[run.cell, run.repeat] = measured
        self.durations.setdefault(run.cell.key, []).append(run.duration_s)
        self.bundles[run.cell.by("")] = run.bundle_sha256


def bench(sweep: Sweep, directory: Path, say: Say) -> Results:
    """Measure what is not yet measured.

    Args:
        sweep: what to measure.
        directory: of the results; one that has results of the same sweep is continued.
        say: told what is going on.

    Returns:
        Everything that is measured, and what is missing with the reason; `require` turns those into an error.

    Raises:
        UsageError: the sweep makes no sense, no cell of it can run, or the directory is another sweep's.
        InputError: the data, or a run of an earlier invocation, cannot be read.
        BuildError: an implementation cannot be built.
        InterruptedRunError: on Ctrl-C.
    """
    sweep.check()
    fitting, ledger = _fitting(sweep)
    about = open_directory(directory, sweep)
    planned = cells(sweep)
    for run in finished_runs(directory, planned, sweep.repeats):
        ledger.add(run)
    before = len(ledger.runs)
    try:
        _measure(_jobs(sweep, fitting, ledger, say), sweep, directory, ledger, about.machine, say)
    except KeyboardInterrupt:
        total = len(fitting) * sweep.repeats
        raise InterruptedRunError(
            f"interrupted with {len(ledger.runs)} of {total} runs finished, {len(ledger.runs) - before} of them now",
            f"they lie in {directory}, and the same command continues with the others",
        ) from None
    place = {cell: number for number, cell in enumerate(planned)}
    results = Results(
        about.configuration,
        about.machine,
        about.versions,
        tuple(sorted(ledger.runs.values(), key=lambda run: (place[run.cell], run.repeat))),
        tuple(sorted(ledger.omissions, key=lambda each: (place[each.cell], each.repeat or 0))),
    )
    save(results, directory)
    return results


def require(results: Results) -> None:
    """Turn what failed into an error, after all that did not.

    Raises:
        DisagreementError: an implementation does not compute what the reference does; it was not measured.
        ProgramError: a run failed.
    """
    wrong = dict.fromkeys(each.cell.implementation for each in results.omissions if each.kind == "disagrees")
    if wrong:
        raise DisagreementError(
            f"{' and '.join(wrong)} does not compute what {REFERENCE} computes",
            "its cells were not measured: times of implementations that disagree must not be compared",
        )
    failed = [each for each in results.omissions if each.kind == "failed"]
    if failed:
        raise ProgramError(
            f"{len(failed)} of {len(failed) + len(results.runs)} runs failed: {failed[0].reason}",
            "the same command tries them again and keeps the others",
        )


def course_of(sweep: Sweep, cell: Cell, bundle: Bundle | None = None) -> Course:
    """How the program of a cell goes through its bundle."""
    return Course(
        mode="infer" if cell.mode == "latency" else cell.mode,
        steps=sweep.steps,
        epochs=sweep.epochs,
        warmup=sweep.warmup,
        threads=cell.threads,
        device=cell.device,
        workers=cell.workers,
        deterministic=sweep.deterministic,
        cudnn_benchmark=sweep.cudnn_benchmark,
        flush_denormals=sweep.flush_denormals,
        data=bundle.data if bundle is not None and sweep.loader == "native" else None,
        resume=sweep.resume,
    )


def task_of(sweep: Sweep, cell: Cell) -> Task:
    """The work of a cell; the same for every implementation and device."""
    workload = next(workload for workload in sweep.workloads if workload.name == cell.workload)
    # As text, every value is checked against the type of its option: 2.5 is no number of layers.
    options = {name: str(value) for name, value in cell.options}
    return Task(
        workload,
        cell.batch_size,
        options,
        cell.seed,
        sweep.data,
        sweep.subset,
        epochs=sweep.epochs,
        weights=sweep.weights,
    )


def seconds_left(pending: Sequence[Cell], durations: Mapping[str, Sequence[float]]) -> float | None:
    """How long the pending runs will take, from the finished ones; None before the first.

    Args:
        pending: the cell of each run that is not finished.
        durations: of finished runs by the key of their cell [s]; a cell without any is taken as the mean of all.
    """
    means = {key: sum(own) / len(own) for key, own in durations.items()}
    if not means:
        return None
    typical = sum(means.values()) / len(means)
    return sum(means.get(cell.key, typical) for cell in pending)


def _fitting(sweep: Sweep) -> tuple[list[Cell], Ledger]:
    """The cells that can run here, and in the ledger why the others cannot.

    Raises:
        UsageError: there are none; the first reason.
    """
    implementations = {implementation.name: implementation for implementation in sweep.implementations}
    fitting, ledger, errors = [], Ledger(), []
    for cell in cells(sweep):
        course_of(sweep, cell).check()
        task = task_of(sweep, cell)
        try:
            network = task.workload.network(task.options)
        except UsageError as error:
            errors.append(error)
            ledger.omissions.append(Omission(cell, "skipped", error.message))
            continue
        reason = implementations[cell.implementation].why_not(network, cell.device)
        if reason is None:
            fitting.append(cell)
        else:
            ledger.omissions.append(Omission(cell, "skipped", reason))
    if not fitting:
        raise errors[0] if errors else _nothing(ledger)
    return fitting, ledger


def _nothing(ledger: Ledger) -> UsageError:
    reasons = dict.fromkeys(each.reason for each in ledger.omissions)
    return UsageError(f"nothing of this can run here: {'; '.join(reasons)}", "choose another --impl or --device")


def _jobs(sweep: Sweep, fitting: Sequence[Cell], ledger: Ledger, say: Say) -> dict[Cell, Job]:
    """Make ready what is not finished: bundles, programs and their agreement.

    Raises:
        UsageError: the batch size or the subset fits no cell.
    """
    implementations = {implementation.name: implementation for implementation in sweep.implementations}
    jobs: dict[Cell, Job] = {}
    errors = []
    unfinished = [cell for cell in fitting if any((cell, repeat) not in ledger.runs for repeat in range(sweep.repeats))]
    for number, cell in enumerate(unfinished):
        say(f"preparing {number + 1}/{len(unfinished)}, {describe(cell)}")
        try:
            job = _job(sweep, cell, implementations[cell.implementation], say)
            _same_work(job, ledger)
            kind, reason = _objection(implementations[cell.implementation], job, say) if sweep.agree else ("", "")
        except (UsageError, MissingToolError) as error:
            errors.append(error)
            kind, reason = "skipped", error.message
        except ProgramError as error:
            kind, reason = "failed", error.message
        if kind:
            ledger.omissions.append(Omission(cell, kind, reason))
        else:
            jobs[cell] = job
    if errors and len(errors) == len(fitting):
        raise errors[0]
    return jobs


def _job(sweep: Sweep, cell: Cell, implementation: Implementation, say: Say) -> Job:
    bundle = prepare(task_of(sweep, cell))
    return Job(cell, bundle, implementation.command(say), course_of(sweep, cell, bundle))


def _objection(implementation: Implementation, job: Job, say: Say) -> tuple[str, str]:
    """Why an implementation must not be measured on this work: kind and reason, both empty where it agrees."""
    agreement = agreement_of(implementation, job.bundle, job.course.threads, say, device=job.course.device)
    if agreement.holds:
        return "", ""
    return "disagrees", (
        f"differs from {agreement.reference} after {agreement.steps} training steps: {agreement.worst} by "
        f"{agreement.excess or 0:.3g} times what rounding explains"
    )


def _same_work(job: Job, ledger: Ledger) -> None:
    """Refuse to measure beside runs that had other data or weights."""
    before = ledger.bundles.get(job.cell.by(""), job.bundle.sha256)
    if before != job.bundle.sha256:
        raise InputError(
            f"the data or the initial weights changed since the first runs: digest {before[:12]}, "
            f"now {job.bundle.sha256[:12]}",
            "give another --output, or delete the directory",
        )


def _measure(
    jobs: Mapping[Cell, Job], sweep: Sweep, directory: Path, ledger: Ledger, machine: Machine, say: Say
) -> None:
    """Run what is not finished and keep each run as it ends."""
    wanted = order(list(jobs), sweep.repeats)
    pending = [(cell, repeat) for cell, repeat in wanted if (cell, repeat) not in ledger.runs]
    for number, (cell, repeat) in enumerate(pending):
        left = seconds_left([other for other, _ in pending[number:]], ledger.durations)
        title = f"run {number + 1}/{len(pending)}, {_left(left)}{describe(cell)}, repeat {repeat + 1}"
        say(title)
        try:
            run = _run(_prepared(jobs[cell], repeat, sweep, directory), repeat, machine, partial(_tell, say, title))
        except ProgramError as error:
            ledger.omissions.append(Omission(cell, "failed", error.message, repeat))
            continue
        keep(run, directory)
        ledger.add(run)


def _prepared(job: Job, repeat: int, sweep: Sweep, directory: Path) -> Job:
    """The job of one repeat, with the files that this run keeps beside its report."""
    course = job.course
    if sweep.checkpoint:
        file = checkpoint_file(directory, job.cell, repeat)
        course = replace(course, checkpoint=file, resume=file if unfinished(file, course) else course.resume)
    shows = repeat == 0 and task_of(sweep, job.cell).workload.network(dict(job.cell.options)).target == "inputs"
    return replace(job, course=course, reconstruction=reconstruction_file(directory, job.cell) if shows else None)


def _run(job: Job, repeat: int, machine: Machine, watch: Callable[[str], None]) -> RunFile:
    """One fresh process."""
    recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
    start = time.monotonic()
    with results_file(job.reconstruction, job.bundle) as more:
        report = run_program(job.command, job.bundle, job.course, watch, more=more)
    return RunFile(
        cell=job.cell,
        repeat=repeat,
        report=report,
        machine=machine,
        versions=report["versions"],
        commit=commit(),
        recorded_at=recorded_at,
        bundle_sha256=job.bundle.sha256,
        duration_s=time.monotonic() - start,
    )


def _tell(say: Say, title: str, line: str) -> None:
    """Pass on what a program says of its progress."""
    say(f"{title}: {line or 'starting'}")


def describe(cell: Cell) -> str:
    """`convnet pytorch cpu, batch 8, kernel_size 3`: what a person needs to know which run it is."""
    options = "".join(f", {name} {value}" for name, value in cell.options)
    return f"{cell.workload} {cell.implementation} {cell.device}, batch {cell.batch_size}{options}"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = seconds / 60
    if minutes >= 90:
        return f"{minutes / 60:.1f} h left, "
    return f"{minutes:.0f} min left, " if minutes >= 1.5 else f"{seconds:.0f} s left, "
