"""Record: workload x implementation x recorder -> a run directory with the artefact, `run.json` and the profile.

The same program runs first without the tool, so that every recording knows its tool's slowdown.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from profkit.agree import agreement_of
from profkit.artefact import sha256
from profkit.bundle import Bundle
from profkit.errors import MissingToolError, UsageError, WriteError
from profkit.implementations import Implementation
from profkit.loader import load_run
from profkit.machine import this_machine
from profkit.native import build
from profkit.prepare import Task, prepare
from profkit.process import run_watched
from profkit.profile import Profile
from profkit.recorders import Recorder
from profkit.run import Run
from profkit.write import write_whole

RUN_FILE, PROFILE_FILE = "run.json", "profile.json"
UNTOOLED_STEPS = 20

ENVIRONMENT = {
    # Without these, whether glibc gives a freed tensor back to the system, and so whether the next one costs page
    # faults, hangs on chance details of the heap: one and the same program then takes up to 1.7 times as long.
    "GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=1073741824",
    # Instruction counts of the interpreter repeat only if its dictionaries do.
    "PYTHONHASHSEED": "0",
}
"""Set for every recorded program, in every language, and kept in the run's settings."""


@dataclass(frozen=True)
class Request:
    """What to record.

    Attributes:
        task: the work: workload, options, batch size, seed and data.
        implementation: who does it.
        recorder: under which tool.
        steps: in the region, 1 or more.
        warmup: steps before it.
        repeats: fresh processes.
        threads: intra-operator threads.
        agree: whether to compare with the reference implementation.
        environment: further variables for the program.
    """

    task: Task
    implementation: Implementation
    recorder: Recorder
    steps: int
    warmup: int
    repeats: int = 1
    threads: int = 1
    agree: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


def record(request: Request, runs: Path, say: Callable[[str], None]) -> tuple[Profile, Path]:
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
    agreement = agreement_of(request.implementation, bundle, request.threads, say) if request.agree else None
    with _run_directory(runs, request) as directory:
        shared = ["--bundle", str(bundle.path), "--threads", str(request.threads)]
        without = _runner(request, [*command, *shared], directory, "without the tool", say, untooled=True)
        reports = []
        artefacts = []
        for repeat in range(request.repeats):
            artefact = directory / _artefact_name(request, repeat)
            wrapped = request.recorder.wrap([*command, *shared, *extension], artefact)
            title = f"under {request.recorder.name}" + (
                f" {repeat + 1}/{request.repeats}" if request.repeats > 1 else ""
            )
            reports.append(_runner(request, wrapped, directory, title, say))
            artefacts.append(artefact)
        run = replace(
            _provenance(request, bundle, without, reports),
            command=_portable([*command, *shared]),
            artefacts=tuple(artefact.name for artefact in artefacts),
            artefact_sha256=tuple(sha256(artefact) for artefact in artefacts),
            agreement=agreement,
        )
        write_whole(directory / RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
        say("reading the artefact")
        profile = load_run(directory)
        profile.write(directory / PROFILE_FILE)
    return profile, _final(directory)


def _check(request: Request) -> None:
    """Refuse before any work is done."""
    for name, value in (("steps", request.steps), ("repeats", request.repeats), ("threads", request.threads)):
        if value < 1:
            raise UsageError(f"--{name} is {value}", "1 or more")
    if request.warmup < 0:
        raise UsageError(f"--warmup is {request.warmup}", "0 or more")
    for program, hint in request.recorder.needs.items():
        if shutil.which(program) is None:
            raise MissingToolError(f"{request.recorder.name} needs '{program}', which is not on PATH", hint)
    if request.implementation.language not in request.recorder.languages:
        languages = " and ".join(request.recorder.languages)
        raise UsageError(
            f"{request.recorder.name} records {languages} programs, and {request.implementation.name} is "
            f"{request.implementation.language}"
        )


def _extension(request: Request, say: Callable[[str], None]) -> list[str]:
    """The flag that hands Python the compiled client requests, where the tool listens to them."""
    if not request.recorder.client_requests or request.implementation.language != "python":
        return []
    return ["--extension", str(build(say).extension)]


def _runner(
    request: Request,
    command: list[str],
    directory: Path,
    title: str,
    say: Callable[[str], None],
    *,
    untooled: bool = False,
) -> dict[str, Any]:
    """Run the program once and return its report."""
    steps = max(request.steps, UNTOOLED_STEPS) if untooled else request.steps
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        progress, report = Path(scratch, "progress"), Path(scratch, "report.json")
        flags = [
            "--warmup",
            str(request.warmup),
            "--steps",
            str(steps),
            "--report",
            str(report),
            "--progress",
            str(progress),
        ]
        environment = {**request.recorder.environment, **_environment(request)}
        name = request.implementation.name
        say(f"running {name} {title}")
        run_watched(
            [*command, *flags], environment, progress, lambda line: say(f"running {name} {title}: {line or 'starting'}")
        )
        return msgspec.json.decode(report.read_bytes(), type=dict[str, Any])


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
        options={**request.task.workload.options, **request.task.options},
        implementation=request.implementation.name,
        versions=said["versions"],
        machine=this_machine(),
        threads=said["threads"],
        affinity=tuple(said["affinity"]) if said["affinity"] else None,
        build=said["build"],
        settings={**said["settings"], **_environment(request)},
        batch_size=request.task.batch_size,
        warmup=request.warmup,
        steps=request.steps * request.repeats,
        repeats=request.repeats,
        seed=request.task.seed,
        bundle_sha256=bundle.sha256,
        step_ns=tuple(without["step_ns"]),
        tool_step_ns=tuple(time for report in reports for time in report["step_ns"]),
        commit=_commit(),
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _portable(command: list[str]) -> tuple[str, ...]:
    """The command without the places that only this machine has: a file is called by its name."""
    return tuple(Path(part).name if Path(part).is_absolute() else part for part in command)


def _tool_version(recorder: Recorder) -> str | None:
    if recorder.version is None:
        return None
    return subprocess.run(recorder.version, capture_output=True, text=True, check=False).stdout.strip() or None


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


@contextmanager
def _run_directory(runs: Path, request: Request) -> Iterator[Path]:
    """A directory that takes its name when everything in it is whole, and goes when anything fails."""
    parts = (request.task.workload.name, request.implementation.name, request.recorder.name)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{'-'.join(parts)}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".partial", dir=runs))
    except OSError as error:
        raise WriteError(f"cannot write to {runs}: {error.strerror}", "--runs names a directory to write to") from error
    try:
        yield partial
        partial.chmod(0o755)
        partial.rename(_final(partial))
    except OSError as error:
        raise WriteError(
            f"cannot write the run: {error}", "nothing was kept; free space or choose another --runs"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _final(partial: Path) -> Path:
    """Name of the run directory: time, workload, implementation, tool, and a part that tells two apart."""
    return partial.with_name(partial.name.removesuffix(".partial"))
