"""R10: the build type is set and optimised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from profkit.audit import Finding, Outcome, Rule, Sides, seen
from profkit.audit.objections import Objection, decided, differing, names, of_each, unseen
from profkit.evidence import Binary
from profkit.profile import Profile
from profkit.run import Run

OPTIMISED_TYPES = ("release", "relwithdebinfo", "minsizerel")
"""CMake's own build types, but for Debug."""
OPTIMISED = ("-O2", "-O3", "-Os", "-Oz", "-Ofast")
"""-O1 leaves out inlining and vectorisation, -Og is for debuggers, and none means -O0."""

_BUILD_ADVICE = "build it with cmake -DCMAKE_BUILD_TYPE=Release, or with -O2 -DNDEBUG"
_TORCH_ADVICE = "install a released torch, or build it with BUILD_TYPE=Release"
_RECORD_ADVICE = "record it with profkit record, which keeps how torch and the program were built"
_LEVEL = re.compile(r"(?<!\S)-O\w*")
_TORCH_TYPE = re.compile(r"\bBUILD_TYPE=(\w*)")


def check(sides: Sides) -> Finding:
    """Find builds without optimisation, of the program and of torch."""
    objections = [*of_each(sides, _program), *_torch(sides)]
    flags = [_flags(profile.run) if _is_compiled(profile.run) else None for profile in sides]
    objections += differing("flags", flags, Outcome.WARN, "build both with the same flags")
    evidence = {
        "build type": seen(sides, lambda profile: profile.run.build.get("type")),
        "optimisation": seen(sides, lambda profile: optimisation(profile.run)),
        "optimised": seen(sides, lambda profile: (profile.run.evidence.binary or Binary()).optimised),
        "flags": seen(sides, lambda profile: _flags(profile.run)),
        "torch": seen(sides, lambda profile: _torch_build_type(profile.run)),
    }
    return decided(objections, _otherwise([profile.run for profile in sides]), evidence)


def _otherwise(runs: Sequence[Run]) -> str:
    compiled = dict.fromkeys(run.build.get("type") or optimisation(run) for run in runs if _is_compiled(run))
    torch = dict.fromkeys(_torch_build_type(run) for run in runs)
    others = dict.fromkeys(_instead_of_torch(run) for run in runs if _torch_build_type(run) is None)
    built = [f"torch is built as {' and '.join(filter(None, torch))}"] if any(torch) else []
    said = "; ".join([*built, *filter(None, others)])
    how = " and ".join(kind or "optimised code" for kind in compiled)
    return f"{said}, what is compiled as {how}" if compiled else said


def _is_compiled(run: Run) -> bool:
    """Whether the program itself came from a compiler, as far as anybody knows."""
    return run.settings.get("language") == "c++" or "type" in run.build or run.evidence.binary is not None


def optimisation(run: Run) -> str | None:
    """Level that a compiled program is optimised with: the last that its flags or its file name; None if unknown."""
    levels: list[str] = _LEVEL.findall(_flags(run) or "")
    if levels:
        return "-O1" if levels[-1] == "-O" else levels[-1]
    return run.evidence.binary.optimisation if run.evidence.binary else None


def _torch_build_type(run: Run) -> str | None:
    """`Release`, or as torch says it of itself; None where it was not asked."""
    found = _TORCH_TYPE.search(run.build.get("torch", ""))
    return found.group(1) if found else None


def _flags(run: Run) -> str | None:
    binary = run.evidence.binary
    return run.build.get("flags") or (binary.flags if binary else "") or None


def _program(name: str, profile: Profile) -> Iterator[Objection]:
    run = profile.run
    if not _is_compiled(run):
        return
    kind, level, binary = run.build.get("type"), optimisation(run), run.evidence.binary
    optimised = binary.optimised if binary and kind is None and level is None else None
    known = kind is not None or level is not None or optimised is not None
    if not known:
        yield Objection(
            Outcome.UNKNOWN, f"the file of {name} does not tell how it was built", _BUILD_ADVICE, ("build type",)
        )
    elif level is not None and level not in OPTIMISED:
        yield Objection(Outcome.FAIL, f"{name} was built without optimisation ({level})", _BUILD_ADVICE)
    elif optimised is False:
        yield Objection(Outcome.FAIL, f"{name} was built without optimisation, as its file tells", _BUILD_ADVICE)
    elif level is None and not optimised and (kind or "").lower() not in OPTIMISED_TYPES:
        said = f"as {kind}" if kind else "without a build type"
        yield Objection(Outcome.FAIL, f"{name} was built {said}, which does not optimise", _BUILD_ADVICE)
    if _has_assertions(run):
        yield Objection(Outcome.WARN, f"{name} has its assertions compiled in", "build it with -DNDEBUG")


def _has_assertions(run: Run) -> bool:
    """By the file itself where it tells; else by the flags, where there are any."""
    binary, flags = run.evidence.binary, run.build.get("flags")
    if binary is not None and binary.assertions is not None:
        return binary.assertions
    return flags is not None and flags != "" and "-DNDEBUG" not in flags


def _torch(sides: Sides) -> Iterator[Objection]:
    types = seen(sides, lambda profile: _torch_build_type(profile.run))
    asked = [kind or _instead_of_torch(profile.run) for kind, profile in zip(types, sides, strict=True)]
    yield from unseen("how torch was built", asked, _RECORD_ADVICE)
    for name, kind in zip(names(sides), types, strict=True):
        if kind is not None and kind.lower() not in OPTIMISED_TYPES:
            yield Objection(Outcome.FAIL, f"{name} ran on a {kind or 'typeless'} build of torch", _TORCH_ADVICE)


def _instead_of_torch(run: Run) -> str | None:
    """What computes where torch does not: a program without LibTorch, or what Numba compiles, which is optimised."""
    if "numba" in run.versions:
        return "Numba compiles its code itself"
    return "it computes without torch" if _is_compiled(run) and run.versions and "torch" not in run.versions else None


R10 = Rule(
    name="R10",
    demand="the build type is set and optimised; flags recorded",
    decides_on="build type and flags of a compiled program, or what its file tells of them; torch's own build",
    unknown_when="the file was made by another program, or a binary was stripped of what tells it",
    check=check,
)
