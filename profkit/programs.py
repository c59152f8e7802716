"""Programs: start an implementation on a bundle, watch it, and take its report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from profkit.bundle import Bundle
from profkit.companion import Attaching, accompanied
from profkit.errors import ProgramError, UsageError
from profkit.process import nothing, run_watched

ENVIRONMENT = {
    # Without these, whether glibc gives a freed tensor back to the system, and so whether the next one costs page
    # faults, hangs on chance details of the heap: one and the same program then takes up to 1.7 times as long.
    "GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=1073741824",
    # Instruction counts of the interpreter repeat only if its dictionaries do.
    "PYTHONHASHSEED": "0",
}
"""Set for every measured program, in every language, and kept in the run's settings."""

MODES = ("train", "infer")


@dataclass(frozen=True)
class Course:
    """How a program goes through its bundle.

    Attributes:
        mode: one of `MODES`.
        steps: in the region; None where `epochs` says it.
        epochs: through all training samples (inference: all test samples); None where `steps` says it.
        warmup: steps before that.
        threads: intra-operator threads.
        device: `cpu`, `cuda` or `mps`.
        workers: threads that prepare batches ahead; 0 to prepare each when it is needed.
        deterministic: only algorithms that repeat themselves to the bit.
        cudnn_benchmark: let cuDNN choose its algorithms by timing them.
        flush_denormals: take subnormal numbers as zero.
        masks: dropout from the bundle's masks.
        data: directory that the program reads the images from with its own reader.
        checkpoint: file that weights and optimizer state are written to after every epoch.
        resume: checkpoint to go on from.
    """

    mode: str = "train"
    steps: int | None = None
    epochs: int | None = None
    warmup: int = 0
    threads: int = 1
    device: str = "cpu"
    workers: int = 0
    deterministic: bool = False
    cudnn_benchmark: bool = False
    flush_denormals: bool = False
    masks: bool = False
    data: Path | None = None
    checkpoint: Path | None = None
    resume: Path | None = None

    def check(self) -> None:
        """Refuse what makes no sense before any work is done.

        Raises:
            UsageError: with the option and its value.
        """
        if (self.steps is None) == (self.epochs is None):
            raise UsageError("both --steps and --epochs are given", "choose one of them")
        least = {"steps": 1, "epochs": 1, "threads": 1, "warmup": 0, "workers": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise UsageError(f"--{name} is {value}", f"{smallest} or more")

    def flags(self) -> list[str]:
        """As the runners take it."""
        valued = {
            "mode": self.mode,
            "steps": self.steps,
            "epochs": self.epochs,
            "warmup": self.warmup,
            "threads": self.threads,
            "device": self.device,
            "workers": self.workers,
            "data": self.data,
            "checkpoint": self.checkpoint,
            "resume": self.resume,
        }
        switches = ("deterministic", "cudnn_benchmark", "flush_denormals", "masks")
        return [
            *(word for name, value in valued.items() if value is not None for word in (f"--{name}", str(value))),
            *(f"--{name.replace('_', '-')}" for name in switches if getattr(self, name)),
        ]


def run_program(
    command: Sequence[str],
    bundle: Bundle,
    course: Course,
    watch: Callable[[str], None],
    *,
    environment: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    attaching: Attaching | None = None,
    limit_s: float | None = None,
) -> dict[str, Any]:
    """Run a program to its end.

    Args:
        command: of the implementation, perhaps wrapped in a tool.
        bundle: the work.
        course: how to go through it.
        watch: told each line of its progress.
        environment: variables beside `ENVIRONMENT`.
        more: further flags.
        attaching: a tool that the program will ask for.
        limit_s: time that it may take [s].

    Returns:
        The program's report.

    Raises:
        ProgramError: it fails or is killed; in its own words where it left any.
        MissingToolError: it cannot be started.
        KeyboardInterrupt: passed on after the program and its children are gone.
    """
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        report, progress = Path(scratch, "report.json"), Path(scratch, "progress")
        files = ["--bundle", str(bundle.path), "--report", str(report), "--progress", str(progress)]
        if attaching:
            files += ["--control", scratch]
        variables = {**ENVIRONMENT, **(environment or {})}
        with accompanied(attaching, Path(scratch)) as companion:
            attend = companion.attend if companion else nothing
            try:
                run_watched([*command, *files, *course.flags(), *more], variables, progress, watch, attend, limit_s)
            except ProgramError as error:
                raise (companion and companion.failure) or _in_its_own_words(report, error) from error
        return msgspec.json.decode(report.read_bytes(), type=dict[str, Any])


def _in_its_own_words(report: Path, error: ProgramError) -> ProgramError:
    """The failure as the program explains it in its report, where it came so far."""
    if not report.exists() or not report.stat().st_size:
        return error
    said = msgspec.json.decode(report.read_bytes(), type=dict[str, Any])
    return ProgramError(f"the program failed: {said['failure']}", HINTS.get(said["kind"], "its own words are above"))


HINTS = {
    "nan": "a smaller --lr or another --seed; the steps before it are as they should be",
    "memory": "a smaller --batch-size, or a machine with more memory",
    "unsupported": "profkit agree --impl all shows what runs where",
}
"""What to do about each kind of failure."""
