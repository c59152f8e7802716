"""Golden cases of the importers of stacks: an artefact, and beside it everything that is read from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from profkit.errors import InputError
from profkit.importers import Importer
from profkit.profile import Recording

GOLDEN = Path(__file__).parents[1] / "golden"


def cases(importer: str) -> list[str]:
    return sorted(path.name for path in (GOLDEN / importer).iterdir())


def artefact(importer: str, case: str) -> Path:
    (path,) = (path for path in (GOLDEN / importer / case).iterdir() if path.name != "expected.json")
    return path


def as_json(recording: Recording) -> dict[str, Any]:
    """Everything in a recording; columns of which nothing is known are left out."""
    return {
        "tool": recording.run.tool,
        "tool_version": recording.run.tool_version,
        "command": list(recording.run.command),
        "settings": recording.run.settings,
        "artefacts": list(recording.run.artefacts),
        "sampling_period_ns": recording.run.sampling_period_ns,
        "tool_totals": dict(recording.tool_totals),
        "notes": list(recording.notes),
        "records": {
            name: values
            for name, values in recording.records.to_pydict().items()
            if any(value is not None for value in values)
        },
    }


def expected(importer: str, case: str) -> dict[str, Any]:
    return json.loads((GOLDEN / importer / case / "expected.json").read_text())


def found(importer: Importer, case: str) -> dict[str, Any]:
    return json.loads(json.dumps(as_json(importer.load(artefact(importer.name, case)))))


def read_or_refused(importer: Importer, path: Path) -> Recording | InputError:
    """What an importer makes of a damaged file; any other error is a defect."""
    try:
        return importer.load(path)
    except InputError as error:
        return error


def write(importer: Importer) -> None:
    """Record what is read now; look at the difference before it is kept."""
    for case in cases(importer.name):
        text = json.dumps(found(importer, case), indent=1)
        (GOLDEN / importer.name / case / "expected.json").write_text(text + "\n")


def self_by(recording: Recording, *columns: str, cost: str = "samples") -> dict[Any, int]:
    """Self cost by the values of some columns, or of one; what costs nothing is left out."""
    sums: dict[Any, int] = {}
    for row in recording.records.to_pylist():
        key = row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)
        sums[key] = sums.get(key, 0) + (row[cost] or 0)
    return {key: value for key, value in sums.items() if value}


def paths(recording: Recording, cost: str = "samples") -> dict[tuple[str | None, ...], int]:
    """Self cost by call path, the thread first."""
    rows = recording.records.to_pylist()
    found: dict[tuple[str | None, ...], int] = {}
    for row in rows:
        path, above = [row["symbol"]], row["parent_id"]
        while above is not None:
            path.append(rows[above]["symbol"])
            above = rows[above]["parent_id"]
        key = (row["thread"], *reversed(path))
        found[key] = found.get(key, 0) + (row[cost] or 0)
    return {key: value for key, value in found.items() if value}
