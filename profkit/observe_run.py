"""Observe a run of profkit's own networks: its reports, the tensors it left and its bundle, as evidence."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profkit.bundle import Bundle
from profkit.evidence import Clock, Evidence, Inputs, Memory, Subnormals, Training, Work
from profkit.prepare import Task
from profkit.spec import Network

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, "torch.Tensor"]

ACTIVATION_SAMPLES = 8
"""Of the first batch, that go through the network once more to see its activations: as few as show a layer's range."""
DIGITS = 12
"""Hexadecimal, of a digest that is only compared."""


@dataclass(frozen=True)
class Observed:
    """What the tensors that a run left tell.

    Attributes:
        inputs: of the first batch; None where it has values that are infinite or no number.
        training: what one step does; None of inference, or where it leaves no weight a number.
        subnormals: in weights, optimizer state and activations.
    """

    inputs: Inputs | None
    training: Training | None
    subnormals: Subnormals


def evidence_of(
    task: Task, observed: Observed, reports: Sequence[Mapping[str, Any]], flushed_step_ns: Sequence[int] = ()
) -> Evidence:
    """All that was seen of a run.

    Args:
        task: the work.
        observed: what its tensors tell.
        reports: of the processes without the tool, in their order; what they say of themselves is the first's.
        flushed_step_ns: steps of the same program with subnormal numbers taken as zero.
    """
    first = reports[0]
    found = observed.subnormals
    return Evidence(
        work=work_of(task.workload.network(task.options)),
        inputs=observed.inputs,
        training=observed.training,
        subnormals=Subnormals(found.weights, found.state, found.activations, found.worst, tuple(flushed_step_ns)),
        memory=Memory(**first["memory"]),
        clock=Clock(**first["clock"]),
        phase_ns={
            phase: tuple(time for report in reports for time in report["phase_ns"][phase])
            for phase in first["phase_ns"]
        },
        warmup_ns=tuple(first["warmup_ns"]),
        load_ns=first["load_ns"],
        samples=tuple(count for report in reports for count in report["samples"]),
        workers=int(first["settings"]["workers"]),
        places={what: place for what, place in first["places"].items() if place},
        synchronised=first["synchronised"],
        other_tools=tuple(dict.fromkeys(tool for report in reports for tool in report["other_tools"])),
        processes=tuple(report["process"] for report in reports),
        options_checked=first["options_checked"],
        headless=first["headless"],
        directory=first["directory"],
    )


def work_of(network: Network) -> Work:
    """What a network computes."""
    layers = [[layer.path, layer.kind, sorted(layer.settings.items()), layer.inputs] for layer in network.layers]
    return Work(network.parameters, len(network.layers), network.macs, _digest(json.dumps(layers).encode()))


def observe(folder: Path, bundle: Bundle, mode: str, *, synthetic: bool) -> Observed:
    """Look at the tensors that a run left.

    They are read where they lie, one after the other, for they may be as large as the network.

    Args:
        folder: what the program was given as `--evidence`.
        bundle: that it ran.
        mode: `train` or `infer`.
        synthetic: whether the data are the synthetic twin's.
    """
    body = _load(bundle.path)
    inputs, weights = _load(folder / "inputs.pt")["inputs"], _load(folder / "weights.pt")
    stepped = folder / "stepped.pt"
    return Observed(
        inputs=inputs_of(inputs, _preparation(body, mode, synthetic)),
        training=training_of(body["layers"], body["weights"], _load(stepped)) if stepped.exists() else None,
        subnormals=subnormals_of(weights, _load(folder / "state.pt"), _activations(body, weights, inputs)),
    )


def _load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True, mmap=True)
    return loaded


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def inputs_of(inputs: torch.Tensor, preparation: Mapping[str, str]) -> Inputs | None:
    """Digest and statistics of a batch; None where they are no numbers, which JSON does not have.

    Args:
        inputs: float (batch size, *input shape).
        preparation: how batches are made.
    """
    import torch

    deviation, mean = torch.std_mean(inputs.double(), correction=0)
    least, largest = torch.aminmax(inputs)
    if not math.isfinite(mean.item()) or not math.isfinite(deviation.item()):
        return None
    return Inputs(
        sha256=hashlib.sha256(inputs.contiguous().numpy().tobytes()).hexdigest(),
        shape=tuple(inputs.shape),
        dtype=str(inputs.dtype).removeprefix("torch."),
        mean=mean.item(),
        deviation=deviation.item(),
        minimum=least.item(),
        maximum=largest.item(),
        preparation=dict(preparation),
    )


