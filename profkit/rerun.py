"""Rerun: make two recorded runs again, each with one thing changed at a time, and measure what each change is worth.

Nothing is recorded and no tool runs. Every trial gets fresh processes, the trials taking turns there and back again, so
that what drifts falls on all of them alike; a process counts as one measurement. Whether a run can be made again is
checked before: the machine, the libraries and the work must be those that it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from profkit.bundle import Bundle
from profkit.errors import ProgramError
from profkit.native import Say
from profkit.prepare import prepare
from profkit.programs import run_program
from profkit.registry import discover, find
from profkit.repeatable import require_same_place, require_same_settings, require_same_work, trial_of
from profkit.resampling import Values, relative_difference
from profkit.run import Run
from profkit.what_if import Change, Statistic, Trial

ROUNDS, FEWEST_ROUNDS = 5, 3
"""Fresh processes of each trial: as many as fit the budget, but not so few that an interval is only width."""
SIDES = ("A", "B")
UNCHANGED = "as it was"


@dataclass(frozen=True)
class Ratio:
    """One mean over another, with its 95 % interval; the ends are None where there are too few processes.

    Attributes:
        value: the ratio.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """`unknown` without an interval, `within noise` where it contains one, else `slower` or `faster`."""
        if self.low is None or self.high is None:
            return "unknown"
        if self.low <= 1 <= self.high:
            return "within noise"
        return "slower" if self.value > 1 else "faster"


