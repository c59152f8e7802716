"""`profkit record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit record --impl pytorch -o python.json",
    "profkit record --impl libtorch --tool callgrind --batch-size 64 -o cpp.json",
    "profkit record --tool wallclock --data ~/mnist --subset 2000 --repeats 3",
)


def command(
    implementation: Annotated[str, Option("--impl", help="pytorch or libtorch")] = "pytorch",
    tool: Annotated[str, Option(help="torch, callgrind or wallclock")] = "torch",
    workload: Annotated[str, Option(help="network and recipe")] = "mnist_cnn",
    option: Annotated[
        list[str] | None, Option("--option", help="of the workload, as name=value (filters1=16); may be repeated")
    ] = None,
    batch_size: Annotated[int | None, Option(help="samples in a step (default: the workload's)")] = None,
    steps: Annotated[int | None, Option(help="recorded steps (default: the tool's)")] = None,
    warmup: Annotated[int | None, Option(help="steps before them (default: the tool's)")] = None,
    repeats: Annotated[int, Option(help="fresh processes")] = 1,
    threads: Annotated[int, Option(help="intra-operator threads")] = 1,
    seed: Annotated[int, Option(help="of weights, order and synthetic data")] = 0,
    data: Annotated[Path | None, Option(help="directory with the real data (default: synthetic twin)")] = None,
    subset: Annotated[int | None, Option(help="use only the first samples")] = None,
    output: Annotated[Path | None, Option("--output", "-o", help="write the profile here too")] = None,
    runs: Annotated[Path, Option(help="directory that run directories are made in")] = Path("profkit-runs"),
    agree: Annotated[bool, Option(help="check that the implementation computes what the reference does")] = True,
    force: Annotated[bool, Option("--force", help="overwrite --output")] = False,
    as_json: Annotated[bool, Option("--json", help="print where everything is as JSON")] = False,
) -> None:
    """Record a workload in one implementation under one tool.

    The artefact of the tool, run.json and the profile go to a new run directory; the program also runs without the
    tool, to know the tool's slowdown.
    """
    from profkit.implementations import Implementation
    from profkit.measure import PROFILE_FILE, Request, record
    from profkit.prepare import Task
    from profkit.recorders import Recorder
    from profkit.registry import find
    from profkit.spec import Workload, parse_options
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress
    from profkit.views.record import recorded_view

    recorder = find("profkit.recorders", Recorder, tool, "tool")
    chosen = find("profkit.workloads", Workload, workload)
    request = Request(
        task=Task(
            chosen,
            chosen.batch_size if batch_size is None else batch_size,
            parse_options(option or []),
            seed,
            data,
            subset,
        ),
        implementation=find("profkit.implementations", Implementation, implementation),
        recorder=recorder,
        steps=recorder.steps if steps is None else steps,
        warmup=recorder.warmup if warmup is None else warmup,
        repeats=repeats,
        threads=threads,
        agree=agree,
    )
    if output:
        check_overwrite(output, force)
    with progress() as say:
        profile, directory = record(request, runs, say)
    if output:
        profile.write(output)
    written = output or directory / PROFILE_FILE
    if as_json:
        print_json({"profile": str(written), "run_directory": str(directory), "slowdown": profile.run.slowdown})
    else:
        print_view(recorded_view(profile, directory, written))
