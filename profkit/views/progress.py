"""Progress of long work on standard error: a live line in a terminal, one line a stage elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is going on; `stage: detail` is one stage while the detail changes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_a_stage(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text: bar.update(task, description=text)


def _line_a_stage(console: Console) -> Callable[[str], None]:
    shown: list[str] = []

    def say(text: str) -> None:
        stage = text.partition(":")[0]
        if shown[-1:] != [stage]:
            shown.append(stage)
            console.print(stage, markup=False, highlight=False, soft_wrap=True)

    return say


def say_plainly(text: str) -> None:
    """A line on standard error, among what a program of the user says there itself."""
    Console(stderr=True).print(f"profkit: {text}", markup=False, highlight=False, soft_wrap=True)
