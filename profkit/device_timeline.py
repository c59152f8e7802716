"""What a trace with clocks tells of its steps and devices: time covered, kernels that outlive their step, launches."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from profkit.chrome_trace.records import LAUNCHING
from profkit.columns import NONE, Flags, Ints, to_codes, to_integers
from profkit.profile import Recording

_WAITING = re.compile(
    r"(?:(?:cuda|hip)(?:Device|Stream|Event)Synchronize\w*|cu(?:Ctx|Stream|Event)Synchronize\w*"
    r"|(?:cuda|hip)(?:Memcpy|Memset)(?:2D|3D)?(?:WithStream|ToSymbol|FromSymbol)?(?:_ptsz|_ptds)?"
    r"|hipMemcpy(?:DtoH|HtoD|DtoD)|urQueueFinish|urEventWait)\Z"
)
"""Calls that return when the device is done: synchronisations, and copies that are not asynchronous."""
_STEP = re.compile(r"ProfilerStep#\d+\Z")


@dataclass(frozen=True)
class Timeline:
    """Of one recording; None where the trace does not tell.

    Attributes:
        steps: number of steps that are marked.
        step_ns: time that they take together; 0 without any.
        covered_ns: the part of it in which anything but steps and scopes runs, on any thread or device; where there
            are only scopes, anything but the steps.
        device_ns, late_device_ns, launches, kernels_without_launch, synchronisations, steps_ns, outlived_ns: as
            `evidence.Trace`.
    """

    steps: int | None = None
    step_ns: int = 0
    covered_ns: int = 0
    device_ns: int | None = None
    late_device_ns: int | None = None
    launches: int | None = None
    kernels_without_launch: int | None = None
    synchronisations: int | None = None
    steps_ns: int | None = None
    outlived_ns: int | None = None


def timeline(recording: Recording) -> Timeline:
    """Read the timeline of a placed recording; an empty one where its records have no start."""
    records = recording.records
    if records["start_ns"].null_count == records.num_rows or recording.calls is not None:
        return Timeline()
    kind, kinds = to_codes(records["kind"])
    name, names = to_codes(records["symbol"])
    start, total = to_integers(records["start_ns"]), to_integers(records["total_ns"])
    step = to_integers(records["step"])
    on_device = kind == _code(kinds, "kernel")
    marks = _flagged(names, _STEP, name) & ~on_device & (step >= 0)
    steps = len(np.unique(step[marks]))
    seen = Timeline()
    if steps:
        covering = _covering(to_integers(records["parent_id"]), kind == _code(kinds, "scope"), marks)
        inside, outside = _union(start[marks], total[marks]), _union(start[covering], total[covering])
        both = np.concatenate((start[marks], start[covering])), np.concatenate((total[marks], total[covering]))
        span = int((start + total)[marks].max() - start[marks].min())
        seen = Timeline(steps, inside, inside + outside - _union(*both), steps_ns=span)
    calls = kind == _code(kinds, "runtime")
    if not on_device.any() and not calls.any():
        return seen
    device = np.flatnonzero(on_device)
    launched = _flagged(names, LAUNCHING, name) & calls
    # Outside of the steps the profiler itself waits for the devices before it stops.
    waits = _flagged(names, _WAITING, name) & calls & ((step >= 0) | (not steps))
    has_calls = bool(calls.any())
    late, outlived = _late(start, start + total, step, marks, device)
    return replace(
        seen,
        device_ns=int(total[device].sum()),
        late_device_ns=late,
        outlived_ns=outlived,
        launches=int(np.count_nonzero(launched)) if has_calls else None,
        kernels_without_launch=records["launcher_id"].take(device).null_count if has_calls else None,
        synchronisations=int(np.count_nonzero(waits)) if has_calls else None,
    )


def _code(kinds: list[str], kind: str) -> int:
    return kinds.index(kind) if kind in kinds else NONE - 1


def _flagged(names: list[str], pattern: re.Pattern[str], name: Ints) -> Flags:
    return np.array([*(pattern.match(text) is not None for text in names), False], bool)[name]


def _covering(parent: Ints, scope: Flags, marks: Flags) -> Flags:
    """The outermost records that are no scopes; where all are, the outermost below the steps."""
    beside = ~scope if not scope.all() else ~marks
    return beside & np.append(~beside, True)[parent]


def _union(start: Ints, duration: Ints) -> int:
    """Length of all intervals together, overlaps once [ns]."""
    if not len(start):
        return 0
    order = np.argsort(start, kind="stable")
    begin = start[order]
    reach = np.maximum.accumulate(begin + duration[order])
    gaps = np.maximum(begin[1:] - reach[:-1], 0)
    return int(reach[-1] - begin[0] - gaps.sum())


def _late(start: Ints, end: Ints, step: Ints, marks: Flags, device: Ints) -> tuple[int | None, int | None]:
    """Time of kernels after the end of the step that launched them, and how long the last one outlives all steps.

    Returns:
        Two times [ns]; None where no kernel is of a known step.
    """
    known = device[step[device] >= 0]
    if not len(known):
        return None, None
    step_end = np.zeros(int(step.max()) + 1, np.int64)
    np.maximum.at(step_end, step[marks], end[marks])
    after = end[known] - np.maximum(start[known], step_end[step[known]])
    return int(np.maximum(after, 0).sum()), max(int(end[known].max() - step_end.max()), 0)
