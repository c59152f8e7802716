"""Checkpoints that the runners wrote: whether a run can go on from one."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import InputError
from profkit.programs import Course


def unfinished(file: Path, course: Course) -> bool:
    """Whether a checkpoint is there and leaves epochs to do; one of a run that came to its end is begun anew."""
    if not file.exists() or course.epochs is None:
        return False
    from profkit.runner.checkpoint import read_checkpoint

    try:
        return read_checkpoint(file).epoch < course.epochs
    except InputError:
        return False
