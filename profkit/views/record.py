"""What a recording says when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from profkit.profile import Profile
from profkit.run import PROFILE_FILE
from profkit.views.run import agreement_line, name, title
from profkit.views.show import coverage_line


def recorded_view(profile: Profile, directory: Path, output: Path | None) -> RenderableType:
    """The run, its agreement, its coverage, and where everything lies."""
    run = profile.run
    lines = [title(run)]
    if run.agreement:
        lines.append(agreement_line(run.agreement, name(run)))
    lines += [f"note: {note}" for note in profile.notes]
    lines += [coverage_line(profile), f"run directory: {directory}", f"profile: {output or directory / PROFILE_FILE}"]
    return Group(*(Text(line) for line in lines))


def recorded_json(profile: Profile, directory: Path, output: Path | None, exit_code: int) -> dict[str, Any]:
    """The same for programs."""
    return {
        "profile": str(output or directory / PROFILE_FILE),
        "run_directory": str(directory),
        "slowdown": profile.run.slowdown,
        "steps": profile.run.steps,
        "exit_code": exit_code,
    }
