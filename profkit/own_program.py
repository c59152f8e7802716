"""Record the user's own program, unedited: any command line, in Python or in C++, under one tool.

What runs in a Python program is `profkit.guest`; in a LibTorch program it is the preload library or the program's own
three lines. Both are told by environment variables what to record, and report how far they came.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from profkit.binary import cmake_build
from profkit.commands import NATIVE, PYTHON, SCRIPT, Program, resolve, split_python
from profkit.companion import accompanied
from profkit.errors import InputError, MissingToolError, ProfkitError, ProgramError, UsageError
from profkit.guest.plan import CLAIM, Plan
from profkit.libtorch_of import libtorch_of
from profkit.machine import this_machine
from profkit.native import Say, build, build_preload, has_own_region
from profkit.options import Options
from profkit.own_evidence import batch_size_of, own_evidence, step_times
from profkit.process import nothing, run_through
from profkit.profile import Profile
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
from profkit.runner.region import Tool

HOOK = Path(__file__).parent / "guest" / "hook"
"""Folder of the `sitecustomize` that starts `profkit.guest`."""

WITHOUT = Recorder(name="none", summary="no tool", artefact="none", format="none")

SIGNAL_STATUS = 128
"""What a shell adds to the number of the signal that killed a program."""


@dataclass(frozen=True)
class OwnRequest:
    """What to record.

    Attributes:
        command: of the user.
        recorder: under which tool.
        settings: of the tool, over its defaults.
        warmup: steps before the region.
        steps: in the region; None to record until the program ends.
        stop: whether the program ends with the region.
        marks: whether only `profkit.step()` and `profkit.region()` count.
        twice: whether to run the program without the tool first, to know the tool's slowdown.
        limit_s: time that the program may take [s].
        output: file descriptor for its standard output; None for ours.
    """

    command: Sequence[str]
    recorder: Recorder
    settings: Options = field(default_factory=dict)
    warmup: int = 3
    steps: int | None = 10
    stop: bool = False
    marks: bool = False
    twice: bool = False
    limit_s: float | None = None
    output: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        profile: of the region.
        directory: the run directory.
        exit_code: of the program, as a shell would tell it.
    """

    profile: Profile
    directory: Path
    exit_code: int


class UnrecordedError(ProfkitError):
    """The program ended by itself with an error before there was anything to record: its exit code is ours."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


def record_program(request: OwnRequest, runs: Path, say: Say) -> Outcome:
    """Run the program once under the tool and read what was recorded.

    Args:
        request: what to record.
        runs: directory that the run directory is made in.
        say: told what is going on.

    Raises:
        UnrecordedError: nothing was recorded, and the program had failed.
        ProfkitError: the program cannot be started, the tool is missing, cannot record it or fails, or nothing can be
            written. Then there is no run directory.
    """
    program = resolve(request.command)
    _check(request, program)
    preload = _preload(request, program, say)
    settings = request.recorder.settings(_defaults(request, program, preload))
    parts = (Path(program.name).stem, request.recorder.name)
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch, run_directory(runs, parts) as (directory, final):
        artefact = directory / artefact_name(request.recorder, settings, 0, 1)
        report = Path(scratch, "report.json")
        around = _around(program, preload)
        alone = _without_tool(request, program, around, say) if request.twice else {}
        variables = around | _variables(request, program, request.recorder, artefact, report, Path(scratch), say)
        command = request.recorder.wrap(list(program.command), artefact, settings)
        if caution := request.recorder.caution(settings):
            say(caution)
        say(f"running {program.name} under {request.recorder.name}")
        status = _run_once(request, settings, command, variables, artefact, Path(scratch))
        said = _said(report)
        told = settle(request.recorder, settings, artefact)
        _require_recorded(request, program, said, artefact, Path(scratch), status)
        if said.get("region") == "main":
            say(f"{program.name} has no steps that can be seen: it is recorded from its main function on")
        elif not said.get("complete", True):
            say(f"{program.name} ended after {len(said['step_ns'])} of {request.steps} steps")
        if request.recorder.always_slow and not request.twice:
            say("the slowdown by the tool is not measured; --twice runs the program without it first")
        run = _run(request, program, said)
        if alone.get("step_ns"):
            run = _with_times_of(run, program, alone)
        run.settings.update(told)
        say("reading the artefact")
        profile = finish(directory, run, [artefact])
    return Outcome(profile, final, _as_shell(status))


def _run_once(
    request: OwnRequest,
    settings: Options,
    command: list[str],
    variables: Mapping[str, str],
    artefact: Path,
    control: Path,
) -> int:
    """Run the program under the tool; returns its exit status.

    Raises:
        ProgramError: the tool could not be attached, or ended by itself.
    """
    with accompanied(attaching(request.recorder, settings, artefact), control) as companion:
        return run_through(
            command,
            variables,
            companion.attend if companion else nothing,
            output=request.output,
            limit_s=limit_s(request.recorder, settings, request.limit_s),
        )


def _check(request: OwnRequest, program: Program) -> None:
    """Refuse before the program is started."""
    recorder = request.recorder
    for name, least in {"warmup": 0, "steps": 1}.items():
        value = getattr(request, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} is {value}", f"{least} or more")
    if reason := recorder.refuses.get(program.language):
        raise refusal(recorder, program.name, program.language, reason)
    if program.language == SCRIPT and not recorder.inside and recorder.attachment is None:
        raise UsageError(
            f"{recorder.name} starts the program itself, and {program.name} is a script that starts others",
            "give the command that the script starts",
        )
    if program.language == PYTHON and (flag := split_python(program.command).isolating()):
        raise UsageError(f"Python's flag {flag} keeps profkit out of the program", "leave it out while recording")
    require(recorder)


def _defaults(request: OwnRequest, program: Program, preload: Path | None) -> Options:
    """The tool's settings as given, and where to count in a program that cannot say it."""
    settings = request.settings
    if not request.recorder.client_requests or program.language != NATIVE or "toggle" in settings:
        return settings
    says_it = preload is not None or has_own_region(Path(program.command[0]))
    return settings if says_it else {**settings, "toggle": "main"}


