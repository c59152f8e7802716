"""`profkit agree`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit agree --workload mnist_cnn --impl pytorch,libtorch",
    "profkit agree --batch-size 64 --option filters1=16 --json",
)


def command(
    implementations: Annotated[str, Option("--impl", help="names with commas, or all")] = "all",
    workload: Annotated[str, Option(help="network and recipe")] = "mnist_cnn",
    option: Annotated[
        list[str] | None, Option("--option", help="of the workload, as name=value; may be repeated")
    ] = None,
    batch_size: Annotated[int | None, Option(help="samples in a step (default: the workload's)")] = None,
    threads: Annotated[int, Option(help="intra-operator threads", min=1)] = 1,
    seed: Annotated[int, Option(help="of weights, order and synthetic data")] = 0,
    data: Annotated[Path | None, Option(help="directory with the real data (default: synthetic twin)")] = None,
    subset: Annotated[int | None, Option(help="use only the first samples")] = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Check that implementations compute the same: outputs, losses of 20 training steps, final weights."""
    from profkit.agree import agreement_of, require
    from profkit.implementations import Implementation
    from profkit.prepare import Task, prepare
    from profkit.registry import discover, find
    from profkit.spec import Workload, parse_options
    from profkit.views.agree import agreement_json, agreement_view
    from profkit.views.output import print_json, print_view
    from profkit.views.progress import progress

    names = (
        discover("profkit.implementations", Implementation) if implementations == "all" else implementations.split(",")
    )
    chosen = [find("profkit.implementations", Implementation, name.strip()) for name in names]
    network = find("profkit.workloads", Workload, workload)
    size = network.batch_size if batch_size is None else batch_size
    task = Task(network, size, parse_options(option or []), seed, data, subset)
    with progress() as say:
        say("preparing weights and batches")
        bundle = prepare(task)
        found = {each.name: agreement_of(each, bundle, threads, say) for each in chosen}
    if as_json:
        print_json(agreement_json(found))
    else:
        print_view(agreement_view(found))
    require(found)
