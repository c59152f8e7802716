"""The directory of a benchmark: which sweep it is for, a file a finished run, and the tables that are made of them.

`sweep.json` says what is measured, where and with what; nothing else may be measured into the directory. `runs/` has
the reports. Every file is written whole.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import InputError, UsageError, WriteError
from profkit.machine import Machine, this_machine
from profkit.measures import Results, Table, cell_table, epoch_table, results_json, run_table
from profkit.sweep import Cell, Sweep
from profkit.write import write_whole

SWEEP_FILE, RUNS = "sweep.json", "runs"
CHECKPOINTS, RECONSTRUCTIONS = "checkpoints", "reconstructions"
TABLES: Mapping[str, Callable[[Results], Table]] = {
    "results.csv": cell_table,
    "runs.csv": run_table,
    "epochs.csv": epoch_table,
}


@dataclass(frozen=True)
class RunFile:
    """One finished run as it is kept.

    Attributes:
        cell: what ran.
        repeat: which fresh process, from 0.
        report: of the program, whole.
        machine: where it ran.
        versions: of the libraries, as the program says.
        commit: git commit of the directory that it was started in.
        recorded_at: UTC, ISO 8601.
        bundle_sha256: digest of the weights and data; equal digests mean equal work.
        duration_s: from the start of the process to its end.
    """

    cell: Cell
    repeat: int
    report: dict[str, Any]
    machine: Machine
    versions: dict[str, str]
    commit: str | None
    recorded_at: str
    bundle_sha256: str
    duration_s: float


@dataclass(frozen=True)
class SweepFile:
    """What a directory is for; nothing else may be measured into it.

    Attributes:
        configuration: see `Sweep.configuration`.
        machine: where it runs.
        versions: of profkit, torch and Python.
    """

    configuration: dict[str, Any]
    machine: Machine
    versions: dict[str, str]


def open_directory(directory: Path, sweep: Sweep) -> SweepFile:
    """Make the directory of a sweep, or make sure that it is this sweep's.

    Raises:
        UsageError: it belongs to another sweep or another machine, or is no directory of a sweep.
        WriteError: it cannot be made.
    """
    about = SweepFile(sweep.configuration(), this_machine(), _versions())
    path = directory / SWEEP_FILE
    if path.exists():
        _must_equal(_decode(path, SweepFile, "give another --output"), about, directory)
        return about
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already and holds no sweep", "give another --output")
    try:
        (directory / RUNS).mkdir(parents=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {directory}: {error.strerror}", "--output names a directory to write to"
        ) from error
    write_whole(path, msgspec.json.format(_json(about), indent=2) + b"\n")
    return about


def finished_runs(directory: Path, planned: Sequence[Cell], repeats: int) -> Iterator[RunFile]:
    """The runs of these cells that are kept.

    Raises:
        InputError: one cannot be read.
    """
    for cell in planned:
        for path in (run_file(directory, cell, repeat) for repeat in range(repeats)):
            if path.exists():
                yield _decode(path, RunFile, "the same command measures it again once it is deleted")


def keep(run: RunFile, directory: Path) -> None:
    """Write a finished run.

    Raises:
        WriteError: it cannot be written.
    """
    write_whole(run_file(directory, run.cell, run.repeat), _json(run))


def run_file(directory: Path, cell: Cell, repeat: int) -> Path:
    """Where a run is kept."""
    return directory / RUNS / f"{cell.key}-{repeat}.json"


def checkpoint_file(directory: Path, cell: Cell, repeat: int) -> Path:
    """Where a training run keeps its state; the directory is made."""
    return _folder(directory, CHECKPOINTS) / f"{cell.key}-{repeat}.pt"


def reconstruction_file(directory: Path, cell: Cell) -> Path:
    """Where the pictures are kept that an autoencoder made; the directory is made."""
    return _folder(directory, RECONSTRUCTIONS) / f"{cell.workload}-{cell.implementation}-{cell.device}-{cell.key}.npz"


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make {folder}: {error.strerror}", "--output names a directory to write to") from error
    return folder


def save(results: Results, directory: Path) -> None:
    """Write the tables, each whole."""
    write_whole(directory / "results.json", msgspec.json.format(_json(results_json(results)), indent=2) + b"\n")
    for name, table in TABLES.items():
        heads, rows = table(results)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([heads, *rows])
        write_whole(directory / name, text.getvalue().encode())


def _must_equal(old: SweepFile, new: SweepFile, directory: Path) -> None:
    was, now = (
        {**each.configuration, **asdict(each.machine), **{f"version of {n}": v for n, v in each.versions.items()}}
        for each in (old, new)
    )
    # Through JSON, so that tuples and lists are the same.
    was, now = (msgspec.json.decode(msgspec.json.encode(each)) for each in (was, now))
    different = [
        f"{name} was {_said(was.get(name))}, now {_said(now[name])}" for name in now if was.get(name) != now[name]
    ]
    if different:
        raise UsageError(
            f"{directory} holds another sweep: {'; '.join(different)}",
            "results never mix: give another --output, or delete the directory",
        )


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "not given"
    if isinstance(value, dict):
        return " ".join(f"{name}={_said(each)}" for name, each in value.items()) or "not given"
    return "not given" if value is None else str(value)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("profkit", "torch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _decode(path: Path, kind: type[Any], hint: str) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is broken: {error}", hint) from error
