"""Record: workload x implementation x recorder -> a run directory with the artefact, `run.json` and the profile.

The same program runs without the tool before each run under it, so that every recording knows its tool's slowdown; the
first of those runs leaves what it takes to judge a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from profkit.agree import agreement_of
from profkit.bundle import Bundle
from profkit.companion import Attaching
from profkit.errors import ProgramError, UsageError
from profkit.implementations import Implementation
from profkit.machine import this_machine
from profkit.native import Say, build
from profkit.observe_run import Observed, evidence_of, observe
from profkit.options import Options
from profkit.prepare import Task, prepare
from profkit.profile import Profile
from profkit.programs import ENVIRONMENT, Course, run_program
from profkit.provenance import commit
from profkit.recorders import Recorder, refusal, require
from profkit.run import Run
from profkit.run_directory import (
    artefact_name,
    attaching,
    finish,
    limit_s,
    period_ns,
    portable,
    run_directory,
    settle,
    tool_version,
)

UNTOOLED_STEPS = 20
FEWEST_STEPS, FEWEST_WARMUP = 3, 1
BUDGET_MACS = 2 * 10**11
"""Multiply-adds forward that a run is worth where nobody says how many steps: half a minute of two processor cores."""


@dataclass(frozen=True)
class Request:
    """What to record.

    Attributes:
        task: the work: workload, options, batch size, seed and data.
        implementation: who does it.
        recorder: under which tool.
        course: how to go through the work; its steps are the region's.
        repeats: fresh processes.
        agree: whether to compare with the reference implementation.
        environment: further variables for the program.
        settings: of the tool, over its defaults.
        limit_s: time that a run may take [s].
    """

    task: Task
    implementation: Implementation
    recorder: Recorder
    course: Course
    repeats: int = 1
    agree: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Options = field(default_factory=dict)
    limit_s: float | None = None


def record(request: Request, runs: Path, say: Say) -> tuple[Profile, Path]:
    """Record once and read what was recorded.

    Args:
        request: what to record.
        runs: directory that the run directory is made in.
        say: told what is going on.

    Returns:
        The profile and the run directory.

    Raises:
        ProfkitError: a tool is missing, the build or the program fails, or nothing can be written. Then there is no
            run directory.
    """
    _check(request)
    settings = request.recorder.settings(request.settings)
    if caution := request.recorder.caution(settings):
        say(caution)
    say("preparing weights and batches")
    bundle = prepare(request.task)
    command = request.implementation.command(say)
    course = request.course
    agreement = (
        agreement_of(request.implementation, bundle, course.threads, say, course.device) if request.agree else None
    )
    parts = (request.task.workload.name, request.implementation.name, request.recorder.name)
    with run_directory(runs, parts) as (directory, final):
        run, artefacts = _measured(_Job(request, command, bundle, say), directory)
        run = replace(
            run,
            command=portable([*command, "--bundle", str(bundle.path), *course.flags()]),
            sampling_period_ns=period_ns(request.recorder, settings),
            agreement=agreement,
        )
        say("reading the artefact")
        profile = finish(directory, run, artefacts)
    return profile, final


@dataclass(frozen=True)
class _Job:
    """What every run of one recording needs: what was asked for, what to start, the work, and who is told."""

    request: Request
    command: list[str]
    bundle: Bundle
    say: Say


@dataclass(frozen=True)
class _Recorded:
    """One run of the program under the tool: its report, the tool's artefact, and what the tool said of itself."""

    report: dict[str, Any]
    artefact: Path
    settings: dict[str, str]


def _measured(job: _Job, directory: Path) -> tuple[Run, list[Path]]:
    """Run the program without and under the tool, in turns, so that both see the machine at the same times.

    Returns:
        What is known of it, and the artefacts.
    """
    report, observed = _observed(job)
    without, under = [report], [_under_tool(job, directory, 0)]
    for repeat in range(1, job.request.repeats):
        without.append(_without_tool(job, repeat))
        under.append(_under_tool(job, directory, repeat))
    run = _provenance(job.request, job.bundle, without, [recorded.report for recorded in under])
    run.settings.update(under[0].settings)
    evidence = evidence_of(job.request.task, observed, without, _flushed_step_ns(job, observed))
    return replace(run, evidence=evidence), [recorded.artefact for recorded in under]


def _under_tool(job: _Job, directory: Path, repeat: int) -> _Recorded:
    """Run the program under the tool."""
    request = job.request
    recorder, settings = request.recorder, request.recorder.settings(request.settings)
    artefact = directory / artefact_name(recorder, settings, repeat, request.repeats)
    title = f"under {recorder.name}{_numbered(request, repeat)}"
    extension = _extension(request, job.say)
    wrapped = [*recorder.wrap(job.command, artefact, settings), *_flags(recorder, artefact), *extension]
    attached = attaching(recorder, settings, artefact)
    report = _run(replace(job, command=wrapped), request.course, title, attached=attached)
    return _Recorded(report, artefact, settle(recorder, settings, artefact))


def _without_tool(job: _Job, repeat: int, *, more: Sequence[str] = ()) -> dict[str, Any]:
    """Run the program without the tool, for more steps where the tool has few; returns its report."""
    course = _longer(job.request)
    return _run(job, course, f"without the tool{_numbered(job.request, repeat)}", more=more)


