"""R09: versions of libraries and flags are equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, seen
from profkit.audit.devices import on_device
from profkit.audit.objections import Objection, decided, names
from profkit.profile import Profile
from profkit.run import Run

_BUILD = {
    "oneDNN": re.compile(r"MKL-DNN v(\S+)"),
    "MKL": re.compile(r"Math Kernel Library Version (\S+)"),
    "instruction set": re.compile(r"CPU capability usage: (\w+)"),
}
"""What torch says of its own build."""

_VERSIONS = {"torch": "torch", "CUDA": "cuda", "cuDNN": "cudnn", "oneDNN": "onednn", "MKL": "mkl"}
_SETTINGS = {
    "instruction set": "cpu_capability",
    "flush_denormals": "flush_denormals",
    "deterministic": "deterministic",
    "oneDNN in use": "onednn",
    "cudnn.benchmark": "cudnn_benchmark",
    "cuDNN TF32": "cudnn_tf32",
    "matmul TF32": "matmul_tf32",
}
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
"""Variables that keep kernels from instruction sets; of ATen's own the instruction set in use tells."""
_ALLOCATOR = "GLIBC_TUNABLES"
_OF_DEVICES = ("CUDA", "cuDNN", "cudnn.benchmark", "cuDNN TF32", "matmul TF32")
_OF_ALL = ("torch", "CUDA", "flush_denormals")
"""What there is outside torch's own kernels: all that a program of Numba has in common with one of torch."""
_NEEDED = ("torch", "instruction set")

_ADVICE = "one installation of torch and one set of flags and variables on both sides"
_RECORD = "record with profkit record, which keeps versions, instruction set and flags"
_VALGRIND = "Valgrind hides AVX-512: set ATEN_CPU_CAPABILITY=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 for the other side"


def check(sides: Sides) -> Finding:
    """Compare every version and flag that both sides have and use."""
    known = seen(sides, lambda side: _facts(side.run))
    used = _compared(sides)
    facts: dict[str, tuple[Fact, ...]] = {
        name: tuple(each.get(name) or _unset(name, side) for each, side in zip(known, sides, strict=True))
        for name in (*used, _ALLOCATOR)
        if any(name in each for each in known)
    }
    objections = [*_differing(sides, facts), *_untold(sides, used, facts)]
    equal = ", ".join(f"{name} {values[0]}" for name, values in facts.items() if name != _ALLOCATOR)
    return decided(objections, f"equal: {equal}" if len(sides) > 1 else equal, facts)


def _facts(run: Run) -> Mapping[str, str]:
    """All that a run tells, by name."""
    said = run.build.get("torch", "")
    built = {name: found[1] for name, pattern in _BUILD.items() if (found := pattern.search(said))}
    versions = {name: run.versions[key] for name, key in _VERSIONS.items() if key in run.versions}
    flags = {name: run.settings[key] for name, key in _SETTINGS.items() if key in run.settings}
    chosen = {name: run.settings[name] for name in (*_LIMITS, _ALLOCATOR) if name in run.settings}
    facts = {**built, **versions, **flags, **chosen}
    # Builds of one version for several platforms have names of their own: 2.13.0+cpu.
    return {**facts, "torch": facts["torch"].partition("+")[0]} if "torch" in facts else facts


def _unset(name: str, side: Profile) -> str | None:
    """A variable that a run does not tell was not set; of a run that tells no setting at all nobody knows."""
    return "not set" if name in (*_LIMITS, _ALLOCATOR) and side.run.settings else None


def _compared(sides: Sides) -> Sequence[str]:
    """What these sides have in common, so that it can be equal."""
    numba = seen(sides, _is_numba)
    of_torch = tuple(dict.fromkeys((*_VERSIONS, *_SETTINGS, *_LIMITS)))
    common = of_torch if not any(numba) else _OF_ALL if not all(numba) else (*_OF_ALL, "instruction set")
    devices = any(on_device(side) for side in sides)
    return [name for name in common if devices or name not in _OF_DEVICES]


def _is_numba(profile: Profile) -> bool:
    return "numba" in profile.run.versions


def _differing(sides: Sides, facts: Mapping[str, tuple[Fact, ...]]) -> Iterator[Objection]:
    if len(sides) == 1:
        return
    for name, (before, after) in facts.items():
        if before is None or after is None or str(before).lower() == str(after).lower():
            continue
        says = f"{name} is {before} in A and {after} in B"
        valgrind = name == "instruction set" and any(side.run.tool == "callgrind" for side in sides)
        light = valgrind or name == _ALLOCATOR
        yield Objection(Outcome.WARN if light else Outcome.FAIL, says, _VALGRIND if valgrind else _ADVICE)


def _untold(sides: Sides, used: Sequence[str], facts: Mapping[str, tuple[Fact, ...]]) -> Iterator[Objection]:
    """Needed facts that a side lacks, and those that only the other side tells."""
    for place, side in enumerate(names(sides)):
        missing = [
            name
            for name in (*used, _ALLOCATOR)
            if facts.get(name, (None,) * len(sides))[place] is None and (name in _NEEDED or name in facts)
        ]
        if missing:
            says = f"nobody recorded of {side}: {', '.join(missing)}"
            yield Objection(Outcome.UNKNOWN, says, _RECORD, tuple(missing))


R09 = Rule(
    name="R09",
    demand="versions of libraries and flags are equal",
    decides_on="versions of torch, CUDA, cuDNN, oneDNN and MKL; instruction set in use and variables that limit it; "
    "benchmark, deterministic, TF32, oneDNN, flushing of subnormal numbers; tunables of the allocator",
    unknown_when="a side does not tell its torch or its instruction set, or a flag that the other side tells",
    check=check,
)
