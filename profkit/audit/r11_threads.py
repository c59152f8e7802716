"""R11: threads and affinity are equal and recorded."""

from __future__ import annotations

from collections.abc import Iterator

from profkit.audit import Finding, Outcome, Rule, Sides, seen
from profkit.audit.objections import Objection, decided, differing, of_each, unseen
from profkit.profile import Profile
from profkit.run import Run

_RECORD_ADVICE = "record it with profkit record, which keeps threads and affinity"
_EQUAL_ADVICE = "run both with the same --threads (torch.set_num_threads, OMP_NUM_THREADS)"
_BOUND_ADVICE = "bind both to the same processors (taskset), at least as many as threads"


def check(sides: Sides) -> Finding:
    """Compare threads, and the processors that they may run on."""
    threads = seen(sides, lambda profile: profile.run.threads or None)
    between = seen(sides, lambda profile: profile.run.settings.get("interop_threads"))
    bound = seen(sides, lambda profile: _processors(profile.run))
    objections = [
        *unseen("the number of threads", threads, _RECORD_ADVICE),
        *unseen("the affinity", [None if _unbound(profile.run) else 0 for profile in sides], _RECORD_ADVICE),
        *differing("threads:", threads, Outcome.FAIL, _EQUAL_ADVICE),
        *differing("inter-operator threads:", between, Outcome.WARN, _EQUAL_ADVICE),
        *_affinities(bound),
        *of_each(sides, _crowded),
    ]
    evidence = {"threads": threads, "inter-operator threads": between, "processors": bound}
    each = "both have" if len(sides) > 1 else "it has"
    count = f"{threads[0]} thread{'s' if threads[0] != 1 else ''}"
    return decided(objections, f"{each} {count} on {_words(bound[0])}", evidence)


def _affinities(bound: tuple[str | None, ...]) -> list[Objection]:
    """Another number of processors is another machine; others of the same number may share caches differently."""
    sizes = [len(processors.split()) for processors in bound if processors]
    outcome = Outcome.FAIL if len(set(sizes)) > 1 else Outcome.WARN
    return differing("processors", bound, outcome, _BOUND_ADVICE)


def _crowded(name: str, profile: Profile) -> Iterator[Objection]:
    threads, affinity = profile.run.threads, profile.run.affinity
    if threads and affinity and threads > len(affinity):
        says = f"{name} has {threads} threads on {len(affinity)} processors, where they wait for each other"
        yield Objection(Outcome.WARN, says, _BOUND_ADVICE)


def _processors(run: Run) -> str | None:
    return None if not run.affinity else " ".join(map(str, sorted(run.affinity)))


def _unbound(run: Run) -> bool:
    """Whether the affinity is not known and could be: only Linux binds programs to processors."""
    return not run.affinity and (run.machine is None or run.machine.system.startswith("Linux"))


def _words(processors: str | None) -> str:
    if processors is None:
        return "a system that binds no program to processors"
    return f"processor{'s' if ' ' in processors else ''} {processors.replace(' ', ', ')}"


R11 = Rule(
    name="R11",
    demand="threads and affinity are equal and recorded",
    decides_on="threads of the operators; logical processors that the program was bound to",
    unknown_when="the file was made by another program",
    check=check,
)
