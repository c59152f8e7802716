"""Gate: is the candidate slower than the baseline by more than a limit, surely?

It fails only where the whole 95 % interval of the relative difference lies past the limit; instructions repeat exactly
and need no interval. What cannot be judged is said with the reason and fails nothing.

Intervals are those of `judgement`. No number of processes shows what changed on the machine between the
two recordings: record them on one quiet machine, or count instructions.

Rows are a family: at 5 % a row, one of twenty unchanged rows would fail. Their intervals are at the level of Holm
(1979), so that the chance of a false alarm among all of them together stays that of one. The total is a question of its
own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from profkit.columns import valid
from profkit.comparison import Row, diff
from profkit.errors import UsageError
from profkit.gate.judgement import (
    ENOUGH_PROCESSES,
    PROCESS_DEVIATION,
    Judgement,
    Verdict,
    exact,
    family,
    judged,
    used_processes,
)
from profkit.machine import differences
from profkit.profile import Profile
from profkit.resampling import Values
from profkit.run import Run
from profkit.summary import Key, is_host, summarise

SMALLEST_SHARE = 0.01
"""Rows below this share of the whole on both sides are not judged: doubled, they move the whole by less than noise."""
PLAIN = "step times without the tool"


@dataclass(frozen=True)
class Gate:
    """What was judged.

    Attributes:
        baseline: run of the first profile.
        candidate: run of the second.
        limit: allowed relative difference: 0.05 for 5 % more.
        by: columns that rows were judged by; empty for the total alone.
        unit: of the total.
        row_unit: of the rows.
        measured: what the total is made of.
        exact: whether rows and total are counts that repeat.
        per_step: whether costs are per step.
        processes: fresh processes that the total's steps of either side are told apart by; one where they are not
            equally many of each.
        total: the whole.
        rows: past the limit first, then unsure, undecided, within; the largest change first.
        family: rows judged together; each has the interval that keeps all of them at 95 %.
        small: rows too small to be judged.
        notes: what limits the answer.
    """

    baseline: Run
    candidate: Run
    limit: float
    by: tuple[str, ...]
    unit: str
    row_unit: str
    measured: str
    exact: bool
    per_step: bool
    processes: tuple[int, int]
    total: Judgement
    rows: tuple[Judgement, ...] = ()
    family: int = 0
    small: int = 0
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything is surely past the limit."""
        return any(judgement.verdict is Verdict.PAST for judgement in (self.total, *self.rows))


def parse_limit(text: str) -> float:
    """Read `5%` or `0.05`.

    Raises:
        UsageError: no number, negative, or 1 and more without a percent sign, which could mean either.

    >>> parse_limit("5%"), parse_limit("0.05"), parse_limit("2.5 %")
    (0.05, 0.05, 0.025)
    """
    hint = "give a limit like 5% or 0.05"
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError as error:
        raise UsageError(f"{text!r} is no limit", hint) from error
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{text!r} is no limit", f"it is a number from 0 on; {hint}")
    if text.strip().endswith("%"):
        return value / 100
    if value >= 1:
        raise UsageError(f"{text!r} could mean {value:g} % or {100 * value:g} %", hint)
    return value


@dataclass(frozen=True)
class _Rows:
    """The rows, how many were judged as a family, how many are too small, and of how many processes they are."""

    rows: tuple[Judgement, ...] = ()
    family: int = 0
    small: int = 0
    processes: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Total:
    """The whole, its unit, what it is made of, and of how many processes it is."""

    judgement: Judgement
    unit: str
    measured: str
    processes: tuple[int, int]