def _preload(request: OwnRequest, program: Program, say: Say) -> Path | None:
    """The library that has a LibTorch program tell of its steps, where it needs one and there can be one.

    Raises:
        ProfkitError: there can be none, and without it the tool has nothing to record.
    """
    path = Path(program.command[0])
    if program.language != NATIVE or "toggle" in request.settings or has_own_region(path):
        return None
    try:
        return build_preload(libtorch_of(path), say)
    except (InputError, MissingToolError, UsageError):
        if request.recorder.inside:
            raise
        return None  # Callgrind counts in any program


def _without_tool(request: OwnRequest, program: Program, around: Mapping[str, str], say: Say) -> Mapping[str, Any]:
    """Run the program without the tool; its report.

    Raises:
        UnrecordedError: it fails.
    """
    say(f"running {program.name} without the tool")
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        report = Path(scratch, "report.json")
        told = _variables(request, program, WITHOUT, Path(scratch, "none"), report, Path(scratch), say)
        variables = {**around, **told}
        status = run_through(program.command, variables, nothing, output=request.output, limit_s=request.limit_s)
        if status:
            raise UnrecordedError(
                f"{program.name} without the tool ended with {_in_words(status)}",
                "its own words are above",
                _as_shell(status),
            )
        return _said(report)


def _as_shell(status: int) -> int:
    """Exit status as a shell tells it."""
    return status if status >= 0 else SIGNAL_STATUS - status


def _in_words(status: int) -> str:
    return f"exit code {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def _variables(
    request: OwnRequest, program: Program, recorder: Recorder, artefact: Path, report: Path, control: Path, say: Say
) -> dict[str, str]:
    """The environment that has the program record itself."""
    extension = build(say).extension if recorder.client_requests and program.language == PYTHON else None
    plan = Plan(
        tool=Tool(recorder.name, artefact.absolute() if recorder.inside else None, extension, control),
        warmup=request.warmup,
        steps=request.steps,
        report=report,
        control=control,
        stop=request.stop,
        marks=request.marks,
    )
    return {**recorder.environment, **plan.variables()}


def _around(program: Program, preload: Path | None) -> dict[str, str]:
    """The variables that bring profkit into the program, before what the user has there."""
    if program.language == NATIVE:
        told = {"PROFKIT_PROGRAM": str(Path(program.command[0]).resolve())}
        return told | _before("LD_PRELOAD", str(preload), ":") if preload else {}
    return _before("PYTHONPATH", str(HOOK), os.pathsep)


