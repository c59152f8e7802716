"""What `profkit open` says."""

from __future__ import annotations

from typing import Any

from profkit.viewers import Shown, Viewer


def opened_lines(viewer: Viewer, shown: Shown) -> list[str]:
    """Where to look; the address stays in one piece, however long, so that it can be clicked or copied."""
    lines = [f"{viewer.name}: {shown.address}"]
    lines += [f"file: {shown.file}"] if shown.file else []
    lines += ["Ctrl-C ends it"] if shown.wait else []
    return lines


def opened_json(viewer: Viewer, shown: Shown) -> dict[str, Any]:
    """The same for programs."""
    return {
        "viewer": viewer.name,
        "address": shown.address,
        "file": str(shown.file) if shown.file else None,
        "serving": shown.wait is not None,
        "notes": list(shown.notes),
    }