def gate(baseline: Profile, candidate: Profile, limit: float, by: tuple[str, ...] = ()) -> Gate:
    """Judge a candidate.

    Args:
        baseline: what it is held against.
        candidate: likewise.
        limit: allowed relative difference: 0.05 for 5 % more.
        by: columns of `summary.DIMENSIONS`: judge also each row by these. A row that only one side has is undecided,
            because a function that got another name is no slower; its cost is in the total.
    """
    sides = (baseline, candidate)
    processes = _processes(baseline.run), _processes(candidate.run)
    whole = _total(sides, processes, limit)
    total = whole.judgement
    other_work = _other_work(baseline.run, candidate.run)
    if other_work:
        total = replace(total, verdict=Verdict.UNDECIDED, reason=other_work)
    judged_rows = _rows(sides, processes, limit, by) if by and not _incomparable(sides) else _Rows()
    is_exact = baseline.unit == candidate.unit == whole.unit == "instructions"
    notes = [f"rows are undecided: {_incomparable(sides)}"] if by and _incomparable(sides) else []
    if not is_exact and min(whole.processes) < ENOUGH_PROCESSES:
        notes.append(_few_processes(whole.processes))
    if judged_rows.processes not in (None, whole.processes):
        notes.append(_other_processes(judged_rows.processes))
    return Gate(
        baseline=baseline.run,
        candidate=candidate.run,
        limit=limit,
        by=by,
        unit=whole.unit,
        row_unit=baseline.unit,
        measured=whole.measured,
        exact=is_exact,
        per_step=whole.measured == PLAIN or all(profile.run.steps for profile in sides),
        processes=whole.processes,
        total=total,
        rows=judged_rows.rows,
        family=judged_rows.family,
        small=judged_rows.small,
        notes=tuple(notes),
    )


def _incomparable(sides: tuple[Profile, Profile]) -> str:
    """Why no row can be judged; empty where rows can."""
    baseline, candidate = sides
    reason = _other_work(baseline.run, candidate.run) or _no_rows(baseline, candidate)
    return reason or (_elsewhere(baseline.run, candidate.run) if baseline.unit == "ns" else "")


def _few_processes(processes: tuple[int, int]) -> str:
    return (
        f"A has {processes[0]} and B {processes[1]} process{'es' if processes[1] != 1 else ''}: what differs between "
        f"processes was not measured and is taken as {100 * PROCESS_DEVIATION:g} %; record with --repeats 5, or count "
        "instructions (--tool callgrind)"
    )


def _other_processes(processes: tuple[int, int]) -> str:
    return f"intervals of rows are over {processes[0]} and {processes[1]} processes, by the steps under the tool"


def _other_work(baseline: Run, candidate: Run) -> str:
    """Why the two cannot be held against each other at all; empty where they can.

    Only networks of profkit say what their work is; of other programs the names may differ from build to build.
    """
    if baseline.implementation is None or candidate.implementation is None:
        return ""
    for what, values in (
        ("workload", (baseline.workload, candidate.workload)),
        ("batch size", (baseline.batch_size, candidate.batch_size)),
    ):
        if None not in values and values[0] != values[1]:
            return f"other {what}: {values[0]} and {values[1]}"
    options = {
        name: (baseline.options[name], candidate.options[name])
        for name in baseline.options.keys() & candidate.options.keys()
        if baseline.options[name] != candidate.options[name]
    }
    if options:
        name = min(options)
        return f"other option {name}: {options[name][0]} and {options[name][1]}"
    return ""


def _elsewhere(baseline: Run, candidate: Run) -> str:
    """Why times cannot be held against each other; empty where they can."""
    if baseline.machine and candidate.machine and differences(baseline.machine, candidate.machine):
        return "times of two machines say nothing of the program"
    return ""


def _no_rows(baseline: Profile, candidate: Profile) -> str:
    """Why there are no rows to judge; empty where there are."""
    if baseline.unit != candidate.unit:
        return f"A counts {baseline.unit}, B {candidate.unit}"
    if baseline.unit == "samples":
        return "samples are too coarse to tell a change surely"
    if bool(baseline.run.steps) != bool(candidate.run.steps):
        return "only one side has steps"
    for side, profile in zip("AB", (baseline, candidate), strict=True):
        if (
            profile.unit == "ns"
            and (profile.run.steps or 1) > 1
            and not valid(profile.operators["self_ns_per_step"]).any()
        ):
            return f"{side} has no costs of single steps"
    return ""


def _processes(run: Run) -> int:
    """Fresh processes that gave the times; marks tell processes from repeats in one process."""
    return len(set(run.evidence.processes)) or run.repeats or 1


