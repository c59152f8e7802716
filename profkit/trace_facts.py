"""What an artefact itself tells of how it came about: what share of it is the steps, and whether it is whole.

Pure, from recordings to `evidence.Trace`, and a column at a time. Functions are told by their names: a share is of what
lies under functions that import or read, so that it is no more than the tool's own cost, however they call each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import schema
from profkit.callgraph import weighted_calls
from profkit.calltree import inherit
from profkit.columns import NONE, Flags, Ints, counts, to_codes, to_integers, valid
from profkit.device_timeline import Timeline, timeline
from profkit.evidence import Trace
from profkit.frame_roles import IMPORTING, READING, functions, matching, tools
from profkit.profile import Profile, Recording
from profkit.propagate import Floats, nearest
from profkit.propagate import Ints as Rows

SAMPLERS = ("py-spy", "collapsed", "perf", "scalene", "speedscope")
ELSEWHERE = re.compile(r"^<frozen |/(?:site|dist)-packages/|/lib/python[\d.]+/")
"""Files of Python code that is not the program's own."""
_PROGRAM = 0
"""Among codes of tools, which then begin at 1: the program's own Python."""


@dataclass(frozen=True)
class _Costs:
    """Costs of one recording by what its functions do; None where the names of its records cannot tell.

    Attributes:
        whole: of all records that the shares are of.
        importing, reading: callees included.
        other_tools: by tool; with every tool that is on the stack, though it may have no cost of its own.
    """

    whole: int = 0
    importing: float | None = None
    reading: float | None = None
    other_tools: dict[str, float] = field(default_factory=dict)


def with_trace(profile: Profile, recordings: Sequence[Recording]) -> Profile:
    """The profile with the facts of its recordings; what its run has of them already stays where these are None."""
    evidence = profile.run.evidence
    found = trace_facts(recordings, profile.operators)
    if evidence.trace is not None:
        told = evidence.trace
        found = replace(found, **{
            name: value for name, value in vars(told).items() if getattr(found, name) in (None, {})
        })  # fmt: skip
    return replace(profile, run=replace(profile.run, evidence=replace(evidence, trace=found)))


def trace_facts(recordings: Sequence[Recording], operators: pa.Table) -> Trace:
    """Gather the facts of the recordings of one run: counts are summed, shares are of all of them together.

    Args:
        recordings: placed in layers.
        operators: the operator table of all of them.
    """
    lines = [timeline(recording) for recording in recordings]
    costs = [_costs(recording) for recording in recordings]
    whole = sum(cost.whole for cost in costs) or 1
    tools_seen = {
        name: sum(cost.other_tools.get(name, 0.0) for cost in costs) for cost in costs for name in cost.other_tools
    }
    return Trace(
        covered=_covered(recordings, lines, operators),
        steps=_summed(_steps(recording, line) for recording, line in zip(recordings, lines, strict=True)),
        samples=_summed(_samples(recording) for recording in recordings),
        samples_in_steps=_summed(_samples_in_steps(recording) for recording in recordings),
        importing=_share((cost.importing for cost in costs), whole),
        reading=_share((cost.reading for cost in costs), whole),
        device_ns=_summed(line.device_ns for line in lines),
        late_device_ns=_summed(line.late_device_ns for line in lines),
        launches=_summed(line.launches for line in lines),
        launches_without_kernel=_summed(
            recording.launches_without_kernel
            for recording, line in zip(recordings, lines, strict=True)
            if line.launches is not None
        ),
        kernels_without_launch=_summed(line.kernels_without_launch for line in lines),
        synchronisations=_summed(line.synchronisations for line in lines),
        broken=_summed(_broken(recording) for recording in recordings),
        steps_ns=_summed(line.steps_ns for line in lines),
        outlived_ns=_summed(line.outlived_ns for line in lines),
        other_tools={name: min(cost / whole, 1.0) for name, cost in sorted(tools_seen.items())},
    )


