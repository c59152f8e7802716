"""From two files to one tree of differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from profkit.export import material
from profkit.exporters import Material
from profkit.flame_graph.difference import Difference, Side, difference
from profkit.flame_graph.forest import Forest
from profkit.flame_graph.places import TABLE, of_profile
from profkit.profile import Profile
from profkit.run import Run


def difference_of(baseline: Path, candidate: Path) -> Difference:
    """Compare the stacks of two profiles, artefacts or run directories.

    Two tools do not see the same functions. Where the tools differ, or the artefact of a profile cannot be read any
    more, the stacks of both sides are phase, layer and operator, as their tables have them.

    Args:
        baseline: A.
        candidate: B.

    Raises:
        InputError: a file cannot be read.
    """
    read = material(baseline), material(candidate)
    tables = _tool(read[0].profile.run) != _tool(read[1].profile.run) or any(TABLE in one.forest.notes for one in read)
    left, right = (_side(one, tables) for one in read)
    return difference(left, right)


def _tool(run: Run) -> str:
    """What decides which functions are seen: torch's recorder writes what other programs of torch write."""
    return {"torch": "kineto"}.get(run.tool, run.tool)


def _side(what: Material, table: bool) -> Side:
    run = what.profile.run
    name = ", ".join(part for part in (run.workload, run.implementation, run.tool) if part)
    period = run.sampling_period_ns if what.profile.unit == "samples" else None
    forest = _table(what.profile, what.forest) if table else what.forest
    return Side(name, forest, run.steps, run.implementation, what.profile.unit, period)


def _table(profile: Profile, read: Forest) -> Forest:
    """The operator table without symbols, which are each tool's own; why it is taken, if the stacks are not there."""
    operators = profile.operators
    place = operators.column_names.index("symbol")
    known = operators.set_column(place, operators.schema.field("symbol"), operators["operator"])
    reasons = read.notes[:-1] if TABLE in read.notes else ()
    forest = of_profile(replace(profile, operators=known))
    return replace(forest, notes=(*reasons, *forest.notes))
