"""Whether two runs are of one recording or one program, and whether anybody compared what they compute."""

from __future__ import annotations

from profkit.run import Run

Runs = tuple[Run, Run]


def is_one_recording(runs: Runs) -> bool:
    """Whether both are of the same artefacts."""
    first, last = runs[0].artefact_sha256, runs[1].artefact_sha256
    return bool(first) and first == last


def is_one_program(runs: Runs) -> bool:
    """Whether they are one recording, one implementation, or one program of the user."""
    first, last = ((run.implementation, run.settings.get("language")) for run in runs)
    named = first[0] is not None or (runs[0].workload is not None and runs[0].workload == runs[1].workload)
    return is_one_recording(runs) or (named and first == last)


def unchecked(runs: Runs) -> tuple[str, ...]:
    """Sides of two programs whose results nobody held against the other's.

    An implementation that the other side was compared with has been compared as well.
    """
    if is_one_program(runs):
        return ()
    references = {run.agreement.reference for run in runs if run.agreement is not None}
    return tuple(
        side
        for side, run in zip("AB", runs, strict=True)
        if run.agreement is None and run.implementation not in references
    )


def share_bundle(runs: Runs) -> bool:
    """Whether both start from the same weights, on the same batches."""
    return runs[0].bundle_sha256 is not None and runs[0].bundle_sha256 == runs[1].bundle_sha256
