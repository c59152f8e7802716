"""Run directories: what every recording leaves behind, the tool's artefacts, `run.json` and the profile."""

from __future__ import annotations

import importlib.metadata
import re
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from profkit.artefact import sha256
from profkit.commands import find_program
from profkit.companion import Attaching
from profkit.loader import load_run
from profkit.options import Options
from profkit.profile import Profile
from profkit.recorders import Recorder
from profkit.run import PROFILE_FILE, RUN_FILE, Run
from profkit.write import whole_directory, write_whole


@contextmanager
def run_directory(runs: Path, parts: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """A directory to record into, and the name that it takes when the block ends.

    Args:
        runs: where it is made.
        parts: of its name, between the time and a part that tells two apart.

    Raises:
        WriteError: it cannot be written; then there is none.
    """
    words = "-".join(re.sub(r"[^\w.+-]+", "_", part) for part in parts)
    final = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{words}-{secrets.token_hex(3)}"
    with whole_directory(final, "--runs names a directory to write to; nothing was kept") as directory:
        yield directory, final


def finish(directory: Path, run: Run, artefacts: Sequence[Path]) -> Profile:
    """Write `run.json`, read the artefacts and write the profile.

    Raises:
        InputError: an artefact cannot be read.
        WriteError: the directory cannot be written to.
    """
    run = replace(
        run,
        artefacts=tuple(artefact.name for artefact in artefacts),
        artefact_sha256=tuple(sha256(artefact) for artefact in artefacts),
    )
    write_whole(directory / RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    profile = load_run(directory)
    profile.write(directory / PROFILE_FILE)
    return profile


def artefact_name(recorder: Recorder, settings: Options, repeat: int, repeats: int) -> str:
    """Name of the artefact of one repeat."""
    name = Path(recorder.artefact.format(**settings))
    return name.name if repeats == 1 else f"{name.stem}-{repeat + 1}{name.suffix}"


def attaching(recorder: Recorder, settings: Options, artefact: Path) -> Attaching | None:
    """How the recorder's tool is attached to a running program, if it is; its words go beside the artefact."""
    attachment = recorder.attachment
    if attachment is None:
        return None
    return Attaching(
        command=lambda process: attachment.command(process, artefact, settings),
        ready=attachment.ready,
        refusals=attachment.refusals,
        log=artefact.with_suffix(".log"),
    )


def settle(recorder: Recorder, settings: Options, artefact: Path) -> dict[str, str]:
    """Once the program has ended, put the artefact in its place; the tool's settings and what it counted itself."""
    told = {**recorder.settle(artefact)}
    told |= {f"{recorder.name} {name}": str(value).lower() for name, value in settings.items() if value != ""}
    log = artefact.with_suffix(".log")
    if recorder.attachment and log.exists():
        told |= recorder.attachment.counts(log.read_text(errors="replace"))
    return told


def limit_s(recorder: Recorder, settings: Options, given: float | None) -> float | None:
    """Time that a run may take [s]: what the user says, else the tool's own; None for any."""
    return recorder.limit_s(settings) if given is None else given


def period_ns(recorder: Recorder, settings: Options) -> int | None:
    """Time between two samples [ns]; None for a tool that takes none."""
    return recorder.period_ns(settings) if recorder.period_ns else None


def tool_version(recorder: Recorder) -> str | None:
    """The tool's version as it says it; None where it is torch's."""
    if recorder.version:
        program, *flags = recorder.version
        command = [find_program(program) or program, *flags]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
    return next((importlib.metadata.version(module) for module in recorder.modules), None)


def portable(command: Sequence[str]) -> tuple[str, ...]:
    """The command without the places that only this machine has: a file is called by its name."""
    return tuple(Path(part).name if Path(part).is_absolute() else part for part in command)
