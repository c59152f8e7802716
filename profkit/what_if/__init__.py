"""What if: a run again with one thing changed, one change a module, each a value that says what to change.

A change makes of a trial, which is a run that can be made again, other trials that differ in one thing from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Any

from profkit.implementations import Implementation
from profkit.native import RELEASE
from profkit.prepare import Task
from profkit.programs import Course
from profkit.run import Run


@dataclass(frozen=True)
class Trial:
    """A run of one of profkit's own networks that can be made again.

    Attributes:
        run: what was recorded, and is repeated here.
        task: the work.
        implementation: who does it, in its usual build.
        course: how to go through the work; `steps` are those of one process.
        environment: variables for the program.
        build: of a program that is compiled here.
    """

    run: Run
    task: Task
    implementation: Implementation
    course: Course
    environment: Mapping[str, str] = field(default_factory=dict)
    build: str = RELEASE

    def on(self, **course: Any) -> Trial:
        """The same with another course."""
        return replace(self, course=replace(self.course, **course))

    def under(self, **variables: str) -> Trial:
        """The same with more environment variables."""
        return replace(self, environment={**self.environment, **variables})


@dataclass(frozen=True)
class Variant:
    """A trial with one thing changed.

    Attributes:
        label: what it has in place of what was (`2 threads`).
        trial: to be run.
    """

    label: str
    trial: Trial


class Statistic(StrEnum):
    """What stands for the steps of one process."""

    MEDIAN = auto()
    MEAN = auto()


@dataclass(frozen=True)
class Change:
    """One thing that can be changed.

    Attributes:
        name: on the command line.
        question: that the change answers.
        refusal: from (the trial, the other side's), why there is nothing to change, in a few words; None where there
            is.
        variants: from the same to the trials with this one thing changed; at least one where it is not refused.
        statistic: what to compare: the median of a process's steps, which a few slow steps leave alone, or their mean,
            where the slow steps are what is asked for.
    """

    name: str
    question: str
    refusal: Callable[[Trial, Trial], str | None] = field(repr=False)
    variants: Callable[[Trial, Trial], tuple[Variant, ...]] = field(repr=False)
    statistic: Statistic = Statistic.MEDIAN
