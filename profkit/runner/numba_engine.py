"""The engine of hand-written kernels: one loop over layers for host and GPU, which differ only in their kernels."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from profkit.runner.engine import (
    Choices,
    Conditions,
    Description,
    DeviceMemory,
    EngineKind,
    Outcome,
    UnsupportedError,
)
from profkit.runner.numba_graph import Graph, Parameters, Stage, Tensors, nodes_of
from profkit.runner.numba_kernels import Array, Call, Device, Moment, Shape
from profkit.runner.numba_support import lack
from profkit.runner.scope import NO_SCOPES, Scopes
from profkit.runner.torch_facts import chosen_variables, flushes, truth

TRACKED = "num_batches_tracked"
"""The one buffer that no kernel reads: the engine counts the batches itself."""


@dataclass(frozen=True)
class Plan:
    """All that a step runs, for one batch size."""

    graph: Graph
    training: tuple[Stage, ...]
    evaluation: tuple[Stage, ...]
    loss: Stage
    backward: tuple[Stage, ...]


class Losses:
    """A place on the device for the loss of each step: a loss may be asked for only after many more steps.

    Args:
        device: where.
    """

    TOGETHER = 1024

    def __init__(self, device: Device) -> None:
        self.device = device
        self.used = self.TOGETHER

    def place(self) -> Array:
        """An array (1,) that nobody else has."""
        if self.used == self.TOGETHER:
            self.block, self.used = self.device.allocate((self.TOGETHER,), "float32"), 0
        self.used += 1
        return self.block[self.used - 1 : self.used]


class NumbaEngine:
    """An `Engine` of hand-written kernels.

    The outputs of a step are in the engine's own arrays and last until the next step; its loss lasts.

    Args:
        bundle: what `torch.load` reads from `bundle.pt`.
        choices: how to compute.
        device: what computes.
    """

    def __init__(self, bundle: Mapping[str, Any], choices: Choices, device: Device) -> None:
        self.device = replace(device, allocate=self._allocate)
        self._allocate_on_device = device.allocate
        self.held_bytes = 0
        self.input_shape: Shape = tuple(bundle["train"]["images"].shape[1:])
        self.nodes = nodes_of(bundle["layers"], self.input_shape)
        self.loss = device.losses[bundle["loss"]]
        self.target: str = bundle["target"]
        self.optimizer = device.optimizers[bundle["optimizer"]]
        self.hyperparameters: Mapping[str, float] = bundle["hyperparameters"]
        self.seed: int = bundle["seed"]
        self.moment = Moment(0, np.random.default_rng(self.seed))
        self.parameters = Parameters(
            self.device,
            {f"{node.path}.{name}": shape for node in self.nodes for name, shape in node.parameters.items()},
        )
        self.states = {name: self.parameters.zeros() for name in self.optimizer.states(self.hyperparameters)}
        self.buffers = {
            f"{node.path}.{name}": self.device.allocate(shape, "float32")
            for node in self.nodes
            for name, shape in node.buffers.items()
            if name != TRACKED
        }
        self.tracked = {f"{node.path}.{TRACKED}": 0 for node in self.nodes if TRACKED in node.buffers}
        self.updates = 0
        self.tensors = self._tensors(bundle["masks"] if choices.masks else {})
        self.plans: dict[int, Plan] = {}
        self.losses = Losses(self.device)
        self.restore(bundle["weights"], {})
        self.compile_ns = self._compile(bundle["weights"]) if device.compiles else None

    def _allocate(self, shape: Shape, dtype: str) -> Array:
        array = self._allocate_on_device(shape, dtype)
        self.held_bytes += array.nbytes
        return array

    def _tensors(self, masks: Mapping[str, torch.Tensor]) -> Tensors:
        """What the layers work on, each under its own names."""
        values = self.parameters.views(self.parameters.values)
        gradients = self.parameters.views(self.parameters.gradients)

        def of(path: str, names: Sequence[str], tensors: Mapping[str, Array]) -> dict[str, Array]:
            return {name: tensors[f"{path}.{name}"] for name in names if f"{path}.{name}" in tensors}

        return Tensors(
            weights={
                node.path: of(node.path, [*node.parameters, *node.buffers], {**values, **self.buffers})
                for node in self.nodes
            },
            gradients={node.path: of(node.path, [*node.parameters], gradients) for node in self.nodes},
            masks={path: self.to_device(mask) for path, mask in masks.items()},
            moment=self.moment,
        )

    def _compile(self, weights: Mapping[str, torch.Tensor]) -> int:
        """Run every kernel once, on zeros, and put back what that changed; returns the time that it took [ns].

        Numba compiles a kernel when it first meets arrays of a type, that is of a number of axes, not of a size.
        """
        start = time.perf_counter_ns()
        inputs = self.to_device(torch.zeros(2, *self.input_shape))
        labels = self.to_device(torch.zeros(2, dtype=torch.int64))
        self.infer_step(inputs, NO_SCOPES)
        self.train_step(inputs, inputs if self.target == "inputs" else labels, NO_SCOPES)
        self.synchronize()
        self.plans.clear()
        self.moment.step = 0
        self.start_epoch(0)
        self.restore(weights, {})
        return time.perf_counter_ns() - start

    def to_device(self, tensor: torch.Tensor) -> Array:
        """A tensor of the host on the device; on the host the same memory."""
        return self.device.to_device(tensor.contiguous().numpy())

    def to_host(self, tensor: Array) -> torch.Tensor:
        """A copy on the host, because the engine writes over its arrays in the next step."""
        return torch.from_numpy(self.device.to_host(tensor))

    def _plan(self, inputs: Array) -> Plan:
        """What to run for a batch; the arrays are made when a batch of its size first comes."""
        size = inputs.shape[0]
        if size not in self.plans:
            graph = Graph(self.device, self.nodes, self.tensors, inputs)
            backward, gradient = graph.backward()
            loss = Call(
                settings={},
                weights={},
                gradients={},
                inputs=(graph.output, inputs),
                output=None,
                gradient=None,
                input_gradients=(gradient,),
                allocate=self.device.allocate,
                masks=None,
                moment=self.moment,
            )
            stage = Stage("layer/loss", loss, self.loss.forward)
            self.plans[size] = Plan(
                graph,
                training=graph.forward(True),
                evaluation=graph.forward(False),
                loss=stage,
                backward=(replace(stage, operators=self.loss.backward), *backward),
            )
        plan = self.plans[size]
        plan.graph.take(inputs)
        return plan

    def train_step(self, inputs: Array, targets: Array, scope: Scopes) -> Outcome:
        """One step of training on a batch."""
        with scope("phase/optimizer"):
            pass  # every gradient is written before it is read
        plan = scope.run("phase/forward", self._forward, inputs, targets, scope)
        scope.run("phase/backward", run, plan.backward, scope)
        scope.run("phase/optimizer", self._update, scope)
        self.moment.step += 1
        for name in self.tracked:
            self.tracked[name] += 1
        return Outcome(self.device.scalar(plan.loss.call.output), plan.graph.output)

    def _forward(self, inputs: Array, targets: Array, scope: Scopes) -> Plan:
        """The network and its loss; returns what was run."""
        plan = self._plan(inputs)
        run(plan.training, scope)
        loss = plan.loss.call
        loss.inputs, loss.output = (plan.graph.output, targets), self.losses.place()
        run((plan.loss,), scope)
        return plan

    def _update(self, scope: Scopes) -> None:
        self.updates += 1
        arrays = self.parameters.values, self.parameters.gradients, tuple(self.states.values())
        listening = scope if scope.layers else NO_SCOPES
        listening.run(self.optimizer.name, self.optimizer.run, *arrays, self.hyperparameters, self.updates)

    def infer_step(self, inputs: Array, scope: Scopes) -> Array:
        """Output for a batch in evaluation mode."""
        return scope.run("phase/forward", self._evaluate, inputs, scope)

    def _evaluate(self, inputs: Array, scope: Scopes) -> Array:
        plan = self._plan(inputs)
        run(plan.evaluation, scope)
        return plan.graph.output

    def synchronize(self) -> None:
        """Wait for the device."""
        self.device.synchronize()

    def _on_host(self, whole: Array) -> dict[str, torch.Tensor]:
        """Each weight's part of an array (parameters,), in memory of its own."""
        views = self.parameters.views(self.device.to_host(whole))
        return {name: torch.from_numpy(view.copy()) for name, view in views.items()}

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers, on the host."""
        tensors = self._on_host(self.parameters.values)
        tensors |= {name: self.to_host(buffer) for name, buffer in self.buffers.items()}
        tensors |= {name: torch.tensor(count) for name, count in self.tracked.items()}
        names = [f"{node.path}.{name}" for node in self.nodes for name in (*node.parameters, *node.buffers)]
        return {name: tensors[name] for name in names}

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """What the optimizer keeps for each weight, on the host."""
        if not self.updates:
            return {}
        state = {
            f"{weight}/{name}": tensor
            for name, whole in self.states.items()
            for weight, tensor in self._on_host(whole).items()
        }
        if self.optimizer.counts:
            state |= {f"{weight}/step": torch.tensor(float(self.updates)) for weight in self.parameters.shapes}
        return state

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
        """Take over weights, buffers and optimizer state."""
        shapes = {**self.parameters.shapes, **{name: buffer.shape for name, buffer in self.buffers.items()}}
        _require("weights", {**shapes, **dict.fromkeys(self.tracked, ())}, weights)
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
        self.parameters.fill(self.parameters.values, arrays)
        for name, buffer in self.buffers.items():
            self.device.assign(buffer, self.device.to_device(arrays[name].astype(np.float32)))
        self.tracked = {name: int(arrays[name]) for name in self.tracked}
        self._restore_state({name: tensor.detach().cpu().numpy() for name, tensor in state.items()})

    def _restore_state(self, state: Mapping[str, Array]) -> None:
        """Take over the optimizer's state; none at all is that of the beginning."""
        counts = {f"{weight}/step": () for weight in self.parameters.shapes if self.optimizer.counts}
        if state:
            shapes = {
                f"{weight}/{name}": shape for name in self.states for weight, shape in self.parameters.shapes.items()
            }
            _require("optimizer state", {**shapes, **counts}, state)
        for name, whole in self.states.items():
            arrays = {
                weight: state.get(f"{weight}/{name}", np.zeros(shape))
                for weight, shape in self.parameters.shapes.items()
            }
            self.parameters.fill(whole, arrays)
        self.updates = int(state[next(iter(counts))]) if state and counts else int(bool(state))

    def start_epoch(self, epoch: int) -> None:
        """Seed the generator for dropout."""
        self.moment.generator = np.random.default_rng(self.seed + epoch)

    def conditions(self, inputs: Array) -> Conditions:
        """A step that trains is one with gradients, and counts itself."""
        trained = self.moment.step > 0
        places = {
            "weights": _place([self.parameters.values, *self.buffers.values()]),
            "inputs": _place([inputs]),
            "state": _place(self.states.values() if self.updates else ()),
        }
        return Conditions(trained, trained, places)

    def memory(self) -> DeviceMemory:
        """On a GPU the sum of the engine's own arrays."""
        return DeviceMemory() if self.device.on_host else DeviceMemory(allocated_bytes=self.held_bytes)

    def describe(self) -> Description:
        """Versions of Numba and what it compiled for."""
        versions = {"torch": torch.__version__, "python": platform.python_version(), **self.device.versions}
        others = dict.fromkeys(("onednn", "cudnn_benchmark", "cudnn_tf32", "matmul_tf32"), "false")
        flags = {"deterministic": "true", "flush_denormals": truth(flushes()), **chosen_variables()}
        return Description(versions, {}, {**others, **flags, **self.device.settings}, self.compile_ns)


