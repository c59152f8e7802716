"""Where a result comes from, as far as the directory that it was made in tells."""

from __future__ import annotations

import shutil
import subprocess


def commit() -> str | None:
    """Git commit of the current directory; None where there is none."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
