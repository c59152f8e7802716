"""`profkit layers`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

EXAMPLES = (
    "profkit layers",
    "profkit layers resnet18",
    "profkit layers convnet --option layers=6 --option kernel_size=5 --json",
)


def command(
    workload: Annotated[str | None, Argument(help="network (default: list all of them)")] = None,
    option: Annotated[list[str] | None, Option("--option", help="as name=value; may be repeated")] = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Print a network layer by layer: shapes, parameters and multiply-adds; without a name, the workloads there are."""
    from profkit.options import parse_options
    from profkit.registry import discover, find
    from profkit.spec import Workload
    from profkit.views.layers import network_json, network_view, workloads_json, workloads_view
    from profkit.views.output import print_json, print_view

    if workload is None:
        every = list(discover("profkit.workloads", Workload).values())
        if as_json:
            print_json(workloads_json(every))
        else:
            print_view(workloads_view(every))
        return
    chosen = find("profkit.workloads", Workload, workload)
    options = parse_options(option or [])
    if as_json:
        print_json(network_json(chosen, options))
    else:
        print_view(network_view(chosen, options))
