"""What is seen of the program beside its times: its networks, its inputs, its updates.

All looking is done between steps, or in a step that is not recorded, and then its time is taken out of that step's.
"""

from __future__ import annotations

import functools
import math
import re
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

from profkit.guest.process_facts import memory_facts, peak_bytes, process_facts, tools_in_process
from profkit.guest.step_clock import StepClock

P = ParamSpec("P")

_ANYTHING = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What looking at objects of a program that is not ours may come to: then that much is not known."""


def _quietly(function: Callable[P, None]) -> Callable[P, None]:
    """The function, raising nothing into the program."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except _ANYTHING:
            return

    return call


class Observer:
    """Collects what is known of the program, for the report.

    Args:
        tool: that records, by name.

    Attributes:
        clock: listens to the scopes of steps that no tool records.
        facts: what was seen, with the keys of the report.
    """

    def __init__(self, tool: str) -> None:
        self.clock = StepClock()
        self.facts: dict[str, Any] = {}
        self._tool = tool
        self._settings: dict[str, str] = {}
        self._modes: dict[str, str] = {}
        self._modes_now: dict[str, str] = {}
        self._networks: dict[int, weakref.ref[Any]] = {}
        self._optimizers: dict[int, weakref.ref[Any]] = {}
        self._observed: set[int] = set()
        self._changes: dict[int, float] = {}
        self._copied = False
        self._peak: int | None = None
        self._loads = False
        self._loader = (0, 0)
        self._preparation: dict[str, str] = {}
        self._samples = 0
        self._data_ns = -1
        self._others: set[str] = set()
        self._steps: dict[str, list[Any]] = {}

    @property
    def settings(self) -> dict[str, str]:
        """What the program runs with: the modes of the last step that ended, and flags."""
        return (self._modes or self._modes_now) | self._settings

    @_quietly
    def first_call(self, network: Any, inputs: tuple[Any, ...]) -> None:
        """The program is about to call its first network, and no step has begun.

        Args:
            network: a module with weights.
            inputs: of the call.
        """
        from profkit.guest.tensors import places, statistics, unnoticed

        self._mode(network)
        tensor = _first_tensor(inputs)
        if "places" in self.facts or tensor is None or _must_not_look():
            return
        with unnoticed():
            self.facts["places"] = {"inputs": places([tensor])}
            found = statistics(tensor)
        if math.isfinite(found["mean"]) and math.isfinite(found["deviation"]):  # else JSON cannot have it
            self.facts["inputs"] = found

    @_quietly
    def called(self, network: Any, inputs: tuple[Any, ...], since_ns: int) -> None:
        """The program calls a network in a step that no tool records.

        Args:
            network: a module with weights.
            inputs: of the call.
            since_ns: when the step began, by the monotonic clock.
        """
        if self._data_ns < 0:
            self._data_ns = max(0, time.perf_counter_ns() - since_ns - self.clock.spent("optimizer"))
        if "macs" not in self.facts and not self._steps and self.clock.watch is None:
            from profkit.guest.macs import MacsOf

            self.clock.watch = _quietly(MacsOf(network, self.clock, self.facts))
        self._mode(network)
        if next(iter(self._networks)) == id(network):
            tensor = _first_tensor(inputs)
            self._samples += tensor.shape[0] if tensor is not None and tensor.dim() else 0

    @_quietly
    def loads(self, iterator: Any) -> None:
        """The program takes a batch of a loader in a step that no tool records."""
        self._loads = True
        self.facts["workers"] = iterator._num_workers
        sampler = getattr(iterator._index_sampler, "sampler", iterator._index_sampler)
        loader = id(iterator._dataset), id(sampler)
        if loader == self._loader or "inputs" in self.facts:  # of which it is to be known how they are made
            return
        self._loader = loader
        self._preparation = {"order": type(sampler).__name__, "data set": type(iterator._dataset).__name__}
        if (transform := getattr(iterator._dataset, "transform", None)) is not None:
            self._preparation["transform"] = in_words(transform)

    def meet(self, optimizer: Any) -> None:
        """An optimizer is about to step for the first time."""
        self._optimizers[id(optimizer)] = weakref.ref(optimizer)

    def update(self, optimizer: Any, step: Callable[[], Any]) -> tuple[Any, int]:
        """Have an optimizer step where no tool records it, and see what it changes unless that is known.

        Args:
            optimizer: of torch.
            step: does it.

        Returns:
            What the step returns, and how long the looking took [ns].
        """
        if id(optimizer) in self._observed or _captures():
            return step(), 0
        started = time.perf_counter_ns()
        before: list[tuple[Any, Any]] = []
        self._copy_weights(optimizer, before)
        taken = time.perf_counter_ns() - started
        result = step()
        started = time.perf_counter_ns()
        self._compare_weights(optimizer, before)
        return result, taken + time.perf_counter_ns() - started

    @_quietly
    def step_ended(self, kind: str, elapsed_ns: int) -> None:
        """A step that no tool records is over.

        Args:
            kind: `warmup`, `step` or `after`.
            elapsed_ns: its time.
        """
        phases = self.clock.take()
        if not self._loads and self._data_ns >= 0 and self._optimizers:
            phases["data"] = self._data_ns
            phases["optimizer"] = phases.get("optimizer", 0)
        self._steps.setdefault(kind, []).append((self._samples, phases, elapsed_ns))
        self._samples, self._data_ns = 0, -1
        self._modes, self._modes_now = self._modes_now or self._modes, {}
        self._see_whether_devices_are_done()

    @_quietly
    def before_tool(self) -> None:
        """The steps without the tool are over, and the tool is about to start."""
        self.facts |= process_facts()  # now: Python forgets its script's name before it ends
        self._others |= tools_in_process(self._tool)
        if self._steps and self._tool != "callgrind":  # there it is Valgrind's memory
            # What was copied to compare weights is not the program's, and the system keeps only one peak of all.
            self.facts["memory"] = memory_facts(peak_bytes() if self._peak is None else self._peak)

    @_quietly
    def other_tool(self, name: str) -> None:
        """The program starts a tool of its own."""
        self._others.add(name)

    @_quietly
    def after_tool(self) -> None:
        """The tool has ended; the program stands between two steps."""
        from profkit.guest.network_facts import network_facts

        self._others |= tools_in_process(self._tool)
        if "torch" in sys.modules and not _must_not_look():
            networks, optimizers = _alive(self._networks), _alive(self._optimizers)
            facts, settings = network_facts(networks, optimizers, self._changes)
            places = self.facts.get("places", {}) | facts.pop("places", {})
            self.facts |= facts | {"places": places}
            self._settings |= settings

    def report(self) -> dict[str, Any]:
        """All that was seen, with the keys of the report."""
        self._finish()
        return self.facts

    def _mode(self, network: Any) -> None:
        import torch

        if id(network) not in self._networks:
            self._networks[id(network)] = weakref.ref(network)
        if next(iter(self._networks)) == id(network):  # others may be teachers, or copies that are tested
            mode = {"grad": torch.is_grad_enabled(), "training": bool(network.training)}
            self._modes_now = {name: str(value).lower() for name, value in mode.items()}

    @_quietly
    def _finish(self) -> None:
        if "inputs" in self.facts:
            self.facts["inputs"]["preparation"] = self._preparation
        names = {phase for steps in self._steps.values() for _, phases, _ in steps for phase in phases}
        self.facts |= {
            "other_tools": sorted(self._others),
            "samples": {kind: [samples for samples, _, _ in steps] for kind, steps in self._steps.items()},
            "phase_ns": {
                kind: {
                    **{name: [phases.get(name, 0) for _, phases, _ in steps] for name in sorted(names)},
                    "rest": [max(0, elapsed - sum(phases.values())) for _, phases, elapsed in steps],
                }
                for kind, steps in self._steps.items()
                if names
            },
        }

    @_quietly
    def _copy_weights(self, optimizer: Any, before: list[tuple[Any, Any]]) -> None:
        from profkit.guest.tensors import unnoticed

        if _must_not_look():
            return
        if self._peak is None:
            self._peak = peak_bytes()
        with unnoticed():
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            self._copied = any(weight.device.type != "cpu" for weight in weights)
            before += [(weight, weight.detach().to("cpu", copy=True)) for weight in weights]

    @_quietly
    def _compare_weights(self, optimizer: Any, before: list[tuple[Any, Any]]) -> None:
        from profkit.guest.tensors import change, unnoticed

        with unnoticed():
            found = {id(weight): change(copy, weight) for weight, copy in before}
        if any(found.values()):  # with a learning rate of zero, as schedules begin, nothing is known yet
            self._changes |= found
            self._observed.add(id(optimizer))

    def _see_whether_devices_are_done(self) -> None:
        """Whether nothing is left to do when a step ends; where weights were copied, it was waited for that."""
        copied, self._copied = self._copied, False
        torch: Any = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized() and not copied and not _captures():
            self.facts["synchronised"] = self.facts.get("synchronised", True) and torch.cuda.current_stream().query()


def _captures() -> bool:
    """Whether what the program asks a device for goes into a graph: whoever looks at a device then breaks that."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized() and bool(torch.cuda.is_current_stream_capturing())


def _must_not_look() -> bool:
    """Whether looking at tensors would show in the program: in its graph of a device, or in its own profiler."""
    from profkit.guest.surroundings import own_profiler_runs

    return own_profiler_runs() or _captures()


def in_words(transform: Any) -> str:
    """A transform as it prints itself, without the addresses of functions, which differ from run to run."""
    return " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(transform)).split())[:500]


def _alive(references: Mapping[int, weakref.ref[Any]]) -> list[Any]:
    return [thing for reference in references.values() if (thing := reference()) is not None]


def _first_tensor(inputs: tuple[Any, ...]) -> Any:
    """The first tensor of numbers with a fraction among the inputs of a call, else the first tensor."""
    import torch

    nested = [item for value in inputs for item in (value if isinstance(value, tuple | list) else (value,))]
    tensors = [value for value in nested if isinstance(value, torch.Tensor)]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), tensors[0] if tensors else None)