def _observed(job: _Job) -> tuple[dict[str, Any], Observed]:
    """Run the program without the tool and look at what it leaves."""
    request = job.request
    with TemporaryDirectory(prefix="profkit-evidence-") as folder:
        report = _without_tool(job, 0, more=("--evidence", folder))
        job.say("looking at weights and inputs")
        return report, observe(Path(folder), job.bundle, request.course.mode, synthetic=request.task.data is None)


def _flushed_step_ns(job: _Job, observed: Observed) -> list[int]:
    """Steps with subnormal numbers taken as zero, where there are any on the host; else empty."""
    found, course = observed.subnormals, job.request.course
    share = max(found.weights, found.state or 0.0, found.activations or 0.0)
    if not share or course.flush_denormals or course.device != "cpu":
        return []
    job.say(f"{share:.2%} of the numbers are subnormal, most in {found.worst}: once more without them")
    try:
        report = _run(job, replace(_longer(job.request), flush_denormals=True), "flushing subnormal numbers")
    except ProgramError as error:
        job.say(f"cannot flush subnormal numbers: {error}")
        return []
    times: list[int] = report["step_ns"]
    return times


def _longer(request: Request) -> Course:
    """The course with enough steps to time a run without the tool by."""
    steps = max(request.course.steps or 0, min(UNTOOLED_STEPS, _affordable(request.task)))
    return replace(request.course, steps=steps)


def _numbered(request: Request, repeat: int) -> str:
    return f" {repeat + 1}/{request.repeats}" if request.repeats > 1 else ""


def default_course(recorder: Recorder, task: Task, course: Course) -> Course:
    """Fill in steps that are None and a warm-up that is negative: the tool's, but fewer for a large network."""
    affordable = _affordable(task)
    return replace(
        course,
        steps=course.steps if course.steps is not None else min(recorder.steps, max(affordable, FEWEST_STEPS)),
        warmup=course.warmup if course.warmup >= 0 else min(recorder.warmup, max(affordable // 4, FEWEST_WARMUP)),
    )


def _affordable(task: Task) -> int:
    """Training steps that fit the budget."""
    return BUDGET_MACS // max(task.workload.network(task.options).macs * task.batch_size, 1)


def _check(request: Request) -> None:
    """Refuse before any work is done."""
    request.course.check()
    if request.repeats < 1:
        raise UsageError(f"--repeats is {request.repeats}", "1 or more")
    recorder, implementation = request.recorder, request.implementation
    if reason := recorder.refuses.get(implementation.language):
        raise refusal(recorder, f"--impl {implementation.name}", implementation.language, reason)
    require(recorder)
    network = request.task.workload.network(request.task.options)
    if reason := request.implementation.why_not(network, request.course.device):
        who, what = request.implementation.name, request.task.workload.name
        raise UsageError(
            f"{who} cannot run {what} on {request.course.device}: {reason}",
            "profkit agree --workload all --impl all shows what runs where",
        )


def _flags(recorder: Recorder, artefact: Path) -> list[str]:
    """What tells a runner of the tool."""
    return ["--tool", recorder.name, *(["--artefact", str(artefact)] if recorder.inside else [])]


def _extension(request: Request, say: Say) -> list[str]:
    """The flag that hands Python the compiled client requests, where the tool listens to them."""
    if not request.recorder.client_requests or request.implementation.language != "python":
        return []
    return ["--extension", str(build(say).extension)]


def _run(
    job: _Job, course: Course, title: str, *, attached: Attaching | None = None, more: Sequence[str] = ()
) -> dict[str, Any]:
    """Run the program once and return its report."""
    request, say = job.request, job.say
    title = f"running {request.implementation.name} {title}"
    say(title)
    return run_program(
        job.command,
        job.bundle,
        course,
        lambda line: say(f"{title}: {line or 'starting'}"),
        environment={**request.recorder.environment, **request.environment},
        more=more,
        attaching=attached,
        limit_s=limit_s(request.recorder, request.recorder.settings(request.settings), request.limit_s),
    )


def _chosen(request: Request) -> dict[str, str]:
    """What else may change what the program does or how fast: variables, and where its work comes from."""
    task = request.task
    return {
        **ENVIRONMENT,
        **request.environment,
        "data": "synthetic" if task.data is None else "files",
        "subset": "all" if task.subset is None else str(task.subset),
        "weights": "drawn" if task.weights is None else task.weights.name,
    }


def _provenance(
    request: Request, bundle: Bundle, without: Sequence[dict[str, Any]], reports: Sequence[dict[str, Any]]
) -> Run:
    """Everything that is known of the run but the artefacts and the agreement."""
    said = reports[0]
    version = tool_version(request.recorder) or said["versions"].get("torch")
    return Run(
        tool=request.recorder.name,
        tool_version=version,
        workload=request.task.workload.name,
        options=dict(request.task.workload.complete(request.task.options)),
        implementation=request.implementation.name,
        versions=said["versions"],
        machine=this_machine(),
        threads=said["threads"],
        affinity=tuple(said["affinity"]) if said["affinity"] else None,
        build=said["build"],
        settings={**said["settings"], **_chosen(request)},
        batch_size=request.task.batch_size,
        warmup=request.course.warmup,
        steps=(request.course.steps or 0) * request.repeats,
        repeats=request.repeats,
        seed=request.task.seed,
        bundle_sha256=bundle.sha256,
        step_ns=tuple(time for report in without for time in report["step_ns"]),
        tool_step_ns=tuple(time for report in reports for time in report["step_ns"]),
        commit=commit(),
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
