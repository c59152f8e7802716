"""What a recording says when it is done."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from profkit.profile import Profile
from profkit.views.run import agreement_line, name, title
from profkit.views.show import coverage_line


def recorded_view(profile: Profile, directory: Path, written: Path) -> RenderableType:
    """The run, its agreement, its coverage, and where everything lies."""
    run = profile.run
    lines = [title(run)]
    if run.agreement:
        lines.append(agreement_line(run.agreement, name(run)))
    lines += [coverage_line(profile), f"run directory: {directory}", f"profile: {written}"]
    return Group(*(Text(line) for line in lines))
