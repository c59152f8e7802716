"""What a run was, in a line."""

from __future__ import annotations

from profkit.run import Agreement, Run


def name(run: Run) -> str:
    """The implementation where it is known, else the tool that the trace is from."""
    return run.implementation or f"{run.tool} trace"


def title(run: Run) -> str:
    """`mnist_cnn, pytorch under callgrind: 2 steps of 512, 1 thread`, and the slowdown by the tool."""
    if run.implementation or not run.workload:
        who = f"{name(run)} under {run.tool}" if run.implementation else name(run)
        parts = [", ".join(part for part in (run.workload, who) if part)]
    else:
        parts = [f"{run.workload} under {run.tool}"]
    if run.steps:
        batch = f" of {run.batch_size}" if run.batch_size else ""
        threads = f", {run.threads} thread{'s' if run.threads != 1 else ''}" if run.threads else ""
        parts.append(f"{run.steps} step{'s' if run.steps != 1 else ''}{batch}{threads}")
    line = ": ".join(parts)
    return f"{line}; slowdown by the tool {run.slowdown:.3g}x" if run.slowdown else line


def agreement_line(agreement: Agreement, implementation: str) -> str:
    """Whether an implementation computes the same, with the differences."""
    verdict = "agrees with" if agreement.holds else "DISAGREES with"
    held_against = (
        f"tolerance {agreement.tolerance:.0e}"
        if agreement.excess is None
        else f"{agreement.excess:.2g} of what rounding explains"
    )
    return (
        f"{implementation} {verdict} {agreement.reference} over {agreement.steps} training steps: largest difference "
        f"of outputs {agreement.output:.1e}, losses {agreement.loss:.1e}, weights {agreement.weight:.1e} "
        f"({held_against})"
    )
