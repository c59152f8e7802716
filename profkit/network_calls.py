"""A network as calls of operators: what one step runs and on which sizes, from the network as data, without torch.

The calls are those of torch on a CPU below autograd, or those of profkit's hand-written kernels. Of the optimizers it
is a later step, when their state is there: torch's loop over the parameters, or the one fused kernel of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from profkit.costs import Inputs, Tensor
from profkit.layer_calls import LAYER_CALLS, LOSS_CALLS, NUMBA_CALLS, ONE, SCALAR, Calls, LayerCalls, LayerPass, one
from profkit.layer_kinds import LAYER_KINDS, Shape
from profkit.spec import INPUT, Layer, LayerSize, Network

LOSS = "loss"
"""What traces call the layer of the loss."""
NUMBER = Tensor((), "float64")
"""A number that Python passes where the schema has a tensor."""
ADAM_EPSILON = 1e-8


@dataclass(frozen=True)
class NetworkCall:
    """One call of an operator in a step.

    Attributes:
        layer: path of the layer, `loss`, or None outside every layer.
        phase: one of `profkit.schema.PHASES`.
        operator: its name without overload (`aten::addmm`).
        inputs: in the order of its schema.
    """

    layer: str | None
    phase: str
    operator: str
    inputs: Inputs


@dataclass(frozen=True)
class _Node:
    """A layer with what it reads, and whether it or one before it has parameters."""

    layer: Layer
    sources: tuple[str, ...]
    passed: LayerPass
    trains: bool


def calls_of(
    network: Network, batch_size: int, *, training: bool = True, numba: bool = False
) -> tuple[NetworkCall, ...]:
    """Every call of one step, views left out.

    Args:
        network: as data.
        batch_size: samples in the step.
        training: forward, loss, backward and optimizer; otherwise the forward pass in evaluation mode.
        numba: the operators of profkit's hand-written kernels in place of torch's where they differ.

    Returns:
        The calls in the order in which they run. The gradient of the network's input is not computed; where an output
        has several readers, all gradients but the first are added, in the layer that comes to it later.

    Raises:
        UsageError: a layer's input is smaller than its kernel.
    """
    nodes = _nodes(network, batch_size, training)
    calls = list(_forward(nodes, numba))
    if not training:
        return tuple(calls)
    output = nodes[-1].passed.output
    loss = LayerPass({}, output, SCALAR, {})
    kernels = _kernels(LOSS_CALLS, network.loss, numba)
    calls += _placed(LOSS, "forward", kernels.forward(loss))
    if not numba:
        calls += _placed(None, "backward", (one("fill_", SCALAR, None),))
    calls += _placed(LOSS, "backward", kernels.backward(loss))
    calls += _backward(nodes, numba)
    parameters = tuple(parameter for node in nodes for parameter in node.passed.parameters.values())
    calls += _placed(None, "optimizer", _update(network, parameters, numba))
    return tuple(calls)


def _nodes(network: Network, batch_size: int, training: bool) -> tuple[_Node, ...]:
    nodes: list[_Node] = []
    trains: dict[str, bool] = {INPUT: False}
    last = INPUT
    for size in network.sizes():
        layer = size.layer
        sources = layer.inputs or (last,)
        parameters = LAYER_KINDS[layer.kind].parameter_shapes(layer.settings)
        before = any(trains[source] for source in sources)
        trains[layer.path] = before or bool(parameters)
        passed = _passed(size, batch_size, parameters, training=training, needs_gradient=before)
        nodes.append(_Node(layer, sources, passed, trains[layer.path]))
        last = layer.path
    return tuple(nodes)


def _passed(
    size: LayerSize, batch_size: int, parameters: Mapping[str, Shape], *, training: bool, needs_gradient: bool
) -> LayerPass:
    return LayerPass(
        size.layer.settings,
        Tensor((batch_size, *size.inputs)),
        Tensor((batch_size, *size.outputs)),
        {name: Tensor(shape) for name, shape in parameters.items()},
        training,
        needs_gradient,
    )


def _kernels(known: Mapping[str, LayerCalls], kind: str, numba: bool) -> LayerCalls:
    return NUMBA_CALLS.get(kind, known[kind]) if numba else known[kind]


def _placed(layer: str | None, phase: str, calls: Calls) -> Iterator[NetworkCall]:
    return (NetworkCall(layer, phase, operator, inputs) for operator, inputs in calls)


def _forward(nodes: tuple[_Node, ...], numba: bool) -> Iterator[NetworkCall]:
    for node in nodes:
        yield from _placed(
            node.layer.path, "forward", _kernels(LAYER_CALLS, node.layer.kind, numba).forward(node.passed)
        )


def _backward(nodes: tuple[_Node, ...], numba: bool) -> Iterator[NetworkCall]:
    """The layers that train in the opposite order, each after those that read its output."""
    trains = {node.layer.path for node in nodes if node.trains}
    written = {nodes[-1].layer.path}
    for node in reversed(nodes):
        if not node.trains or node.layer.path not in written:
            continue
        calls = list(_kernels(LAYER_CALLS, node.layer.kind, numba).backward(node.passed))
        for source in node.sources:
            if source in written:
                calls.append(one("add_", node.passed.input, node.passed.input, 1))
            elif source in trains:
                written.add(source)
        yield from _placed(node.layer.path, "backward", tuple(calls))


def _update(network: Network, parameters: tuple[Tensor, ...], numba: bool) -> Calls:
    """What the optimizer runs."""
    given = network.hyperparameters
    if numba:
        return (_FUSED[network.optimizer](parameters, given),)
    update = _UPDATES[network.optimizer]
    return tuple(call for parameter in parameters for call in update(parameter, given))


def _sgd(weight: Tensor, given: Mapping[str, float]) -> Calls:
    decay = given.get("weight_decay", 0.0)
    decayed = (one("add", weight, weight, decay),) if decay else ()
    moved = (one("mul_", weight, NUMBER), one("add_", weight, weight, 1)) if given.get("momentum") else ()
    return (*decayed, *moved, one("add_", weight, weight, -given["lr"]))


def _adam(weight: Tensor, given: Mapping[str, float]) -> Calls:
    decay = given.get("weight_decay", 0.0)
    return (
        one("add_", SCALAR, ONE, 1),  # its count of the steps
        *((one("add", weight, weight, decay),) if decay else ()),
        one("lerp_", weight, weight, 1 - given["beta1"]),
        one("mul_", weight, NUMBER),
        one("addcmul_", weight, weight, weight, 1 - given["beta2"]),
        one("sqrt", weight),
        one("div", weight, NUMBER),
        one("add_", weight, NUMBER, 1),
        one("addcdiv_", weight, weight, weight, -given["lr"]),
    )


def _fused_sgd(weights: tuple[Tensor, ...], given: Mapping[str, float]) -> tuple[str, Inputs]:
    momentum = given.get("momentum", 0.0)
    velocities = weights if momentum else ()
    decay = given.get("weight_decay", 0.0)
    rates = decay, momentum, given["lr"], 0.0
    return one("_fused_sgd_", weights, weights, velocities, *rates, False, False, False, None, None)


def _fused_adam(weights: tuple[Tensor, ...], given: Mapping[str, float]) -> tuple[str, Inputs]:
    counts = len(weights) * (SCALAR,)
    rates = given["lr"], given["beta1"], given["beta2"], given.get("weight_decay", 0.0), ADAM_EPSILON
    lists = weights, weights, weights, weights, (), counts
    return one("_fused_adam_", *lists, *rates, False, False, None, None)


_UPDATES: Mapping[str, Callable[[Tensor, Mapping[str, float]], Calls]] = {"adam": _adam, "sgd": _sgd}
_FUSED: Mapping[str, Callable[[tuple[Tensor, ...], Mapping[str, float]], tuple[str, Inputs]]] = {
    "adam": _fused_adam,
    "sgd": _fused_sgd,
}
