"""`profkit layers`."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from profkit.errors import MissingToolError, UsageError

if TYPE_CHECKING:
    from profkit.network_costs import CostedNetwork

EXAMPLES = (
    "profkit layers",
    "profkit layers resnet18",
    "profkit layers convnet --option layers=6 --option kernel_size=5 --json",
    "profkit layers alexnet --costs --batch-size 1 --infer",
    "profkit layers resnet18 --costs --macs",
    "profkit layers package.module:build --costs --input 1x3x224x224",
)

OURS, COSTS, YOURS = "A network of profkit", "What each layer costs, without any run", "A network of your own"


def command(
    context: Context,
    workload: Annotated[
        str | None, Argument(help="network, or module:callable that returns one (default: list all of profkit's)")
    ] = None,
    option: Annotated[
        list[str] | None, Option("--option", help="as name=value; may be repeated", rich_help_panel=OURS)
    ] = None,
    costs: Annotated[bool, Option("--costs", help="FLOP, bytes, FLOP/byte", rich_help_panel=COSTS)] = False,
    batch_size: Annotated[
        int | None, Option(help="samples in a step, with --costs (default: the network's)", rich_help_panel=OURS)
    ] = None,
    infer: Annotated[bool, Option("--infer", help="forward pass alone", rich_help_panel=COSTS)] = False,
    macs: Annotated[bool, Option("--macs", help="multiply-adds beside FLOP", rich_help_panel=COSTS)] = False,
    as_csv: Annotated[bool, Option("--csv", help="print CSV, a row an operator", rich_help_panel=COSTS)] = False,
    inputs: Annotated[
        list[str] | None,
        Option("--input", help="sizes of each input, as 1x3x224x224 or 1x128:int64", rich_help_panel=YOURS),
    ] = None,
    dtype: Annotated[
        str | None, Option(help="of weights and inputs (default: as the network is made)", rich_help_panel=YOURS)
    ] = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Print a network layer by layer: shapes, parameters and multiply-adds, or with --costs what each layer costs."""
    from profkit.views.output import check_formats, check_panels

    check_formats(as_json, as_csv)
    if workload is not None and ":" in workload:
        check_panels(context, OURS, "a network of your own: it takes --input")
        _print_costs(_own(workload, inputs or [], dtype, not infer), macs, as_json, as_csv)
        return
    check_panels(context, YOURS, "a network of profkit")
    if workload is not None and costs:
        _print_costs(_ours(workload, option or [], batch_size, not infer), macs, as_json, as_csv)
        return
    if costs:
        raise UsageError("--costs is of one network", "name it, for example profkit layers resnet18 --costs")
    check_panels(context, COSTS, "a network without --costs")
    if batch_size is not None:
        raise UsageError("--batch-size says nothing of a network without --costs", "add --costs")
    _print_sizes(workload, option or [], as_json)


def _ours(workload: str, option: list[str], batch_size: int | None, training: bool) -> CostedNetwork:
    from profkit.network_costs import costed_workload
    from profkit.options import parse_options
    from profkit.registry import find
    from profkit.spec import Workload

    chosen = find("profkit.workloads", Workload, workload)
    return costed_workload(chosen, parse_options(option), batch_size, training=training)


def _own(name: str, inputs: list[str], dtype: str | None, training: bool) -> CostedNetwork:
    if importlib.util.find_spec("torch") is None:
        raise MissingToolError(f"{name} needs torch, which is not installed", "pip install 'profkit[torch]'")
    from profkit.runner.meta_calls import costed_module, parse_sizes

    return costed_module(name, [parse_sizes(text) for text in inputs], dtype=dtype, training=training)


def _print_costs(network: CostedNetwork, macs: bool, as_json: bool, as_csv: bool) -> None:
    from profkit.views.layer_costs import costs_json, costs_rows, costs_view
    from profkit.views.output import print_csv, print_json, print_view

    if as_json:
        print_json(costs_json(network, macs=macs))
    elif as_csv:
        print_csv(*costs_rows(network, macs=macs))
    else:
        print_view(costs_view(network, macs=macs))


def _print_sizes(workload: str | None, option: list[str], as_json: bool) -> None:
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
    options = parse_options(option)
    if as_json:
        print_json(network_json(chosen, options))
    else:
        print_view(network_view(chosen, options))
