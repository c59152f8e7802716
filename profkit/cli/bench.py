"""`profkit bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

EXAMPLES = (
    "profkit bench --workload convnet --impl pytorch,libtorch --batch-size 8,32,128 --kernel-size 3,5 --subset 512",
    "profkit bench --workload resnet18 --mode infer --device all --steps 50 --repeats 6",
    "profkit bench --workload alexnet --mode latency --threads 1,2 --json",
    "profkit bench --workload conv_autoencoder --epochs 10 --checkpoint -o faces",
)

LENGTHS = {"train": ("epochs", 2, 2), "infer": ("steps", 20, 5), "latency": ("steps", 200, 20)}
"""For each mode what a run is counted in, how many where nobody says, and the warm-up."""

RUN, SWEPT, HOW = "What to run", "Axes (comma lists are swept)", "How to measure"


def command(
    workload: Annotated[str, Option(help="networks, or all", rich_help_panel=RUN)] = "mnist_cnn",
    implementation: Annotated[
        str, Option("--impl", help="names, or all; the first is the baseline", rich_help_panel=RUN)
    ] = "all",
    device: Annotated[str, Option(help="cpu, cuda, mps, or all", rich_help_panel=RUN)] = "cpu",
    mode: Annotated[str, Option(help="train, infer, or latency: batches of 1", rich_help_panel=RUN)] = "train",
    epochs: Annotated[int | None, Option(help="of a run (train: 2)", rich_help_panel=RUN)] = None,
    steps: Annotated[
        int | None, Option(help="of a run, instead of --epochs (infer: 20, latency: 200)", rich_help_panel=RUN)
    ] = None,
    batch_size: Annotated[str | None, Option(help="samples in a step", rich_help_panel=SWEPT)] = None,
    kernel_size: Annotated[str | None, Option(help="of the convolutions", rich_help_panel=SWEPT)] = None,
    layers: Annotated[str | None, Option(help="stages of the network", rich_help_panel=SWEPT)] = None,
    option: Annotated[
        list[str] | None,
        Option("--option", help="any option of the workload: name=V1,V2; may be repeated", rich_help_panel=SWEPT),
    ] = None,
    optimizer: Annotated[str | None, Option(help="sgd, adam", rich_help_panel=SWEPT)] = None,
    loss: Annotated[str | None, Option(help="cross_entropy, l1, l2", rich_help_panel=SWEPT)] = None,
    lr: Annotated[str | None, Option(help="learning rate", rich_help_panel=SWEPT)] = None,
    momentum: Annotated[str | None, Option(help="of sgd", rich_help_panel=SWEPT)] = None,
    weight_decay: Annotated[str | None, Option(help="of the optimizer", rich_help_panel=SWEPT)] = None,
    seed: Annotated[str, Option(help="of weights, order and synthetic data", rich_help_panel=SWEPT)] = "0",
    threads: Annotated[str, Option(help="intra-operator threads", rich_help_panel=SWEPT)] = "1",
    workers: Annotated[str, Option(help="threads that prepare batches ahead", rich_help_panel=SWEPT)] = "0",
    data: Annotated[Path | None, Option(help="directory with the real data (default: synthetic twin)")] = None,
    subset: Annotated[int | None, Option(help="use only the first samples")] = None,
    weights: Annotated[Path | None, Option(help="state_dict file to start from")] = None,
    loader: Annotated[
        str, Option(help="images from the bundle, or native: by each program's own reader", rich_help_panel=HOW)
    ] = "bundle",
    repeats: Annotated[int, Option(help="fresh processes a cell", rich_help_panel=HOW)] = 3,
    warmup: Annotated[int | None, Option(help="steps before those that are timed", rich_help_panel=HOW)] = None,
    deterministic: Annotated[
        bool, Option("--deterministic", help="only repeatable algorithms", rich_help_panel=HOW)
    ] = False,
    cudnn_benchmark: Annotated[
        bool, Option("--cudnn-benchmark", help="let cuDNN time its algorithms", rich_help_panel=HOW)
    ] = False,
    flush_denormals: Annotated[
        bool, Option("--flush-denormals", help="subnormal numbers as zero", rich_help_panel=HOW)
    ] = False,
    agree: Annotated[
        bool, Option(help="check first that each computes what the reference does", rich_help_panel=HOW)
    ] = True,
    checkpoint: Annotated[
        bool,
        Option(
            "--checkpoint", help="keep each run's state after every epoch; a killed run goes on", rich_help_panel=HOW
        ),
    ] = False,
    resume: Annotated[
        Path | None, Option(help="checkpoint that training goes on from, up to --epochs in all", rich_help_panel=RUN)
    ] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="directory (default: profkit-bench/WORKLOAD-MODE)")
    ] = None,
    draw: Annotated[bool, Option("--charts/--no-charts", help="draw charts")] = True,
    as_json: Annotated[bool, Option("--json", help="print everything as JSON")] = False,
    as_csv: Annotated[bool, Option("--csv", help="print one row a cell as CSV")] = False,
) -> None:
    """Measure every combination of the axes in fresh processes: time, throughput, accuracy, memory.

    Results, tables and charts go to a directory; the same command continues where it was stopped.
    """
    from profkit.benchmark import bench, require
    from profkit.implementations import Implementation
    from profkit.measures import cell_table, results_json
    from profkit.spec import Workload
    from profkit.sweep import Sweep, chosen, chosen_devices, numbers, option_axes
    from profkit.sweep_directory import RECONSTRUCTIONS
    from profkit.views.bench import results_view
    from profkit.views.charts import save_charts
    from profkit.views.output import check_formats, print_csv, print_json, print_view
    from profkit.views.progress import progress
    from profkit.views.reconstructions import save_reconstructions

    check_formats(as_json, as_csv)
    shortcuts = {"kernel_size": kernel_size, "layers": layers, "optimizer": optimizer, "loss": loss}
    shortcuts |= {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    implementations = chosen("profkit.implementations", Implementation, "impl", implementation)
    unit, length, warm = LENGTHS.get(mode, LENGTHS["train"])
    given = {"epochs": epochs, "steps": steps} if epochs is not None or steps is not None else {unit: length}
    sweep = Sweep(
        workloads=chosen("profkit.workloads", Workload, "workload", workload),
        implementations=implementations,
        devices=chosen_devices(implementations, device),
        mode=mode,
        batch_sizes=() if batch_size is None else numbers("--batch-size", batch_size, int, 1),
        threads=numbers("--threads", threads, int, 1),
        workers=numbers("--workers", workers, int, 0),
        seeds=numbers("--seed", seed, int, 0),
        options=option_axes(option or [], shortcuts),
        epochs=given.get("epochs"),
        steps=given.get("steps"),
        warmup=warm if warmup is None else warmup,
        repeats=repeats,
        subset=subset,
        data=data,
        weights=weights,
        loader=loader,
        deterministic=deterministic,
        cudnn_benchmark=cudnn_benchmark,
        flush_denormals=flush_denormals,
        agree=agree,
        checkpoint=checkpoint,
        resume=resume,
    )
    directory = output or Path("profkit-bench", f"{workload.replace(',', '+')}-{mode}")
    with progress() as say:
        results = bench(sweep, directory, say)
        charts = save_charts(results, directory / "charts", say) if draw else []
        pictures = save_reconstructions(directory / RECONSTRUCTIONS)
    if as_json:
        print_json(results_json(results))
    elif as_csv:
        print_csv(*cell_table(results))
    else:
        print_view(results_view(results, directory, charts, pictures))
    require(results)
