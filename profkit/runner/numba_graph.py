"""The network as calls of kernels: what each layer reads and writes, for one batch size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from profkit.layer_kinds import LAYER_KINDS
from profkit.runner.numba_kernels import Array, Call, Device, LayerKernels, Moment, Operator, Shape
from profkit.spec import INPUT


@dataclass(frozen=True)
class Node:
    """One layer of the network.

    Attributes:
        path: of the layer.
        kind: of the layer.
        settings: of the layer.
        sources: paths of the layers that it reads, or `input`.
        shape: of one output sample.
        trains: whether it or a layer before it has parameters, so that it needs a gradient.
    """

    path: str
    kind: str
    settings: Mapping[str, Any]
    sources: tuple[str, ...]
    shape: Shape
    trains: bool

    @property
    def parameters(self) -> dict[str, Shape]:
        """Trainable tensors by their names in the layer."""
        return LAYER_KINDS[self.kind].parameter_shapes(self.settings)

    @property
    def buffers(self) -> dict[str, Shape]:
        """Tensors that are kept but not trained by their names in the layer."""
        return LAYER_KINDS[self.kind].buffer_shapes(self.settings)


def nodes_of(layers: Sequence[Mapping[str, Any]], input_shape: Shape) -> tuple[Node, ...]:
    """The layers of a bundle, in their order, which has each after those that it reads."""
    nodes: dict[str, Node] = {}
    last = INPUT
    for layer in layers:
        kind, settings = layer["kind"], layer["settings"]
        sources = tuple(layer["inputs"]) or (last,)
        before = input_shape if sources[0] == INPUT else nodes[sources[0]].shape
        has_parameters = bool(LAYER_KINDS[kind].parameter_shapes(settings))
        trains = has_parameters or any(source != INPUT and nodes[source].trains for source in sources)
        last = layer["path"]
        nodes[last] = Node(last, kind, settings, sources, LAYER_KINDS[kind].output_shape(settings, before), trains)
    return tuple(nodes.values())


class Parameters:
    """All trainable weights in one array, with a view of it for each: one kernel can then change them all.

    Args:
        device: where.
        shapes: of the weights by name.
    """

    def __init__(self, device: Device, shapes: Mapping[str, Shape]) -> None:
        self.device = device
        self.shapes = shapes
        self.size = sum(math.prod(shape) for shape in shapes.values())
        self.values = self.zeros()
        self.gradients = self.zeros()

    def zeros(self) -> Array:
        """An array (parameters,) of zeros."""
        zeros = self.device.allocate((self.size,), "float32")
        self.device.assign(zeros, self.device.to_device(np.zeros(self.size, np.float32)))
        return zeros

    def views(self, whole: Array) -> dict[str, Array]:
        """Each weight's part of an array (parameters,) in its own shape; of a host array as of the device's."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            views[name] = whole[start:end].reshape(shape)
            start = end
        return views

    def fill(self, whole: Array, tensors: Mapping[str, Array]) -> None:
        """Put NumPy arrays, one for each weight, into an array (parameters,) of the device."""
        flat = [np.asarray(tensors[name], np.float32).reshape(-1) for name in self.shapes]
        if flat:
            self.device.assign(whole, self.device.to_device(np.concatenate(flat)))


@dataclass(frozen=True)
class Tensors:
    """What all batch sizes share.

    Attributes:
        weights: parameters and float buffers of each layer by path, then by name.
        gradients: of the parameters, the same way.
        masks: of dropout layers by path.
        moment: of the training.
    """

    weights: Mapping[str, Mapping[str, Array]]
    gradients: Mapping[str, Mapping[str, Array]]
    masks: Mapping[str, Array]
    moment: Moment


@dataclass(frozen=True)
class Stage:
    """A layer and its operators, ready to run.

    Attributes:
        name: of its scope.
        call: its arrays.
        operators: in their order.
    """

    name: str
    call: Call
    operators: tuple[Operator, ...]


