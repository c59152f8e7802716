"""Export: a profile, an artefact or a run directory to the file of another viewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from profkit.aggregate import aggregate
from profkit.artefact import read_head
from profkit.cache import cache_directory
from profkit.errors import DataError, InputError, UsageError, WriteError
from profkit.exporters import Exporter, Material, write_file
from profkit.flame_graph.places import of_profile, of_recordings
from profkit.loader import artefacts, load, recordings, sniff
from profkit.profile import is_profile, read_profile
from profkit.run import PROFILE_FILE
from profkit.viewers import Request
from profkit.write import whole_directory

FIRST_PORT, LAST_PORT = 1024, 65535


def material(path: Path) -> Material:
    """Read what there is to export.

    Stacks lie in the artefact only. Where the artefact of a profile cannot be read any more, they are made of its
    operator table, and the notes of the forest say so.

    Args:
        path: profile, artefact or run directory.

    Raises:
        InputError: it cannot be read.
    """
    if path.is_dir() or not is_profile(read_head(path)):
        read = recordings(path)
        profile = aggregate(read)
        return Material(profile, of_recordings(read, profile.metric), _torch_traces(path))
    profile = read_profile(path)
    try:
        forest = of_recordings(recordings(path), profile.metric)
        return Material(profile, forest, _torch_traces(path))
    except (InputError, DataError) as error:
        forest = of_profile(profile)
        return Material(profile, replace(forest, notes=(error.message, *forest.notes)))


def table_only(path: Path) -> Material:
    """The same for exporters that draw no stacks.

    Raises:
        InputError: it cannot be read.
    """
    profile = aggregate(recordings(path)) if path.is_dir() else load(path)
    return Material(profile, of_profile(profile))


def write(exporter: Exporter, what: Material, output: Path) -> None:
    """Write the file or the directory, whole or not at all.

    Raises:
        WriteError: it cannot be written.
        MissingToolError: the exporter needs a package that is not installed.
    """
    if exporter.render is not None:
        write_file(exporter.render(what), output)
    if exporter.write_directory is not None:
        with whole_directory(output, "nothing was written; free space or choose another place") as directory:
            exporter.write_directory(what, directory)


def open_request(path: Path, port: int | None) -> Request:
    """What a viewer needs to open a profile, an artefact or a run directory.

    Raises:
        UsageError: a port that is none, or that only the system may use.
        InputError: it cannot be read.
        WriteError: there is no place for the viewer's file.
    """
    if port is not None and not FIRST_PORT <= port <= LAST_PORT:
        raise UsageError(f"--port is {port}", f"{FIRST_PORT} to {LAST_PORT}")
    what = material(path)
    folder = cache_directory() / "opened"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make {folder}: {error.strerror}", "PROFKIT_CACHE names another directory") from error
    return Request(what, stem(path), port, folder)


def stem(path: Path) -> str:
    """Name without endings: `python.json` and `python.json.gz` are `python`, the profile of a run is its directory."""
    path = path.resolve()
    name = path.name.partition(".")[0] or path.name
    return path.name if path.is_dir() else path.parent.name if path.name == PROFILE_FILE else name


def default_output(exporter: Exporter, path: Path) -> Path:
    """Name of the file in the current directory where nobody gives one: `python.json` becomes `python.csv`."""
    return Path(stem(path) + (exporter.suffix or f"-{exporter.name}"))


def _torch_traces(path: Path) -> tuple[Path, ...]:
    found = artefacts(path)
    return found if all(sniff(file).name == "kineto" for file in found) else ()
