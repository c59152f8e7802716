"""`profkit record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit record --impl pytorch -o python.json",
    "profkit record --impl libtorch --tool callgrind --batch-size 64 -o cpp.json",
    "profkit record --impl numba --tool torch --batch-size 64 --threads 2",
    "profkit record --impl libtorch --workload resnet18 --tool torch --batch-size 16",
    "profkit record --tool wallclock --data ~/mnist --subset 2000 --repeats 3",
)


def command(
    implementation: Annotated[str, Option("--impl", help="pytorch, libtorch or numba")] = "pytorch",
    tool: Annotated[str, Option(help="torch, py-spy, scalene, callgrind or wallclock")] = "torch",
    tool_option: Annotated[
        list[str] | None, Option("--tool-option", help="of the tool, as name=value (rate=500); may be repeated")
    ] = None,
    time_limit: Annotated[float | None, Option(help="seconds that a run under the tool may take")] = None,
    workload: Annotated[str, Option(help="network and recipe (profkit layers lists them)")] = "mnist_cnn",
    option: Annotated[
        list[str] | None,
        Option("--option", help="of the workload or its recipe, as name=value (filters1=16, lr=0.1); may be repeated"),
    ] = None,
    batch_size: Annotated[int | None, Option(help="samples in a step (default: the workload's)")] = None,
    device: Annotated[str, Option(help="cpu, cuda or mps")] = "cpu",
    mode: Annotated[str, Option(help="train or infer")] = "train",
    steps: Annotated[int | None, Option(help="recorded steps (default: the tool's, fewer for a large network)")] = None,
    warmup: Annotated[int | None, Option(help="steps before them (default: likewise)", min=0)] = None,
    repeats: Annotated[int, Option(help="fresh processes")] = 1,
    threads: Annotated[int, Option(help="intra-operator threads")] = 1,
    seed: Annotated[int, Option(help="of weights, order and synthetic data")] = 0,
    data: Annotated[Path | None, Option(help="directory with the real data (default: synthetic twin)")] = None,
    subset: Annotated[int | None, Option(help="use only the first samples")] = None,
    weights: Annotated[Path | None, Option(help="state_dict file to start from (default: drawn by the seed)")] = None,
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
    from profkit.measure import Request, default_course, record
    from profkit.options import parse_options
    from profkit.prepare import Task
    from profkit.programs import Course
    from profkit.recorders import Recorder
    from profkit.registry import find
    from profkit.run_directory import PROFILE_FILE
    from profkit.spec import Workload
    from profkit.views.output import check_overwrite, print_json, print_view
    from profkit.views.progress import progress
    from profkit.views.record import recorded_view

    recorder = find("profkit.recorders", Recorder, tool, "tool")
    chosen = find("profkit.workloads", Workload, workload)
    size = chosen.batch_size if batch_size is None else batch_size
    task = Task(chosen, size, parse_options(option or []), seed, data, subset, weights=weights)
    course = Course(mode=mode, steps=steps, warmup=-1 if warmup is None else warmup, threads=threads, device=device)
    request = Request(
        task=task,
        implementation=find("profkit.implementations", Implementation, implementation),
        recorder=recorder,
        settings=parse_options(tool_option or [], "--tool-option", "rate=100"),
        limit_s=time_limit,
        course=default_course(recorder, task, course),
        repeats=repeats,
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
