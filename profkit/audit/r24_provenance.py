"""R24: results carry configuration and commit; reruns never mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from profkit.audit import Finding, Outcome, Rule, Sides, seen
from profkit.audit.objections import Objection, decided, of_each, unseen_parts
from profkit.audit.programs import is_one_recording
from profkit.profile import Profile
from profkit.run import Run

_RECORD_ADVICE = "record it with profkit record, which writes run.json beside the artefact"
_COMMIT_ADVICE = "run it in a git repository, so that the result says which source it is of"
_MIXED_ADVICE = "record into a directory of its own for each run, as profkit record does"


def check(sides: Sides) -> Finding:
    """Check that each run says what it was, and that no file is in two runs."""
    objections = [
        *unseen_parts(_parts(sides), _RECORD_ADVICE),
        *of_each(sides, _commit),
        *of_each(sides, _twice),
        *_mixed(sides),
    ]
    evidence = {
        "commit": seen(sides, lambda profile: profile.run.commit),
        "recorded at": seen(sides, lambda profile: profile.run.recorded_at),
        "seed": seen(sides, lambda profile: profile.run.seed),
        "artefact": seen(sides, lambda profile: (_digest(profile.run) or "")[:12] or None),
    }
    return decided(objections, _otherwise(sides), evidence)


def _parts(sides: Sides) -> Mapping[str, tuple[object | None, ...]]:
    """What a result has to carry, by its name."""
    return {
        "options": seen(sides, lambda profile: _configuration(profile.run)),
        "seed": seen(sides, lambda profile: _seed(profile.run)),
        "time": seen(sides, lambda profile: profile.run.recorded_at),
        "commit": seen(sides, lambda profile: _source(profile.run)),
        "digest of the artefact": seen(sides, lambda profile: _digest(profile.run)),
    }


def _is_same_recording(sides: Sides) -> bool:
    return len(sides) > 1 and is_one_recording((sides[0].run, sides[1].run))


def _otherwise(sides: Sides) -> str:
    if _is_same_recording(sides):
        return "one run is compared with itself: A and B are of the same artefact"
    commits = [profile.run.commit or "" for profile in sides]
    if len(set(commits)) > 1:
        return f"both carry their configuration; A is of commit {commits[0][:12]}, B of {commits[1][:12]}"
    return f"{'both carry' if len(sides) > 1 else 'it carries'} configuration, commit {commits[0][:12]} and digests"


def _configuration(run: Run) -> bool | None:
    return True if run.options or run.command else None


def _seed(run: Run) -> bool | None:
    """Whether the seed is known; a program of the user's own has its seed in its source, at a commit."""
    return True if run.seed is not None or (run.implementation is None and run.command and run.commit) else None


def _source(run: Run) -> bool | None:
    """Whether the commit is known, or that there was none: a run that says its command would say the commit too."""
    return True if run.commit is not None or run.command else None


def _digest(run: Run) -> str | None:
    return run.artefact_sha256[0] if run.artefact_sha256 else None


def _commit(name: str, profile: Profile) -> Iterator[Objection]:
    """A file without run.json is unknown, not in need of git."""
    if profile.run.commit is None and profile.run.command:
        yield Objection(Outcome.WARN, f"{name} ran in no git repository: nobody knows its source", _COMMIT_ADVICE)


def _twice(name: str, profile: Profile) -> Iterator[Objection]:
    digests = profile.run.artefact_sha256
    if len(set(digests)) < len(digests):
        says = f"{name} counts the same artefact twice"
        yield Objection(Outcome.FAIL, says, _MIXED_ADVICE)


def _mixed(sides: Sides) -> Iterator[Objection]:
    digests = [set(profile.run.artefact_sha256) for profile in sides]
    if len(digests) > 1 and digests[0] & digests[1] and not _is_same_recording(sides):
        yield Objection(Outcome.FAIL, "A and B share an artefact: their runs are mixed", _MIXED_ADVICE)


R24 = Rule(
    name="R24",
    demand="results carry configuration and commit; reruns never mix",
    decides_on="options, command, seed, commit, time and digests of the artefacts in run.json",
    unknown_when="the file has no run.json beside it",
    check=check,
)