def _total(sides: tuple[Profile, Profile], processes: tuple[int, int], limit: float) -> _Total:
    """Judge the whole: by times without the tool wherever both sides have them."""
    units = [profile.unit for profile in sides]
    elsewhere = _elsewhere(*(profile.run for profile in sides))
    counted = units == ["instructions", "instructions"]
    if not counted and all(profile.run.step_ns for profile in sides):
        samples = [np.asarray(profile.run.step_ns, float) for profile in sides]
        total = judged(_empty((), "cpu"), samples, processes, limit)
        if elsewhere:
            total = replace(total, verdict=Verdict.UNDECIDED, reason=elsewhere)
        elif min(values.min() for values in samples) <= 0:
            total = replace(total, verdict=Verdict.UNDECIDED, reason="there are steps that took no time")
        return _Total(total, "ns", PLAIN, used_processes(samples, processes))
    unit = units[0]
    empty = _empty((), "cpu")
    reason = _no_rows(*sides) or ("" if counted else elsewhere)
    if reason:
        return _Total(replace(empty, reason=reason), unit, "the profiles", processes)
    host = [_costs(profile) for profile in sides]
    made_of = "instructions" if counted else f"step times under {sides[0].run.tool}"
    if counted:
        return _Total(exact(empty, [float(cost.mean()) for cost in host], limit), unit, made_of, processes)
    return _Total(judged(empty, host, processes, limit), unit, made_of, used_processes(host, processes))


def _empty(key: Key, device: str) -> Judgement:
    return Judgement(key, device, None, None)


def _costs(profile: Profile) -> Values:
    """Costs of the processor in each step; one number where there are no steps."""
    samples = _samples(profile, ("category",), "cpu")
    return np.asarray(sum(samples.values(), np.zeros(1)))


def _samples(profile: Profile, by: tuple[str, ...], device: str) -> Mapping[Key, Values]:
    """Costs of each key in each step; a step of all together where steps cannot be told apart; else one number."""
    summary = summarise(profile, by, is_host(profile) == (device == "cpu"))
    whole = summary.self_cost[:, None] / (profile.run.steps or 1)
    costs = whole if summary.per_step is None else summary.per_step
    return dict(zip(summary.keys, costs.astype(float), strict=True))


def _rows(sides: tuple[Profile, Profile], processes: tuple[int, int], limit: float, by: tuple[str, ...]) -> _Rows:
    """Judge each row that is large enough."""
    found: list[Judgement] = []
    usable: list[tuple[Judgement, list[Values]]] = []
    small = 0
    is_exact = sides[0].unit == "instructions"
    for device in ("cpu", "device"):
        samples = [_samples(profile, by, device) for profile in sides]
        for aligned in diff(*sides, by, device).rows if any(samples) else ():
            share = max(aligned.baseline_share, aligned.candidate_share)
            row = replace(_empty(aligned.key, device), share=share, **_known(aligned))
            if share < SMALLEST_SHARE:
                small += 1
            elif aligned.baseline is None or aligned.candidate is None:
                found.append(replace(row, reason=_lonely(aligned)))
            elif is_exact:
                found.append(exact(row, (aligned.baseline, aligned.candidate), limit))
            else:
                values = [_sum(of_side, keys) for of_side, keys in zip(samples, aligned.keys, strict=True)]
                usable.append((row, values))
    found += family(usable, processes, limit)
    used = used_processes(usable[0][1], processes) if usable else None
    return _Rows(tuple(sorted(found, key=_order)), len(usable), small, used)


def _known(row: Row) -> dict[str, Any]:
    return {"baseline": row.baseline, "candidate": row.candidate}


def _lonely(row: Row) -> str:
    side = "A" if row.candidate is None else "B"
    return f"only in {side}: gone, new, or of another name"


def _sum(samples: Mapping[Key, Values], keys: Sequence[Key]) -> Values:
    return np.asarray(np.sum([samples[key] for key in keys if key in samples], axis=0))


def _order(row: Judgement) -> tuple[int, float]:
    return list(Verdict).index(row.verdict), -abs(row.change if row.change is not None else row.share)