def _place(arrays: Iterable[Array]) -> str:
    """The device of arrays: those of the host are NumPy's."""
    return ",".join(sorted({"cpu" if isinstance(array, np.ndarray) else "cuda:0" for array in arrays}))


def run(stages: Iterable[Stage], scope: Scopes) -> None:
    """Run each layer's operators, in scopes where somebody listens."""
    if not scope.layers:
        for stage in stages:
            for operator in stage.operators:
                operator.run(stage.call)
        return
    for stage in stages:
        scope.run(stage.name, _run_stage, stage, scope)


def _run_stage(stage: Stage, scope: Scopes) -> None:
    for operator in stage.operators:
        scope.run(operator.name, operator.run, stage.call)


def _require(what: str, shapes: Mapping[str, Shape], tensors: Mapping[str, Any]) -> None:
    """Check that these are all tensors there should be.

    Raises:
        ValueError: with the first that is not.
    """
    for name in sorted({*shapes, *tensors}):
        expected, found = shapes.get(name), tuple(tensors[name].shape) if name in tensors else None
        if expected is None or found is None or tuple(expected) != found:
            raise ValueError(f"{what}: {name} is {found or 'missing'}, the network has {expected or 'none'}")


def _open_cpu(choices: Choices) -> Device:
    if choices.flush_denormals and not torch.set_flush_denormal(True):  # a thread has this from the one that starts it
        raise UnsupportedError("this processor cannot flush subnormal numbers to zero")
    threads = torch.get_num_threads()
    # Numba reads it when it is first imported, and never starts more threads than that.
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(threads, os.cpu_count() or 1)))
    from profkit.runner.numba_cpu import open_device

    device = open_device(threads)
    torch.set_num_threads(threads)  # OpenMP's threads are Numba's and torch's alike
    return device


def _open_cuda(choices: Choices) -> Device:
    # Small layers fill no GPU, and Numba would warn of each.
    os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0")
    from numba import cuda

    if choices.flush_denormals:
        raise UnsupportedError("numba has no flush_denormals on cuda")
    if not cuda.is_available():
        raise UnsupportedError("numba finds no CUDA device")
    from profkit.runner.numba_cuda import open_device

    return open_device()


def make(bundle: Mapping[str, Any], choices: Choices) -> NumbaEngine:
    """The engine for the chosen device, its kernels compiled.

    Raises:
        UnsupportedError: it lacks a layer, a loss, an optimizer, the device or a choice.
    """
    kinds = [layer["kind"] for layer in bundle["layers"]]
    if missing := lack(choices.device, kinds, bundle["loss"], bundle["optimizer"]):
        raise UnsupportedError(missing)
    if choices.cudnn_benchmark:
        raise UnsupportedError("numba has no cudnn_benchmark")
    device = _open_cpu(choices) if choices.device == "cpu" else _open_cuda(choices)
    return NumbaEngine(bundle, choices, device)


ENGINE = EngineKind("numba", make)