def _before(variable: str, value: str, separator: str) -> dict[str, str]:
    inherited = os.environ.get(variable)
    return {variable: f"{value}{separator}{inherited}" if inherited else value}


def _said(report: Path) -> Mapping[str, Any]:
    """The program's report, empty where it made none; programs in both languages say the same."""
    return msgspec.json.decode(report.read_bytes(), type=dict[str, Any]) if report.exists() else {}


def _require_recorded(
    request: OwnRequest, program: Program, said: Mapping[str, Any], artefact: Path, control: Path, status: int
) -> None:
    """Check that there is something to read.

    Raises:
        UnrecordedError: there is not, and the program had failed.
        ProgramError: there is not.
    """
    if artefact.exists() and artefact.stat().st_size and (said.get("complete") or not said.get("reason")):
        return
    message, hint = _why_nothing(request, program, said, control)
    if status:
        raise UnrecordedError(f"{program.name} ended with {_in_words(status)}; {message}", hint, _as_shell(status))
    raise ProgramError(message, hint)


def _why_nothing(request: OwnRequest, program: Program, said: Mapping[str, Any], control: Path) -> tuple[str, str]:
    """Why nothing was recorded, and what to do."""
    nothing_was = f"nothing of {program.name} was recorded under {request.recorder.name}"
    if said.get("reason"):
        return f"{nothing_was}: {said['reason']}", "profkit doctor shows what works here"
    if said and not said["step_ns"]:
        counted, warmup = len(said["warmup_ns"]), request.warmup
        if said.get("by_marks") and not counted:
            return (
                f"{nothing_was}: it imports profkit, and has no profkit.step() or profkit.region() that it came to",
                "put one of them into the training loop, or import profkit elsewhere",
            )
        return (
            f"{nothing_was}: it ended after {counted} steps, and the warm-up is {warmup}",
            "a smaller --warmup, or a longer run",
        )
    if program.language != NATIVE and not (control / CLAIM).exists():
        return (
            f"{nothing_was}: it came to no step, that is to no call of a torch module with weights and no optimizer",
            "put `with profkit.region():` around what is to be recorded, or profkit.step() at the end of each step",
        )
    return f"{nothing_was}: the tool wrote no artefact", "the program may have been killed before it could"


def _run(request: OwnRequest, program: Program, said: Mapping[str, Any]) -> Run:
    """Everything that is known of the run but its artefacts."""
    without = () if request.recorder.always_slow else step_times(said)
    native = Path(program.command[0]) if program.language == NATIVE else None
    versions = {"torch" if name == "libtorch" else name: version for name, version in said.get("versions", {}).items()}
    return Run(
        tool=request.recorder.name,
        tool_version=tool_version(request.recorder) or versions.get("torch"),
        workload=program.name,
        versions=versions,
        machine=this_machine(),
        threads=said.get("threads"),
        affinity=_affinity(said),
        build=said.get("build", {}) | (cmake_build(native) if native else {}),
        settings={"language": program.language, **said.get("settings", {})},
        command=portable(program.command),
        batch_size=batch_size_of(said),
        warmup=request.warmup,
        steps=len(said.get("step_ns", ())) or None,
        repeats=1,
        step_ns=without,
        tool_step_ns=tuple(said.get("step_ns", ())),
        sampling_period_ns=period_ns(request.recorder, request.recorder.settings(request.settings)),
        commit=commit(),
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        evidence=own_evidence(said, native, timed=None if request.recorder.always_slow else "around"),
    )


def _with_times_of(run: Run, program: Program, alone: Mapping[str, Any]) -> Run:
    """The run with the times and the evidence of a process without the tool; tools may have run in either."""
    native = Path(program.command[0]) if program.language == NATIVE else None
    seen = own_evidence(alone, native, timed="step")
    tools = dict.fromkeys((*(run.evidence.other_tools or ()), *(seen.other_tools or ())))
    return replace(
        run,
        step_ns=tuple(alone["step_ns"]),
        evidence=replace(seen, other_tools=None if seen.other_tools is None else tuple(tools)),
    )


def _affinity(said: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Processors that the program was bound to, by its own word or as a child of this process."""
    if said.get("affinity"):
        return tuple(said["affinity"])
    return tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else None
