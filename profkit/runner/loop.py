"""Go through the batches of a bundle, step by step or epoch by epoch, on a clock; `cpp/src/loop.cpp` is the twin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from profkit.runner.batches import Batches, Feed
from profkit.runner.checkpoint import Checkpoint
from profkit.runner.engine import Conditions, Engine
from profkit.runner.metrics import Totals, count_correct, evaluate
from profkit.runner.region import REGIONS, Tool
from profkit.runner.scope import NO_SCOPES, PhaseClock, Scopes

PHASES = ("data", "host_to_device", "forward", "backward", "optimizer")


@dataclass(frozen=True)
class Course:
    """How to go through the bundle; twin of `profkit.programs.Course`, for the program's own use.

    Attributes:
        mode: `train` or `infer`.
        steps: of the region; None where `epochs` says it.
        epochs: of the region; None where `steps` says it.
        warmup: steps before the region.
        workers: threads that make batches ahead.
        device: other than `cpu` where batches are to be copied.
        tool: that records the region.
    """

    mode: str
    steps: int | None
    epochs: int | None
    warmup: int
    workers: int
    device: str
    tool: Tool


@dataclass
class Measured:
    """What the clock saw.

    Attributes:
        step_ns: of each step of the region.
        samples: of each of those steps.
        phase_ns: of each of those steps by phase; empty under a tool.
        losses: of every step.
        epochs: what the report says of each.
        warmup_ns: of each step before the region.
        conditions: of the last steps, read off after them.
    """

    step_ns: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    phase_ns: dict[str, list[int]] = field(default_factory=lambda: {phase: [] for phase in PHASES})
    losses: list[Any] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    warmup_ns: list[int] = field(default_factory=list)
    conditions: Conditions | None = None


class NotFiniteError(ArithmeticError):
    """The loss is no number any more."""


Progress = Callable[[str], object]
Save = Callable[[Callable[[], Checkpoint]], None]
"""Told how to get at the state of the run, which costs a copy of it."""


class Loop:
    """One way through a bundle.

    Args:
        engine: that computes.
        bundle: what `torch.load` reads from `bundle.pt`.
        course: how to go through it.
        progress: told what the run is at.
    """

    def __init__(self, engine: Engine, bundle: Mapping[str, Any], course: Course, progress: Progress) -> None:
        self.engine = engine
        self.course = course
        self.progress = progress
        self.loss: str = bundle["loss"]
        self.labelled = bundle["target"] == "labels"
        self.train = Batches(bundle, "train", in_order=False)
        self.test = Batches(bundle, "test", in_order=True)
        if course.mode == "infer":
            split = "test" if len(self.test) else "train"
            self.batches = Batches(bundle, split, in_order=True)
        else:
            self.batches = self.train
        self.measured = Measured()

    def run(self, start: Checkpoint, save: Save) -> Measured:
        """Warm up, then take the steps or the epochs of the region.

        Args:
            start: where an earlier run stood.
            save: told where this one stands, after each epoch or at the end.

        Raises:
            NotFiniteError: the loss is NaN or infinite.
        """
        if self.course.epochs is None:
            self._run_steps(start, save)
        else:
            self._run_epochs(start, save)
        self.measured.losses = [_finite(float(loss), index, 0) for index, loss in enumerate(self.measured.losses)]
        self.progress("writing")
        return self.measured

    def _run_steps(self, start: Checkpoint, save: Save) -> None:
        assert self.course.steps is not None
        warmup, steps = self.course.warmup, self.course.steps
        self.engine.start_epoch(0)
        with self._feed(start.step, warmup + steps) as feed:
            self._warm_up(feed)
            with REGIONS[self.course.tool.name](self.course.tool) as listening:
                scope = self._clock() if listening is NO_SCOPES else listening
                for index in range(steps):
                    self.progress(f"step {index + 1}/{steps}")
                    self._take(feed, index, scope, epoch=0)
            self._note_conditions()
        save(lambda: self._checkpoint(start.epoch, start.step + warmup + steps))

    def _run_epochs(self, start: Checkpoint, save: Save) -> None:
        assert self.course.epochs is not None
        each, epochs = len(self.batches), self.course.epochs
        if self.course.warmup:
            before = self.engine.weights(), self.engine.optimizer_state()
            with self._feed(0, self.course.warmup) as feed:
                self.engine.start_epoch(0)
                self._warm_up(feed)
            self.engine.restore(*before)
            self.measured.losses.clear()
        self.measured.epochs += start.history
        with (
            self._feed(start.epoch * each, (epochs - start.epoch) * each) as feed,
            REGIONS[self.course.tool.name](self.course.tool) as listening,
        ):
            scope = self._clock() if listening is NO_SCOPES else listening
            for epoch in range(start.epoch, epochs):
                self._run_epoch(feed, epoch, scope)
                save(partial(self._checkpoint, epoch + 1, (epoch + 1) * each))
        self._note_conditions()

    def _run_epoch(self, feed: Feed, epoch: int, scope: Scopes) -> None:
        """All batches once, and then, in training, what the network makes of all test batches."""
        self.engine.start_epoch(epoch)
        first, each = len(self.measured.step_ns), len(self.batches)
        seen = Totals()
        for index in range(each):
            self.progress(f"epoch {epoch + 1}/{self.course.epochs}, step {index + 1}/{each}")
            outputs, targets, loss = self._take(feed, first + index, scope, epoch)
            correct = count_correct(self.engine.to_host(outputs), targets) if self.labelled else 0
            seen.add(self.measured.samples[-1], loss, correct)
        self.progress(f"epoch {epoch + 1}/{self.course.epochs}, testing")
        tested, evaluate_ns = evaluate(self.engine, self.test, self.loss)
        training = self.course.mode == "train"
        steps = slice(first, None)
        self.measured.epochs.append(
            {
                "epoch": epoch,
                "samples": seen.samples,
                "epoch_ns": sum(self.measured.step_ns[steps]),
                **{
                    f"{phase}_ns": sum(times[steps]) if isinstance(scope, PhaseClock) else None
                    for phase, times in self.measured.phase_ns.items()
                },
                "evaluate_ns": evaluate_ns,
                "train_loss": seen.mean_loss() if training else None,
                "train_accuracy": seen.accuracy() if training and self.labelled else None,
                **tested,
            }
        )

    def _warm_up(self, feed: Feed) -> None:
        for index in range(self.course.warmup):
            self.progress(f"warm-up {index + 1}/{self.course.warmup}")
            start = time.perf_counter_ns()
            self._step(feed, NO_SCOPES)
            self.engine.synchronize()
            self.measured.warmup_ns.append(time.perf_counter_ns() - start)

    def _note_conditions(self) -> None:
        """See how the steps ran, by a sample: nothing of it is in them."""
        inputs, labels = self.batches.make(0)
        self.measured.conditions = self.engine.conditions(self._to_device(inputs[:1], labels[:1])[0])

    def _take(self, feed: Feed, index: int, scope: Scopes, epoch: int) -> tuple[Any, torch.Tensor, float]:
        """One step of the region on the clock; its outputs, targets and loss (0 where there is none)."""
        start = time.perf_counter_ns()
        with scope(f"ProfilerStep#{index}"):
            outputs, targets = self._step(feed, scope)
            self.engine.synchronize()
        self.measured.step_ns.append(time.perf_counter_ns() - start)
        self.measured.samples.append(len(targets))
        if isinstance(scope, PhaseClock):
            for times, elapsed in zip(self.measured.phase_ns.values(), scope.take(), strict=True):
                times.append(elapsed)
        if self.course.mode == "infer":
            return outputs, targets, 0.0
        if scope.layers:
            # Under a tool the loss is asked for when the region is over: the question would be recorded.
            return outputs, targets, math.nan
        loss = self.measured.losses[-1] = _finite(float(self.measured.losses[-1]), index, epoch)
        return outputs, targets, loss

    def _step(self, feed: Feed, scope: Scopes) -> tuple[Any, torch.Tensor]:
        """One step, and in training its loss kept; returns outputs and the batch's labels."""
        inputs, labels = scope.run("phase/data", feed.take)
        if self.course.device == "cpu":
            given, targets = self._to_device(inputs, labels)
        else:
            given, targets = scope.run("phase/host_to_device", self._to_device, inputs, labels)
        if self.course.mode == "infer":
            return self.engine.infer_step(given, scope), labels
        outcome = self.engine.train_step(given, targets if self.labelled else given, scope)
        self.measured.losses.append(outcome.loss)
        return outcome.outputs, labels

    def _to_device(self, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[Any, Any]:
        return self.engine.to_device(inputs), self.engine.to_device(labels)

    def _checkpoint(self, epoch: int, step: int) -> Checkpoint:
        state = self.engine.weights(), self.engine.optimizer_state()
        return Checkpoint(epoch, step, *state, self.measured.epochs)

    def _clock(self) -> PhaseClock:
        return PhaseClock(PHASES, self.engine.synchronize)

    @contextmanager
    def _feed(self, first: int, count: int) -> Iterator[Feed]:
        feed = Feed(self.batches, self.course.workers, first, count)
        try:
            yield feed
        finally:
            feed.close()


def _finite(loss: float, step: int, epoch: int) -> float:
    if not math.isfinite(loss):
        raise NotFiniteError(f"loss is {loss} at step {step} (epoch {epoch})")
    return loss
