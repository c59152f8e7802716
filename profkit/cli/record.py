"""`profkit record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option

EXAMPLES = (
    "profkit record --impl pytorch -o python.json",
    "profkit record --impl libtorch --tool callgrind --batch-size 64 -o cpp.json",
    "profkit record --impl numba --tool torch --batch-size 64 --threads 2",
    "profkit record --impl libtorch --workload resnet18 --tool torch --batch-size 16",
    "profkit record --tool wallclock --data ~/mnist --subset 2000 --repeats 3",
    "profkit record --tool py-spy --tool-option rate=500 -o samples.json",
    "profkit record --tool torch --warmup 3 --steps 10 -o mine.json -- python train.py --epochs 1",
    "profkit record --tool scalene --stop -- python -m package.train",
    "profkit record --tool callgrind --toggle 'train*' -- ./app --steps 2",
)

OURS, YOURS, HOW, WHERE = "A network of profkit", "A program of your own", "How to record", "Where it goes"


def command(
    context: Context,
    program: Annotated[
        list[str] | None,
        Argument(metavar="-- PROGRAM ARGS", help="your own program, in place of a network of profkit"),
    ] = None,
    tool: Annotated[str, Option(help="torch, py-spy, scalene, callgrind or wallclock", rich_help_panel=HOW)] = "torch",
    tool_option: Annotated[
        list[str] | None,
        Option(
            "--tool-option",
            help="of the tool, as name=value (rate=500); profkit doctor lists them",
            rich_help_panel=HOW,
        ),
    ] = None,
    steps: Annotated[int | None, Option(help="recorded steps (default: the tool's)", rich_help_panel=HOW)] = None,
    warmup: Annotated[
        int | None, Option(help="steps before them (default: the tool's, 3 of a program)", min=0, rich_help_panel=HOW)
    ] = None,
    time_limit: Annotated[
        float | None, Option(help="seconds that a run under the tool may take", rich_help_panel=HOW)
    ] = None,
    stop: Annotated[
        bool, Option("--stop", help="end the program when its steps are recorded", rich_help_panel=YOURS)
    ] = False,
    marks: Annotated[
        bool,
        Option("--marks", help="count only profkit.step() and profkit.region() in it", rich_help_panel=YOURS),
    ] = False,
    toggle: Annotated[
        str | None,
        Option(help="callgrind: count in this function only (default of C++: main)", rich_help_panel=YOURS),
    ] = None,
    twice: Annotated[
        bool,
        Option(
            "--twice",
            help="run it without the tool first, for the slowdown (callgrind: else unknown)",
            rich_help_panel=YOURS,
        ),
    ] = False,
    implementation: Annotated[
        str, Option("--impl", help="pytorch, libtorch or numba", rich_help_panel=OURS)
    ] = "pytorch",
    workload: Annotated[
        str, Option(help="network and recipe (profkit layers lists them)", rich_help_panel=OURS)
    ] = "mnist_cnn",
    option: Annotated[
        list[str] | None,
        Option(
            "--option", help="of the workload, as name=value (filters1=16, lr=0.1); repeatable", rich_help_panel=OURS
        ),
    ] = None,
    batch_size: Annotated[
        int | None, Option(help="samples in a step (default: the workload's)", rich_help_panel=OURS)
    ] = None,
    build: Annotated[
        str, Option(help="of the C++ side: release, or debug to see what that costs", rich_help_panel=OURS)
    ] = "release",
    device: Annotated[str, Option(help="cpu, cuda or mps", rich_help_panel=OURS)] = "cpu",
    mode: Annotated[str, Option(help="train or infer", rich_help_panel=OURS)] = "train",
    repeats: Annotated[int, Option(help="fresh processes", rich_help_panel=OURS)] = 1,
    threads: Annotated[int, Option(help="intra-operator threads", rich_help_panel=OURS)] = 1,
    seed: Annotated[int, Option(help="of weights, order and synthetic data", rich_help_panel=OURS)] = 0,
    data: Annotated[
        Path | None, Option(help="directory with the real data (default: synthetic twin)", rich_help_panel=OURS)
    ] = None,
    subset: Annotated[int | None, Option(help="use only the first samples", rich_help_panel=OURS)] = None,
    weights: Annotated[
        Path | None, Option(help="state_dict file to start from (default: drawn by the seed)", rich_help_panel=OURS)
    ] = None,
    workers: Annotated[int, Option(help="threads that make batches ahead", rich_help_panel=OURS)] = 0,
    deterministic: Annotated[
        bool,
        Option("--deterministic", help="only algorithms that repeat themselves to the bit", rich_help_panel=OURS),
    ] = False,
    cudnn_benchmark: Annotated[
        bool, Option("--cudnn-benchmark", help="let cuDNN time its algorithms and choose", rich_help_panel=OURS)
    ] = False,
    flush_denormals: Annotated[
        bool, Option("--flush-denormals", help="take subnormal numbers as zero", rich_help_panel=OURS)
    ] = False,
    agree: Annotated[
        bool, Option(help="check that the implementation computes what the reference does", rich_help_panel=OURS)
    ] = True,
    output: Annotated[
        Path | None, Option("--output", "-o", help="write the profile here too", rich_help_panel=WHERE)
    ] = None,
    runs: Annotated[Path, Option(help="directory that run directories are made in", rich_help_panel=WHERE)] = Path(
        "profkit-runs"
    ),
    force: Annotated[bool, Option("--force", help="overwrite --output", rich_help_panel=WHERE)] = False,
    as_json: Annotated[bool, Option("--json", help="print where everything is as JSON", rich_help_panel=WHERE)] = False,
) -> None:
    """Record a network of profkit, or a program of your own, under one tool.

    The artefact of the tool, run.json and the profile go to a new run directory. A network of profkit also runs without
    the tool, to know the tool's slowdown; a program of your own runs once, unedited: its steps are found by its
    optimizer, else by the calls of its network, and it keeps its input, output, exit code and signals.
    """
    import sys

    from profkit.cli import PassedOn
    from profkit.implementations import Implementation
    from profkit.loader import located
    from profkit.measure import Request, default_course, record
    from profkit.options import parse_options
    from profkit.own_program import OwnRequest, record_program
    from profkit.prepare import Task
    from profkit.programs import Course
    from profkit.recorders import Recorder
    from profkit.registry import find
    from profkit.spec import Workload
    from profkit.views.output import check_overwrite, check_panels, print_json, print_view
    from profkit.views.progress import progress, say_plainly
    from profkit.views.record import recorded_json, recorded_view

    recorder = find("profkit.recorders", Recorder, tool, "tool")
    settings = parse_options(tool_option or [], "--tool-option", "rate=100") | ({"toggle": toggle} if toggle else {})
    check_panels(context, OURS if program else YOURS, "a program of your own" if program else "a network of profkit")
    if output:
        check_overwrite(output, force)
    if program:
        own = OwnRequest(
            command=program,
            recorder=recorder,
            settings=settings,
            warmup=3 if warmup is None else warmup,
            steps=recorder.steps if steps is None else steps,
            stop=stop,
            marks=marks,
            twice=twice,
            limit_s=time_limit,
            output=sys.stderr.fileno() if as_json else None,
        )
        outcome = record_program(own, runs, say_plainly)
        profile, directory, exit_code = outcome.profile, outcome.directory, outcome.exit_code
    else:
        chosen = find("profkit.workloads", Workload, workload)
        size = chosen.batch_size if batch_size is None else batch_size
        task = Task(chosen, size, parse_options(option or []), seed, data, subset, weights=weights)
        course = Course(
            mode=mode,
            steps=steps,
            warmup=-1 if warmup is None else warmup,
            threads=threads,
            device=device,
            workers=workers,
            deterministic=deterministic,
            cudnn_benchmark=cudnn_benchmark,
            flush_denormals=flush_denormals,
        )
        request = Request(
            task=task,
            implementation=find("profkit.implementations", Implementation, implementation).built(build),
            recorder=recorder,
            settings=settings,
            limit_s=time_limit,
            course=default_course(recorder, task, course),
            repeats=repeats,
            agree=agree,
        )
        with progress() as say:
            profile, directory = record(request, runs, say)
        exit_code = 0
    if output:
        located(profile, directory, output).write(output)
    if as_json:
        print_json(recorded_json(profile, directory, output, exit_code))
    else:
        print_view(recorded_view(profile, directory, output), to_stderr=bool(program))
    if exit_code:
        raise PassedOn(exit_code)
