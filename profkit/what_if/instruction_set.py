"""Instruction set: one level down, in torch, oneDNN, MKL and Numba alike."""

from __future__ import annotations

from dataclasses import dataclass

from profkit.run import Run
from profkit.what_if import Change, Trial, Variant


@dataclass(frozen=True)
class _Level:
    """A level as each library calls it."""

    label: str
    aten: str
    onednn: str
    mkl: str
    processor: str  # the plainest one that has it, as LLVM calls it

    def variables(self) -> dict[str, str]:
        return {
            "ATEN_CPU_CAPABILITY": self.aten,
            "ONEDNN_MAX_CPU_ISA": self.onednn,
            "MKL_ENABLE_INSTRUCTIONS": self.mkl,
            "NUMBA_CPU_NAME": self.processor,
            "NUMBA_CPU_FEATURES": "",  # else those of this machine's own processor
        }


_AVX2 = _Level("AVX2", "avx2", "AVX2", "AVX2", "haswell")
_SSE = _Level("SSE4", "default", "SSE41", "SSE4_2", "nehalem")
_BELOW = {"AVX512": _AVX2, "AVX2": _SSE}
"""The next level, by what torch calls the one in use (`torch.backends.cpu.get_cpu_capability`)."""
_LEVELS = {"AVX2": _AVX2, "DEFAULT": _SSE}
_WIDEST = {"avx512": "AVX512", "avx2": "AVX2"}
"""What torch uses by itself on a machine with these vectors."""


def in_use(run: Run) -> str | None:
    """The level that a run used, in torch's words; Numba tells the processor that it compiled for.

    Returns:
        None where nobody recorded it.
    """
    told = run.settings.get("cpu_capability")
    if told is None or told in _BELOW or told in _LEVELS:
        return told
    held = next((name for name, level in _LEVELS.items() if level.processor == told), None)
    return held or (_WIDEST.get(run.machine.instruction_set, told) if run.machine else told)


def held_to_own(run: Run) -> dict[str, str]:
    """Variables that hold every library to what a run used, where its machine has more; else none.

    Valgrind shows its program fewer instructions than the processor has, and so does a variable that nobody kept.
    """
    used = in_use(run)
    widest = _WIDEST.get(run.machine.instruction_set) if run.machine else None
    return _LEVELS[used].variables() if used in _LEVELS and widest not in (None, used) else {}


def refusal(trial: Trial, _other: Trial) -> str | None:
    """Only x86 has levels that libraries can be held to, and only the host's arithmetic uses them."""
    if trial.course.device != "cpu":
        return f"it computes on {trial.course.device}"
    used = in_use(trial.run)
    if used is None:
        return "nobody recorded the instruction set in use"
    return None if used in _BELOW else f"there is nothing below {used} to hold the libraries to"


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """The trial with every library held to the level below."""
    level = _BELOW[str(in_use(trial.run))]
    return (Variant(f"no more than {level.label}", trial.under(**level.variables())),)


INSTRUCTION_SET = Change(
    name="instruction_set",
    question="what if every library used narrower vectors?",
    refusal=refusal,
    variants=variants,
)