def _preparation(body: Mapping[str, Any], mode: str, synthetic: bool) -> dict[str, str]:
    """How a program makes batches of a bundle, by name."""
    training = mode == "train"
    crops, padding = body["crops"].numel(), body["crop_padding"]
    scales = [" ".join(f"{value:.6g}" for value in body[name].tolist()) for name in ("mean", "deviation")]
    return {
        "order": _digest(body["order"].numpy().tobytes()) if training else "of the files",
        "scaling": f"mean {scales[0]}, deviation {scales[1]}",
        "augmentation": f"crop {padding}, flip" if training and crops else "none",
        "size": "x".join(map(str, body["train"]["images"].shape[1:])),
        "data": "synthetic" if synthetic else "files",
    }


def training_of(layers: Sequence[Mapping[str, Any]], before: Tensors, after: Tensors) -> Training | None:
    """What a training step does to the trainable weights; None where it leaves none of them a number.

    A bias ahead of a batch norm is left out: the norm takes any constant out again, so that its gradient is nothing
    but rounding. So are changes that are infinite or no number, which JSON does not have.

    Args:
        layers: of the bundle.
        before: parameters and buffers by name.
        after: the same ones after the step.
    """
    from profkit.layer_kinds import LAYER_KINDS

    without_effect = _without_effect(layers)
    names = [
        f"{layer['path']}.{name}"
        for layer in layers
        for name in LAYER_KINDS[layer["kind"]].parameter_shapes(layer["settings"])
    ]
    found = {name: _change(before[name], after[name]) for name in names if name not in without_effect}
    changes = {name: change for name, change in found.items() if math.isfinite(change)}
    if found and not changes:
        return None
    return Training(changes, tuple(name for name, change in changes.items() if not change))


def _change(before: torch.Tensor, after: torch.Tensor) -> float:
    import torch

    difference = torch.linalg.vector_norm(after - before, dtype=torch.float64).item()
    return difference / (torch.linalg.vector_norm(before, dtype=torch.float64).item() or 1.0)


def _without_effect(layers: Sequence[Mapping[str, Any]]) -> set[str]:
    """Biases of layers whose output only batch norms take."""
    readers: dict[str, set[str]] = {}
    before = ""
    for layer in layers:
        for source in layer["inputs"] or (before,):
            readers.setdefault(source, set()).add(layer["kind"])
        before = layer["path"]
    return {f"{path}.bias" for path, kinds in readers.items() if kinds == {"batch_norm2d"}}


def subnormals_of(weights: Tensors, state: Tensors, activations: Mapping[str, tuple[int, int]]) -> Subnormals:
    """Shares of subnormal numbers.

    Args:
        weights: parameters and buffers by name.
        state: what the optimizer keeps, by name.
        activations: subnormal numbers and all numbers of each layer's output.
    """
    counts = {
        "weights": dict(_counts(weights)),
        "state": dict(_counts(state)),
        "activations": dict(activations),
    }
    shares = {what: _share(own.values()) for what, own in counts.items()}
    each = {f"{what} {name}": _share([count]) or 0.0 for what, own in counts.items() for name, count in own.items()}
    worst = max(each, key=lambda name: each[name], default="")
    return Subnormals(
        weights=shares["weights"] or 0.0,
        state=shares["state"],
        activations=shares["activations"],
        worst=worst if worst and each[worst] else "",
    )


def _counts(tensors: Tensors) -> Iterator[tuple[str, tuple[int, int]]]:
    """Of each floating-point tensor with dimensions: its subnormal numbers and all of them."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dim():
            yield name, (count_subnormal(tensor), tensor.numel())


def count_subnormal(tensor: torch.Tensor) -> int:
    """Numbers that are not zero but below the smallest normal one of their type."""
    import torch

    return int(torch.count_nonzero((tensor != 0) & (tensor.abs() < torch.finfo(tensor.dtype).tiny)))


def _share(counts: Iterable[tuple[int, int]]) -> float | None:
    """Of subnormal numbers among all; None where there are none at all."""
    pairs = list(counts)
    numbers = sum(all_ for _, all_ in pairs)
    return sum(subnormal for subnormal, _ in pairs) / numbers if numbers else None


def _activations(body: Mapping[str, Any], weights: Tensors, inputs: torch.Tensor) -> dict[str, tuple[int, int]]:
    """Subnormal numbers and all numbers of each layer's output for a few samples, in evaluation mode."""
    import torch

    from profkit.runner.network import build_network

    with torch.device("meta"):
        network = build_network(body["layers"])
    for stage in network.stages:
        own = {name: weights[f"{stage.path}.{name}"] for name in stage.module.state_dict()}
        stage.module.load_state_dict(own, assign=True)
    network.eval()
    counts: dict[str, tuple[int, int]] = {}
    for stage in network.stages:
        stage.module.register_forward_hook(
            lambda _module, _inputs, output, path=stage.path: counts.update(
                {path: (count_subnormal(output), output.numel())}
            )
        )
    with torch.no_grad():
        network(inputs[:ACTIVATION_SAMPLES])
    return counts
