"""Put a profile under the roofs that are known for it: which peaks, and whose work where the tool saw no shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profkit.errors import UsageError
from profkit.machine import this_machine
from profkit.network_costs import network_costs
from profkit.peaks import Peaks, cached_peaks, read_peaks
from profkit.profile import Profile
from profkit.roofline import Roofline, rooflines
from profkit.roofline.rows import has_costs
from profkit.run import Run


def peaks_for(run: Run, file: Path | None = None) -> Peaks:
    """The peaks of a file, else those measured on the machine of the run, else those of this one.

    Raises:
        UsageError: nobody has measured any.
        InputError: the file is no machine file.
    """
    if file:
        return read_peaks(file)
    measured = (run.machine and cached_peaks(run.machine)) or cached_peaks(this_machine())
    if measured is None:
        raise UsageError(
            "nobody has measured what this machine can do, so there is no roof",
            "profkit machine measures it in under a minute; profkit roofline --machine FILE takes published peaks",
        )
    return measured


def under_roofs(profile: Profile, peaks: Peaks, by: Sequence[str]) -> tuple[Roofline, ...]:
    """A profile under the roofs; one without costs of its own takes those of its network.

    Raises:
        UsageError: as `rooflines`.
    """
    return rooflines(profile, peaks, by, None if has_costs(profile) else network_costs(profile.run))