def _summed(values: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _share(costs: Iterable[float | None], whole: int) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return min(max(sum(known) / whole, 0.0), 1.0) if known else None


def _broken(recording: Recording) -> int:
    """Events that the importer repaired or lost, and samples that the sampler itself said it failed to take."""
    errors = recording.run.settings.get("sample_errors", "")
    return recording.broken + (int(errors) if errors.isdecimal() else 0)


def _covered(recordings: Sequence[Recording], lines: Sequence[Timeline], operators: pa.Table) -> float | None:
    """Of steps with a clock, the time in which anything runs; of samples, those with a stack.

    Of instructions, the share that has an operator or a phase.
    """
    if step_ns := sum(line.step_ns for line in lines):
        return sum(line.covered_ns for line in lines) / step_ns
    if all(_is_sampled(recording) for recording in recordings):
        samples = sum(_samples(recording) or 0 for recording in recordings)
        return 1 - sum(_without_stack(recording) for recording in recordings) / samples if samples else None
    if any(recording.calls is None for recording in recordings):
        return None
    metric = _metric(operators)
    placed = pc.or_(pc.is_valid(operators["operator"]), pc.is_valid(operators["phase"]))
    cost, of_steps = pc.sum(operators[metric]).as_py(), pc.sum(operators[metric].filter(placed)).as_py()
    return of_steps / cost if cost and of_steps else None


def _without_stack(recording: Recording) -> int:
    """Samples of no function at all."""
    records = recording.records
    nothing = np.ones(records.num_rows, bool)
    for name in ("parent_id", "symbol", "file", "library"):
        nothing &= ~valid(records[name])
    return int(counts(records["samples"])[nothing].sum())


def _steps(recording: Recording, line: Timeline) -> int | None:
    """Steps that marks or labels tell; a sampler sees only those that a sample fell into."""
    if recording.calls is None:
        return line.steps
    step = to_integers(recording.records["step"])
    return len(np.unique(step[step >= 0])) or None


def _is_sampled(recording: Recording) -> bool:
    return recording.run.tool in SAMPLERS and recording.records["samples"].null_count < recording.records.num_rows


def _samples(recording: Recording) -> int | None:
    return int(counts(recording.records["samples"]).sum()) if _is_sampled(recording) else None


def _samples_in_steps(recording: Recording) -> int | None:
    """Samples under frames that profkit names steps, phases and layers by, and those that torch's tell a phase of.

    Without profkit's frames these are too few by what a training loop does between its calls of torch.
    """
    if not _is_sampled(recording):
        return None
    records = recording.records
    samples = counts(records["samples"])
    kind, kinds = to_codes(records["kind"])
    scope = kind == (kinds.index("scope") if "scope" in kinds else NONE - 1)
    inside = _below(to_integers(records["parent_id"]), scope)
    inside |= (to_integers(records["step"]) >= 0) | (to_codes(records["phase"])[0] >= 0)
    return int(samples[inside].sum()) if inside.any() else None


def _metric(table: pa.Table) -> str:
    return next((name for name in schema.METRICS if table[name].null_count < table.num_rows), "self_ns")


def _costs(recording: Recording) -> _Costs:
    """What the functions of a recording do; the costs of devices are no function's."""
    records = recording.records
    own = counts(records[_metric(records)])
    kind, kinds = to_codes(records["kind"])
    if "kernel" in kinds:
        own = np.where(kind == kinds.index("kernel"), 0, own)
    whole, used = int(own.sum()), {kinds[code] for code in np.unique(kind[kind >= 0])}
    phase, phases = to_codes(records["phase"])
    loading = phase == (phases.index("data") if "data" in phases else NONE - 1)
    if used.isdisjoint(("python", "native")) or not _sees_all(recording):
        return _Costs(whole, reading=float(own[loading].sum()) if loading.any() else None)
    function, texts = functions(records)
    tool, names = tools(texts, recording.run.tool)
    is_import, is_read = matching(texts, IMPORTING)[function], matching(texts, READING)[function] | loading
    if recording.calls is None:
        return _of_forest(recording, own, is_import, is_read, np.where(tool < 0, NONE, tool + 1)[function], names)
    return _of_graph(recording, own, is_import, is_read, tool[function], names)


def _sees_all(recording: Recording) -> bool:
    """Whether imports and readers would show: without --profile-all Scalene leaves the frames of all packages out."""
    if recording.run.tool != "scalene":
        return True
    _, files = to_codes(recording.records["file"])
    return any(ELSEWHERE.search(file) for file in files)


def _of_forest(
    recording: Recording, own: Ints, is_import: Flags, is_read: Flags, tool: Ints, names: Sequence[str]
) -> _Costs:
    """Costs under imports, under readers that are under none, and in tools.

    A tool may run the whole program (`python -m cProfile`): what the program's own Python does below it, and all that
    this calls, is none of the tool's cost.
    """
    parent = to_integers(recording.records["parent_id"])
    imports, reads = _below(parent, is_import), _below(parent, is_read)
    kind, kinds = to_codes(recording.records["kind"])
    of_program = np.isin(kind, [code for code, name in enumerate(kinds) if name != "native"])
    nearest_tool = np.where(tool < 0, np.where(of_program, _PROGRAM, NONE), tool).astype(np.int32)
    cost_of = own * ~imports
    cost = np.bincount(inherit(parent, nearest_tool).clip(0) if (tool > 0).any() else np.zeros(len(own), np.int64),
                       cost_of, minlength=len(names) + 1)  # fmt: skip
    present = {index - 1: float(cost[index]) for index in np.unique(tool[~imports]).tolist() if index > _PROGRAM}
    return _Costs(
        int(own.sum()),
        float(own[imports].sum()),
        float(own[reads & ~imports].sum()),
        {names[index]: value for index, value in present.items()},
    )


def _below(parent: Ints, flags: Flags) -> Flags:
    """Rows that are flagged or have an ancestor that is, shape (rows,)."""
    return inherit(parent, np.where(flags, 1, NONE).astype(np.int32)) >= 0 if flags.any() else flags


def _of_graph(
    recording: Recording, own: Ints, is_import: Flags, is_read: Flags, tool: Ints, names: Sequence[str]
) -> _Costs:
    """As `_of_forest`; a function belongs to its callers in proportion to the inclusive cost of its calls."""
    under = _under(recording)
    imports, reads = under(is_import), under(is_read)
    free = own * (1 - imports)
    found = {names[index]: float((free * under(tool == index)).sum()) for index in np.unique(tool[tool >= 0]).tolist()}
    return _Costs(
        int(own.sum()),
        float((own * imports).sum()),
        float((free * reads).sum()),
        {name: cost for name, cost in found.items() if cost > 0},
    )


def _under(recording: Recording) -> Callable[[Flags], Floats]:
    """Says which share of each record's cost lies under flagged functions, shape (rows,)."""
    parent = to_integers(recording.records["parent_id"])
    rows = np.arange(len(parent))
    function = np.where(parent >= 0, parent, rows)  # inlined code belongs to whom its function belongs
    calls: list[tuple[Rows, Rows, Floats]] = []

    def under(flags: Flags) -> Floats:
        shares: Floats = np.zeros(len(rows))
        sources = flags & (parent < 0)
        if sources.any():
            if not calls:
                caller, callee, weight, _ = weighted_calls(recording)
                calls.append((caller, callee, weight))
            entries = nearest(*calls[0], sources)
            shares = np.bincount(entries.row, entries.share, minlength=len(rows)).astype(np.float64)[function]
        return np.where(flags, 1.0, np.minimum(shares, 1.0))

    return under
