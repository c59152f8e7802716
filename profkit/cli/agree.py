"""`profkit agree`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit agree --workload mnist_cnn --impl pytorch,libtorch",
    "profkit agree --workload all --impl all",
    "profkit agree --impl numba --device cuda --batch-size 64 --option filters1=16 --json",
)


def command(
    implementations: Annotated[str, Option("--impl", help="names with commas, or all")] = "all",
    workload: Annotated[str, Option(help="names with commas, or all")] = "mnist_cnn",
    device: Annotated[str, Option(help="names with commas, or all")] = "all",
    option: Annotated[
        list[str] | None, Option("--option", help="of the workload or its recipe, as name=value; may be repeated")
    ] = None,
    batch_size: Annotated[int | None, Option(help="samples in a step (default: the workload's)")] = None,
    threads: Annotated[int, Option(help="intra-operator threads", min=1)] = 1,
    seed: Annotated[int, Option(help="of weights, order and synthetic data")] = 0,
    data: Annotated[Path | None, Option(help="directory with the real data (default: synthetic twin)")] = None,
    subset: Annotated[int | None, Option(help="use only the first samples")] = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Check that implementations compute the same, every two of them.

    Compared are the outputs of the first batch, the losses of up to five training steps (two for a large network), and
    the weights and batch norm's statistics after them; dropout takes the same masks everywhere.
    """
    from profkit.agree import check_workload, platforms, require, require_any
    from profkit.implementations import Implementation
    from profkit.options import parse_options
    from profkit.prepare import Task
    from profkit.spec import Workload
    from profkit.sweep import chosen
    from profkit.views.agree import agreement_json, agreement_view
    from profkit.views.output import print_json, print_view
    from profkit.views.progress import progress

    compared = platforms(chosen("profkit.implementations", Implementation, "impl", implementations), device)
    checks = []
    with progress() as say:
        for network in chosen("profkit.workloads", Workload, "workload", workload):
            size = network.batch_size if batch_size is None else batch_size
            task = Task(network, size, parse_options(option or []), seed, data, subset)
            checks.append(check_workload(task, compared, threads, say))
    if as_json:
        print_json(agreement_json(checks))
    else:
        print_view(agreement_view(checks))
    require_any(checks)
    require({f"{pair} on {check.workload}": found for check in checks for pair, found in check.found.items()})
