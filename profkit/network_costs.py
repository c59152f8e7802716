"""FLOP and compulsory bytes of a network by layer and phase, without any run of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from profkit.costs import ITEMSIZE, CostUnknownError, Inputs, cost_of, is_multiply_add
from profkit.errors import UsageError
from profkit.network_calls import NetworkCall, calls_of
from profkit.options import Value
from profkit.registry import discover
from profkit.run import Run
from profkit.spec import Workload


@dataclass(frozen=True)
class NetworkCost:
    """All calls of one operator in one layer and phase of one step.

    Attributes:
        layer: path of the layer, `loss`, or None outside every layer.
        phase: one of `profkit.schema.PHASES`.
        operator: canonical name.
        dtype: element type of the first tensor input; None without one.
        calls: in one step.
        flop: of all of them.
        traffic_bytes: likewise; None where the type of an operand is not known.
    """

    layer: str | None
    phase: str
    operator: str
    dtype: str | None
    calls: int
    flop: int
    traffic_bytes: int | None

    @property
    def macs(self) -> int:
        """Multiply-adds: half of the FLOP of an operator that does nothing else."""
        return self.flop // 2 if is_multiply_add(self.operator) else 0


@dataclass(frozen=True)
class Uncosted:
    """Calls of an operator whose cost nobody knows.

    Attributes:
        layer: path of the layer, or None outside every layer.
        phase: one of `profkit.schema.PHASES`.
        operator: canonical name.
        calls: how many.
        reason: why.
    """

    layer: str | None
    phase: str
    operator: str
    calls: int
    reason: str


@dataclass(frozen=True)
class NetworkCosts:
    """What is known of the calls of a step.

    Attributes:
        costs: in order of the first call.
        uncosted: likewise.
    """

    costs: tuple[NetworkCost, ...]
    uncosted: tuple[Uncosted, ...] = ()


@dataclass(frozen=True)
class CostedNetwork:
    """A network and what its calls cost.

    Attributes:
        name: of it.
        sizes: of what it runs on, for people.
        parameters: number of trainable weights.
        parameter_bytes: that they take.
        layers: paths in the order in which they run, those without work too; empty for that of the calls.
        training: whether the step is one of training.
        costs: of its calls.
    """

    name: str
    sizes: str
    parameters: int
    parameter_bytes: int
    layers: tuple[str, ...]
    training: bool
    costs: NetworkCosts


def costed_workload(
    workload: Workload, options: Mapping[str, Value], batch_size: int | None = None, *, training: bool = True
) -> CostedNetwork:
    """What each layer of one of profkit's networks costs.

    Args:
        workload: the network.
        options: of it, over its defaults.
        batch_size: samples in a step; None for the workload's own.
        training: otherwise the forward pass in evaluation mode.

    Raises:
        UsageError: an option that does not exist or does not fit, or no sample.
    """
    network = workload.network(options)
    samples = workload.batch_size if batch_size is None else batch_size
    if samples < 1:
        raise UsageError(f"--batch-size is {samples}", "1 or more")
    calls = calls_of(network, samples, training=training)
    return CostedNetwork(
        workload.name,
        f"batch {samples}, input {'x'.join(map(str, network.input_shape))}",
        network.parameters,
        network.parameters * ITEMSIZE["float32"],
        tuple(layer.path for layer in network.layers),
        training,
        costs_of(calls),
    )


def costs_of(calls: Iterable[NetworkCall]) -> NetworkCosts:
    """Sum the costs of calls by layer, phase, operator and type."""
    known: dict[tuple[str | None, str, str, str | None], NetworkCost] = {}
    unknown: dict[tuple[str | None, str, str, str], Uncosted] = {}
    for call in calls:
        place = call.layer, call.phase, call.operator
        try:
            cost = cost_of(call.operator, call.inputs)
        except CostUnknownError as error:
            calls_before = unknown[*place, str(error)].calls if (*place, str(error)) in unknown else 0
            unknown[*place, str(error)] = Uncosted(*place, calls_before + 1, str(error))
            continue
        dtype = _dtype(call.inputs)
        before = known.get((*place, dtype), NetworkCost(*place, dtype, 0, 0, 0))
        bytes_before, traffic = before.traffic_bytes, cost.traffic_bytes
        both = None if bytes_before is None or traffic is None else bytes_before + traffic
        known[*place, dtype] = NetworkCost(*place, dtype, before.calls + 1, before.flop + cost.flop, both)
    return NetworkCosts(tuple(known.values()), tuple(unknown.values()))


def _dtype(inputs: Inputs) -> str | None:
    return next((tensor.dtype for tensor in inputs.all_tensors()), None)


def network_costs(run: Run) -> list[NetworkCost] | None:
    """Cost of one step of a recorded run of profkit's own networks, from the network as data.

    Args:
        run: of any tool.

    Returns:
        One value for each layer, phase, operator and type; None where the run is not of a known network or does not
        say its batch size.

    Raises:
        UsageError: an option that the network does not have.
    """
    workloads = discover("profkit.workloads", Workload)
    if run.workload not in workloads or run.batch_size is None:
        return None
    calls = calls_of(
        workloads[run.workload].network(run.options),
        run.batch_size,
        training=run.settings.get("training", "true") == "true",
        numba=run.implementation == "numba",
    )
    return list(costs_of(calls).costs)
