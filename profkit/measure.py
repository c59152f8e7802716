"""Record: workload x implementation x recorder -> a run directory with the artefact, `run.json` and the profile.

The same program runs first without the tool, so that every recording knows its tool's slowdown.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from profkit.agree import agreement_of
from profkit.artefact import sha256
from profkit.bundle import Bundle
from profkit.errors import MissingToolError, UsageError
from profkit.implementations import Implementation
from profkit.loader import load_run
from profkit.machine import this_machine
from profkit.native import Say, build
from profkit.prepare import Task, prepare
from profkit.profile import Profile
from profkit.programs import ENVIRONMENT, Course, run_program
from profkit.provenance import commit
from profkit.recorders import Recorder
from profkit.run import Run
from profkit.write import whole_directory, write_whole

RUN_FILE, PROFILE_FILE = "run.json", "profile.json"
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
    """

    task: Task
    implementation: Implementation
    recorder: Recorder
    course: Course
    repeats: int = 1
    agree: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


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
    say("preparing weights and batches")
    bundle = prepare(request.task)
    command = request.implementation.command(say)
    extension = _extension(request, say)
    course = request.course
    agreement = (
        agreement_of(request.implementation, bundle, course.threads, say, course.device) if request.agree else None
    )
    final = runs / _name(request)
    with whole_directory(final, "--runs names a directory to write to; nothing was kept") as directory:
        without = _run(request, command, bundle, "without the tool", say, untooled=True)
        reports, artefacts = [], []
        for repeat in range(request.repeats):
            artefact = directory / _artefact_name(request, repeat)
            wrapped = request.recorder.wrap([*command, *extension], artefact)
            title = f"under {request.recorder.name}" + (
                f" {repeat + 1}/{request.repeats}" if request.repeats > 1 else ""
            )
            reports.append(_run(request, wrapped, bundle, title, say))
            artefacts.append(artefact)
        run = replace(
            _provenance(request, bundle, without, reports),
            command=_portable([*command, "--bundle", str(bundle.path), *course.flags()]),
            artefacts=tuple(artefact.name for artefact in artefacts),
            artefact_sha256=tuple(sha256(artefact) for artefact in artefacts),
            agreement=agreement,
        )
        write_whole(directory / RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
        say("reading the artefact")
        profile = load_run(directory)
        profile.write(directory / PROFILE_FILE)
    return profile, final


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
    for program, hint in request.recorder.needs.items():
        if shutil.which(program) is None:
            raise MissingToolError(f"{request.recorder.name} needs '{program}', which is not on PATH", hint)
    if request.implementation.language not in request.recorder.languages:
        languages = " and ".join(request.recorder.languages)
        raise UsageError(
            f"{request.recorder.name} records {languages} programs, and {request.implementation.name} is "
            f"{request.implementation.language}"
        )
    network = request.task.workload.network(request.task.options)
    if reason := request.implementation.why_not(network, request.course.device):
        who, what = request.implementation.name, request.task.workload.name
        raise UsageError(
            f"{who} cannot run {what} on {request.course.device}: {reason}",
            "profkit agree --workload all --impl all shows what runs where",
        )


def _extension(request: Request, say: Say) -> list[str]:
    """The flag that hands Python the compiled client requests, where the tool listens to them."""
    if not request.recorder.client_requests or request.implementation.language != "python":
        return []
    return ["--extension", str(build(say).extension)]


def _run(
    request: Request, command: list[str], bundle: Bundle, title: str, say: Say, *, untooled: bool = False
) -> dict[str, Any]:
    """Run the program once and return its report."""
    course = request.course
    if untooled:
        course = replace(course, steps=max(course.steps or 0, min(UNTOOLED_STEPS, _affordable(request.task))))
    environment = {**request.recorder.environment, **request.environment}
    title = f"running {request.implementation.name} {title}"
    say(title)
    return run_program(
        command, bundle, course, lambda line: say(f"{title}: {line or 'starting'}"), environment=environment
    )


def _environment(request: Request) -> dict[str, str]:
    """Variables that may change what the program does or how fast."""
    return {**ENVIRONMENT, **request.environment}


def _artefact_name(request: Request, repeat: int) -> str:
    name = Path(request.recorder.artefact)
    return name.name if request.repeats == 1 else f"{name.stem}-{repeat + 1}{name.suffix}"


def _provenance(request: Request, bundle: Bundle, without: dict[str, Any], reports: list[dict[str, Any]]) -> Run:
    """Everything that is known of the run but the artefacts and the agreement."""
    said = reports[0]
    version = _tool_version(request.recorder) or said["versions"].get("torch")
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
        settings={**said["settings"], **_environment(request)},
        batch_size=request.task.batch_size,
        warmup=request.course.warmup,
        steps=(request.course.steps or 0) * request.repeats,
        repeats=request.repeats,
        seed=request.task.seed,
        bundle_sha256=bundle.sha256,
        step_ns=tuple(without["step_ns"]),
        tool_step_ns=tuple(time for report in reports for time in report["step_ns"]),
        commit=commit(),
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _portable(command: list[str]) -> tuple[str, ...]:
    """The command without the places that only this machine has: a file is called by its name."""
    return tuple(Path(part).name if Path(part).is_absolute() else part for part in command)


def _tool_version(recorder: Recorder) -> str | None:
    if recorder.version is None:
        return None
    return subprocess.run(recorder.version, capture_output=True, text=True, check=False).stdout.strip() or None


def _name(request: Request) -> str:
    """Name of a run directory: time, workload, implementation, tool, and a part that tells two apart."""
    parts = (request.task.workload.name, request.implementation.name, request.recorder.name)
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{'-'.join(parts)}-{secrets.token_hex(3)}"