class Graph:
    """The arrays of all layers for one batch size, kept from step to step; those for the backward pass on demand.

    Args:
        device: where.
        nodes: of the network.
        tensors: that it works on.
        inputs: array of the first batch of this size.
    """

    def __init__(self, device: Device, nodes: tuple[Node, ...], tensors: Tensors, inputs: Array) -> None:
        self.device = device
        self.nodes = nodes
        self.outputs = {INPUT: inputs}
        self.calls: dict[str, Call] = {}
        batch = inputs.shape[0]
        for node in nodes:
            sources = tuple(self.outputs[source] for source in node.sources)
            shape = (batch, *node.shape)
            output = sources[0].reshape(shape) if self._kernels(node).view else device.allocate(shape, "float32")
            self.outputs[node.path] = output
            self.calls[node.path] = Call(
                settings=node.settings,
                weights=tensors.weights[node.path],
                gradients=tensors.gradients[node.path],
                inputs=sources,
                output=output,
                gradient=None,
                input_gradients=(None,) * len(sources),
                allocate=device.allocate,
                masks=tensors.masks.get(node.path),
                moment=tensors.moment,
            )

    def _kernels(self, node: Node) -> LayerKernels:
        return self.device.layers[node.kind]

    def take(self, inputs: Array) -> None:
        """Read the next batch from its own array."""
        self.outputs[INPUT] = inputs
        changed = {INPUT}
        for node in self.nodes:
            if changed.isdisjoint(node.sources):
                continue
            call = self.calls[node.path]
            call.inputs = tuple(self.outputs[source] for source in node.sources)
            if self._kernels(node).view:
                self.outputs[node.path] = call.output = call.inputs[0].reshape(call.output.shape)
                changed.add(node.path)

    @property
    def output(self) -> Array:
        """Of the last layer."""
        return self.outputs[self.nodes[-1].path]

    def forward(self, training: bool) -> tuple[Stage, ...]:
        """The layers in their order."""
        stages = []
        for node in self.nodes:
            kernels = self._kernels(node)
            evaluate = kernels.forward if kernels.evaluate is None else kernels.evaluate
            stages.append(_stage(node, self.calls[node.path], kernels.forward if training else evaluate))
        return tuple(stages)

    def backward(self) -> tuple[tuple[Stage, ...], Array]:
        """The layers that train in the opposite order, and the gradient of the output that they begin with.

        Where an output has several readers, the first that comes to it writes the gradient and the others add to it.
        """
        readers = Counter(source for node in self.nodes for source in node.sources)
        gradients = self._gradients(readers)
        written = {self.nodes[-1].path}
        stages = []
        for node in reversed(self.nodes):
            if node.path not in written or not node.trains:
                continue
            call, view = self.calls[node.path], self._kernels(node).view
            call.gradient = gradients[node.path]
            operators, results = list(self._kernels(node).backward), []
            for source in node.sources:
                target = gradients.get(source)
                result, after = self._route(target, call.gradient if view else None, first=source not in written)
                results.append(result)
                if after and not (view and readers[source] == 1):
                    operators.append(after)
                written.add(source)
            call.input_gradients = tuple(results)
            stages.append(_stage(node, call, tuple(operators)))
        return tuple(stages), gradients[self.nodes[-1].path]

    def _route(self, target: Array | None, view: Array | None, *, first: bool) -> tuple[Array | None, Operator | None]:
        """Where a layer writes the gradient of an input, and what then brings it to where it belongs.

        Args:
            target: where it belongs; None where nobody needs it.
            view: the gradient where it is there already, in another shape.
            first: whether nobody has written to `target` yet.
        """
        if target is None or (first and view is None):
            return target, None
        source = self.device.allocate(target.shape, "float32") if view is None else view.reshape(target.shape)
        if first:
            return source, Operator("aten::copy_", lambda _: self.device.assign(target, source))
        return source, Operator("aten::add_", lambda _: self.device.accumulate(target, source))

    def _gradients(self, readers: Mapping[str, int]) -> dict[str, Array]:
        """An array for the gradient of each output that needs one; a view's is that of its only source."""
        gradients: dict[str, Array] = {}
        for node in self.nodes:
            if not node.trains:
                continue
            shape = self.outputs[node.path].shape
            source = node.sources[0]
            if self._kernels(node).view and readers[source] == 1:
                gradients[node.path] = gradients[source].reshape(shape)
            else:
                gradients[node.path] = self.device.allocate(shape, "float32")
        return gradients


def _stage(node: Node, call: Call, operators: tuple[Operator, ...]) -> Stage:
    return Stage(f"layer/{node.path}", call, operators)
