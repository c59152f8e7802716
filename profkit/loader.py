"""Load: any file to a Profile. A profile is read; an artefact is recognised by its content, imported and aggregated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from profkit.aggregate import aggregate
from profkit.artefact import read_head
from profkit.errors import InputError
from profkit.importers import Importer
from profkit.layers import place
from profkit.profile import Profile, Recording, is_profile, read_profile
from profkit.registry import discover
from profkit.run import Run, decode


def load(path: Path) -> Profile:
    """Read a profile, or import an artefact.

    An artefact that lies in a run directory gets the provenance of its `run.json`.

    Raises:
        InputError: the file cannot be read or is of no known format.
    """
    if is_profile(read_head(path)):
        return read_profile(path)
    about = path.parent / "run.json"
    if about.is_file():
        run = decode(about.read_bytes(), Run, str(about))
        if path.name in run.artefacts and len(run.artefacts) == 1:
            return _profile([sniff(path).load(path)], run)
    return _profile([sniff(path).load(path)], None)


def load_run(directory: Path) -> Profile:
    """Import all artefacts of a run directory as the repeats of one run.

    Raises:
        InputError: `run.json` or an artefact cannot be read.
    """
    about = directory / "run.json"
    run = decode(about.read_bytes(), Run, str(about))
    return _profile([sniff(directory / name).load(directory / name) for name in run.artefacts], run)


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


def _profile(recordings: Sequence[Recording], run: Run | None) -> Profile:
    """Place and aggregate recordings; `run` is what the recorder knew, and wins over what the artefact says."""
    if run is not None:
        recordings = [
            replace(recording, run=_told(recording.run, replace(run, artefacts=(name,), artefact_sha256=(digest,))))
            for recording, name, digest in zip(recordings, run.artefacts, run.artefact_sha256, strict=True)
        ]
    return aggregate([place(recording) for recording in recordings])


def _told(found: Run, told: Run) -> Run:
    return replace(
        told,
        versions=found.versions | told.versions,
        settings=found.settings | told.settings,
        steps=found.steps,
        sampling_period_ns=told.sampling_period_ns or found.sampling_period_ns,
    )