@dataclass
class Measured:
    """What the processes of one trial reported.

    Attributes:
        step_ns: of each process, the times of its steps.
        facts: threads, build and settings, as the program itself says them.
    """

    step_ns: list[tuple[int, ...]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def by(self, statistic: Statistic) -> Values:
        """One value a process [ns]."""
        import numpy as np

        summary = np.median if statistic is Statistic.MEDIAN else np.mean
        return np.array([float(summary(times)) for times in self.step_ns])

    def typical(self, statistic: Statistic = Statistic.MEDIAN) -> float:
        """Mean over the processes [ns]."""
        return float(self.by(statistic).mean())


@dataclass(frozen=True)
class Tried:
    """One change on one side, measured.

    Attributes:
        side: `A` or `B`.
        change: its name.
        label: what this side has in place of what it had.
        statistic: that stands for the steps of a process.
        measured: what came out.
        worth: a step with the change over one without.
        gap_before: a step of B over one of A, both as they were.
        gap_after: likewise, with the change.
        seen: what the program itself says differently of itself: before and after, by name.
    """

    side: str
    change: str
    label: str
    statistic: Statistic
    measured: Measured
    worth: Ratio
    gap_before: Ratio
    gap_after: Ratio
    seen: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Untried:
    """A change that was not measured.

    Attributes:
        side: `A` or `B`.
        change: its name, with what it would have been where that is known.
        reason: why not, in a few words.
    """

    side: str
    change: str
    reason: str


@dataclass(frozen=True)
class WhatIf:
    """What came of it all.

    Attributes:
        runs: that were made again, by side.
        unchanged: by side, the run as it was.
        gap: a step of B over one of A, as they were.
        tried: in the order of the changes, A before B.
        untried: what had nothing to change, failed, or had not had its turn when it was interrupted.
        rounds: fresh processes of each trial; of a last round that was cut short, not all have it.
        steps: of a process, by side.
        interrupted: whether Ctrl-C ended it early.
    """

    runs: Mapping[str, Run]
    unchanged: Mapping[str, Measured]
    gap: Ratio
    tried: tuple[Tried, ...]
    untried: tuple[Untried, ...]
    rounds: int
    steps: Mapping[str, int]
    interrupted: bool = False


@dataclass(frozen=True)
class _Planned:
    """A trial that is ready to run; `change` is None of a run as it was."""

    side: str
    change: Change | None
    label: str
    trial: Trial
    command: list[str]
    bundle: Bundle

    @property
    def title(self) -> str:
        return f"{self.side} {UNCHANGED}" if self.change is None else f"{self.side} with {self.label}"

    @property
    def title_of_change(self) -> str:
        return UNCHANGED if self.change is None else f"{self.change.name} ({self.label})"


def try_changes(
    baseline: Run,
    candidate: Run,
    names: Sequence[str],
    budget_s: float,
    say: Say,
    *,
    data: Path | None = None,
    weights: Path | None = None,
) -> WhatIf:
    """Run both sides again, with one thing changed at a time.

    Args:
        baseline: A, a run of one of profkit's own networks on this machine.
        candidate: B, likewise.
        names: of the changes; none for all.
        budget_s: time for measuring [s]: no round of fresh processes is begun that would end after it, but
            `FEWEST_ROUNDS` are made in any case.
        say: told what is going on.
        data: directory with the real data, where a run had any.
        weights: file that a run started from, where it had one.

    Raises:
        UsageError: there is no such change.
        InputError: a run cannot be made again here: it is not of profkit's own networks, or the machine, the
            libraries, the settings or the work differ. The message says what.
        ProfkitError: the data cannot be read, or a program cannot be built or fails as it was.
        KeyboardInterrupt: before both sides were measured once; later it ends the measuring, and what there is counts.
    """
    changes = [find("profkit.what_if", Change, name, "change") for name in names] or list(all_changes().values())
    runs = dict(zip(SIDES, (baseline, candidate), strict=True))
    for side, run in runs.items():
        require_same_place(run, side)
    trials = {side: trial_of(run, side, data, weights) for side, run in runs.items()}
    planned, untried = _plan(changes, trials, say)
    measured, failed, interrupted = _measure(planned, budget_s, say)
    unchanged = {plan.side: measured[number] for number, plan in enumerate(planned) if plan.change is None}
    return WhatIf(
        runs=runs,
        unchanged=unchanged,
        gap=_ratio(unchanged["A"], unchanged["B"], Statistic.MEDIAN),
        tried=tuple(
            _judge(plan, plan.change, measured[number], unchanged)
            for number, plan in enumerate(planned)
            if plan.change is not None and number not in failed and measured[number].step_ns
        ),
        untried=(*untried, *failed.values(), *_never_run(planned, measured, failed)),
        rounds=max(len(each.step_ns) for each in measured),
        steps={side: trial.course.steps or 0 for side, trial in trials.items()},
        interrupted=interrupted,
    )


def all_changes() -> dict[str, Change]:
    """Everything that can be changed, by name."""
    return discover("profkit.what_if", Change)


def _plan(changes: Sequence[Change], trials: Mapping[str, Trial], say: Say) -> tuple[list[_Planned], list[Untried]]:
    """Both runs as they were, then every change on every side that it applies to, each ready to run."""
    bundles = {}
    for side, trial in trials.items():
        say("preparing weights and batches")
        bundles[side] = prepare(trial.task)
        require_same_work(trial.run, bundles[side], side)
    commands: dict[tuple[str, str], list[str]] = {}

    def ready(side: str, change: Change | None, label: str, trial: Trial) -> _Planned:
        key = (trial.implementation.name, trial.build)
        if key not in commands:
            commands[key] = trial.implementation.built(trial.build).command(say)
        return _Planned(side, change, label, trial, commands[key], bundles[side])

    planned = [ready(side, None, UNCHANGED, trial) for side, trial in trials.items()]
    untried = []
    for change in changes:
        for side, other in (("A", "B"), ("B", "A")):
            trial, opposite = trials[side], trials[other]
            if reason := change.refusal(trial, opposite):
                untried.append(Untried(side, change.name, reason))
                continue
            variants = change.variants(trial, opposite)
            planned += [ready(side, change, variant.label, variant.trial) for variant in variants]
    return planned, untried


def _measure(planned: Sequence[_Planned], budget_s: float, say: Say) -> tuple[list[Measured], dict[int, Untried], bool]:
    """Run all trials in rounds; what each measured, which changed ones failed, and whether it was interrupted."""
    measured = [Measured() for _ in planned]
    failed: dict[int, Untried] = {}
    start = time.monotonic()
    rounds = 0
    try:
        while rounds < ROUNDS and (rounds < FEWEST_ROUNDS or _fits(time.monotonic() - start, rounds, budget_s)):
            there = range(len(planned))
            for number in there if rounds % 2 == 0 else reversed(there):
                if number not in failed:
                    title = f"round {rounds + 1} of up to {ROUNDS}, {planned[number].title}"
                    _run(planned[number], number, measured[number], failed, partial(_tell, say, title))
            rounds += 1
    except KeyboardInterrupt:
        if not all(each.step_ns for plan, each in zip(planned, measured, strict=True) if plan.change is None):
            raise
        return measured, failed, True
    return measured, failed, False


def _never_run(planned: Sequence[_Planned], measured: Sequence[Measured], failed: Collection[int]) -> list[Untried]:
    """Changes whose turn had not come when the measuring was interrupted."""
    return [
        Untried(plan.side, plan.title_of_change, "interrupted before its turn")
        for number, plan in enumerate(planned)
        if number not in failed and not measured[number].step_ns
    ]


def _run(
    plan: _Planned, number: int, measured: Measured, failed: dict[int, Untried], watch: Callable[[str], None]
) -> None:
    """One fresh process; a changed trial that fails is left out from then on."""
    watch("")
    try:
        report = run_program(plan.command, plan.bundle, plan.trial.course, watch, environment=plan.trial.environment)
    except ProgramError as error:
        if plan.change is None:
            raise
        failed[number] = Untried(plan.side, plan.title_of_change, error.message.partition("\n")[0])
        return
    if plan.change is None and not measured.step_ns:
        require_same_settings(plan.trial.run, report, plan.side)
    measured.step_ns.append(tuple(report["step_ns"]))
    measured.facts.update(_facts(report))


def _tell(say: Say, title: str, line: str) -> None:
    """Pass on what a program says of its progress."""
    say(f"{title}: {line or 'starting'}")


def _fits(elapsed_s: float, rounds: int, budget_s: float) -> bool:
    """Whether another round ends within the budget, if it takes as long as those before."""
    return elapsed_s * (rounds + 1) / rounds <= budget_s


def _facts(report: Mapping[str, Any]) -> dict[str, str]:
    """What a program says of itself that a change may show in."""
    build = {f"build {name}": value for name, value in report["build"].items() if name in ("type", "flags")}
    return {"threads": str(report["threads"]), **build, **report["settings"]}


def _judge(plan: _Planned, change: Change, measured: Measured, unchanged: Mapping[str, Measured]) -> Tried:
    """Hold a changed trial against the same side as it was, and against the other side."""
    before, statistic = unchanged[plan.side], change.statistic
    after = {**unchanged, plan.side: measured}
    return Tried(
        side=plan.side,
        change=change.name,
        label=plan.label,
        statistic=statistic,
        measured=measured,
        worth=_ratio(before, measured, statistic),
        gap_before=_ratio(unchanged["A"], unchanged["B"], statistic),
        gap_after=_ratio(after["A"], after["B"], statistic),
        seen={
            name: (before.facts.get(name, ""), value)
            for name, value in measured.facts.items()
            if value != before.facts.get(name, "")
        },
    )


def _ratio(below: Measured, above: Measured, statistic: Statistic) -> Ratio:
    """One trial's step over another's; processes are independent of each other, steps are not."""
    estimate, *ends = (float(value[0]) for value in relative_difference(below.by(statistic), above.by(statistic)))
    low, high = (1 + end if end == end else None for end in ends)  # NaN is the only number that is not itself
    return Ratio(1 + estimate, low, high)
