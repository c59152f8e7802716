"""Load: any file to a Profile. A profile is read; an artefact is recognised by its content, imported and aggregated."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from profkit.aggregate import aggregate
from profkit.artefact import read_head, sha256
from profkit.errors import InputError
from profkit.importers import Importer
from profkit.layers import place
from profkit.profile import Profile, Recording, is_profile, read_profile
from profkit.registry import discover
from profkit.run import RUN_FILE, Run, decode
from profkit.trace_facts import with_trace


@dataclass(frozen=True)
class _Artefacts:
    """Raw files of one run, and what is known of it: None where the files are all there is."""

    files: tuple[Path, ...]
    run: Run | None


@dataclass(frozen=True)
class Read:
    """What came of reading a file.

    Attributes:
        path: of the file.
        profile: None where it cannot be read.
        tool_totals: the tool's own totals, by its own names; empty where the file does not tell them.
        error: why it cannot be read.
    """

    path: Path
    profile: Profile | None = None
    tool_totals: Mapping[str, int] = field(default_factory=dict)
    error: InputError | None = None


def read_all(paths: Sequence[Path], say: Callable[[str], None]) -> list[Read]:
    """Read files one by one; one that cannot be read does not keep the others from it."""
    results = []
    for path in paths:
        say(f"reading {path.name}")
        try:
            results.append(_read(path))
        except InputError as error:
            results.append(Read(path, error=error))
    return results


def require_read(results: Sequence[Read]) -> None:
    """Check that every file was read.

    Raises:
        InputError: that of the first that was not.
    """
    for result in results:
        if result.error:
            raise result.error


def _read(path: Path) -> Read:
    if is_profile(read_head(path)):
        return Read(path, read_profile(path))
    read = _placed(_of_artefact(path))
    return Read(path, _profile(read), {name: total for one in read for name, total in one.tool_totals.items()})


def load(path: Path) -> Profile:
    """Read a profile, or import an artefact.

    An artefact that lies in a run directory gets the provenance of its `run.json`.

    Raises:
        InputError: the file cannot be read or is of no known format.
    """
    if is_profile(read_head(path)):
        return read_profile(path)
    return _profile(_placed(_of_artefact(path)))


def load_run(directory: Path) -> Profile:
    """Import all artefacts of a run directory as the repeats of one run.

    Raises:
        InputError: `run.json` or an artefact cannot be read.
    """
    return _profile(_placed(_of_run(directory)))


def _profile(read: Sequence[Recording]) -> Profile:
    return with_trace(aggregate(read), read)


def recordings(path: Path) -> list[Recording]:
    """The recordings behind a file, placed in layers: stacks and times that an operator table no longer has.

    Args:
        path: an artefact, a run directory, or a profile whose artefacts are still where they were.

    Raises:
        InputError: it cannot be read, or an artefact of a profile is gone or has changed since.
    """
    return _placed(_of(path))


def artefacts(path: Path) -> tuple[Path, ...]:
    """The raw files of an artefact, a run directory or a profile.

    Raises:
        InputError: as `recordings`.
    """
    return _of(path).files


def located(profile: Profile, source: Path, output: Path) -> Profile:
    """The profile as it is to be written to `output`: it says where its artefacts lie, so that they are found again.

    Args:
        profile: of `source`.
        source: the artefact, the run directory or the other profile that it was read from.
        output: where it is to be written.

    Raises:
        InputError: the artefact cannot be read.
    """
    folder, run = source.parent, profile.run
    if source.is_dir():
        folder = source
    elif is_profile(read_head(source)):
        folder = source.parent / (run.directory or "")
    elif not run.artefact_sha256 or source.name not in run.artefacts:
        run = replace(run, artefacts=(source.name,), artefact_sha256=(sha256(source),))
    relative = os.path.relpath(folder.resolve(), output.parent.resolve())
    return replace(profile, run=replace(run, directory=None if relative == "." else relative))


def sniff(path: Path) -> Importer:
    """The importer for a file, by its first bytes.

    Raises:
        InputError: none recognises it.
    """
    head = read_head(path)
    importers = discover("profkit.importers", Importer)
    for importer in importers.values():
        if importer.sniff(head):
            return importer
    raise InputError(f"{path} is of no format that profkit knows", f"known: {', '.join(importers)}")


def _of(path: Path) -> _Artefacts:
    if path.is_dir():
        return _of_run(path)
    return _of_profile(path) if is_profile(read_head(path)) else _of_artefact(path)


def _of_artefact(path: Path) -> _Artefacts:
    about = path.parent / RUN_FILE
    if about.is_file():
        run = _read_run(path.parent)
        if path.name in run.artefacts and len(run.artefacts) == 1:
            return _Artefacts((path,), run)
    return _Artefacts((path,), None)


def _of_run(directory: Path) -> _Artefacts:
    run = _read_run(directory)
    return _Artefacts(tuple(directory / name for name in run.artefacts), run)


def _read_run(directory: Path) -> Run:
    about = directory / RUN_FILE
    try:
        data = about.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {about}: {error.strerror}", "name a run directory or an artefact") from error
    return decode(data, Run, str(about))


def _of_profile(path: Path) -> _Artefacts:
    run = read_profile(path).run
    if not run.artefacts:
        raise InputError(f"{path} does not say which artefact it was made from", "import the artefact again")
    folder = path.parent / (run.directory or "")
    files = tuple(folder / name for name in run.artefacts)
    digests = run.artefact_sha256 or ("",) * len(files)
    for file, digest in zip(files, digests, strict=True):
        if not file.is_file():
            raise InputError(f"the artefact of {path} is gone: {file}", "put it back, or import it where it lies now")
        if digest and sha256(file) != digest:
            raise InputError(f"the artefact of {path} has changed since: {file}", "import it again")
    told = replace(run, directory=None, evidence=replace(run.evidence, trace=None))
    # Without digests nobody else has said more of the run than the artefact itself.
    return _Artefacts(files, told if run.artefact_sha256 else None)


def _placed(found: _Artefacts) -> list[Recording]:
    """Read and place the recordings; what the recorder knew of the run wins over what the artefact says."""
    read: Sequence[Recording] = [sniff(file).load(file) for file in found.files]
    run = found.run
    if run is not None:
        read = [
            replace(recording, run=_told(recording.run, replace(run, artefacts=(name,), artefact_sha256=(digest,))))
            for recording, name, digest in zip(read, run.artefacts, run.artefact_sha256, strict=True)
        ]
    return [place(recording) for recording in read]


def _told(found: Run, told: Run) -> Run:
    return replace(
        told,
        versions=found.versions | told.versions,
        settings=found.settings | told.settings,
        steps=_steps(found, told),
        sampling_period_ns=told.sampling_period_ns or found.sampling_period_ns,
    )


def _steps(found: Run, told: Run) -> int | None:
    """Whole steps in one artefact: one that the program did not come to the end of is none, though a tool marked it."""
    if told.steps is None:
        return found.steps
    of_one = told.steps // (told.repeats or 1)
    return of_one if found.steps is None else min(found.steps, of_one)
