"""Networks as tables: what each layer takes and makes, and what the options of a workload are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.layer_kinds import Shape
from profkit.options import Value
from profkit.spec import LayerSize, Network, Workload

BRIEF = {"kernel_size": "k", "stride": "s", "padding": "p", "output_size": "to "}
"""Settings that a line has room for, and what stands before their values."""


def workloads_view(workloads: Sequence[Workload]) -> RenderableType:
    """One row a workload, with what it is below."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("workload", "parameters", "MAC", "batch", "dataset"):
        table.add_column(head, justify="right" if head in ("parameters", "MAC", "batch") else "left")
    for workload in workloads:
        network = workload.network({})
        table.add_row(
            workload.name,
            f"{network.parameters:,}",
            _millions(network.macs),
            str(workload.batch_size),
            workload.dataset,
        )
    summaries = [Text(f"{workload.name}: {workload.summary}") for workload in workloads]
    caption = Text("MAC: multiply-adds of one sample, forward; profkit layers WORKLOAD prints its layers.", "dim")
    return Group(table, Text(), *summaries, Text(), caption)


def network_view(workload: Workload, options: Mapping[str, Value]) -> RenderableType:
    """One row a layer, their totals, the recipe and the options."""
    network = workload.network(options)
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("layer", "total", overflow="fold")
    table.add_column("kind")
    table.add_column("output", justify="right")
    table.add_column("parameters", f"{network.parameters:,}", justify="right")
    table.add_column("MAC", f"{network.macs:,}", justify="right")
    for size in network.sizes():
        table.add_row(
            size.layer.path,
            _kind(size),
            _shape(size.outputs),
            f"{size.parameters:,}" if size.parameters else "",
            f"{size.macs:,}" if size.macs else "",
        )
    chosen = workload.complete(options)
    lines = [
        f"{workload.name}: {_shape(network.input_shape)} input, {_recipe(network)}, batch {workload.batch_size}, "
        f"data {workload.dataset}",
        *(
            f"  --option {name}={chosen[name]}  {option.meaning}"
            + (f" (one of {', '.join(map(str, option.choices))})" if option.choices else "")
            for name, option in workload.options.items()
        ),
    ]
    return Group(table, Text(), *(Text(line) for line in lines))


def workloads_json(workloads: Sequence[Workload]) -> dict[str, Any]:
    """The workloads for programs."""
    return {
        workload.name: {
            "summary": workload.summary,
            "dataset": workload.dataset,
            "batch_size": workload.batch_size,
            "parameters": workload.network({}).parameters,
            "macs": workload.network({}).macs,
            "options": {name: option.default for name, option in workload.options.items()},
        }
        for workload in workloads
    }


def network_json(workload: Workload, options: Mapping[str, Value]) -> dict[str, Any]:
    """A network for programs."""
    network = workload.network(options)
    return {
        "workload": workload.name,
        "options": dict(workload.complete(options)),
        "input_shape": network.input_shape,
        "loss": network.loss,
        "optimizer": network.optimizer,
        "hyperparameters": dict(network.hyperparameters),
        "parameters": network.parameters,
        "macs": network.macs,
        "layers": [
            {
                "path": size.layer.path,
                "kind": size.layer.kind,
                "settings": dict(size.layer.settings),
                "inputs": list(size.layer.inputs),
                "input_shape": size.inputs,
                "output_shape": size.outputs,
                "parameters": size.parameters,
                "macs": size.macs,
            }
            for size in network.sizes()
        ],
    }


def _kind(size: LayerSize) -> str:
    settings = size.layer.settings
    brief = [
        f"{sign}{settings[name]:g}"
        for name, sign in BRIEF.items()
        if name in settings
        and not (name == "padding" and not settings[name])
        and not (name == "stride" and settings[name] == 1)
    ]
    sources = [f"+ {source}" for source in size.layer.inputs[1:]]
    return " ".join([size.layer.kind, *brief, *sources])


def _recipe(network: Network) -> str:
    numbers = ", ".join(f"{name} {value:g}" for name, value in network.hyperparameters.items())
    return f"loss {network.loss}, {network.optimizer} ({numbers})"


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _millions(count: int) -> str:
    return f"{count / 1e6:,.2f} M"


def workloads_markdown(workloads: Sequence[Workload]) -> str:
    """The workloads as a table for the README."""
    lines = ["| workload | parameters | MAC | batch | data | options |", "| --- | --- | --- | --- | --- | --- |"]
    for workload in workloads:
        network = workload.network({})
        options = ", ".join(f"`{name}={option.default}`" for name, option in workload.options.items())
        lines.append(
            f"| `{workload.name}` | {network.parameters:,} | {_millions(network.macs)} | {workload.batch_size} "
            f"| {workload.dataset} | {options} |"
        )
    return "\n".join(lines)
