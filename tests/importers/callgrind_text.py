"""Callgrind files as the tests write them, and what was read from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from profkit.profile import Recording

GOLDEN = Path(__file__).parents[1] / "golden" / "callgrind"
HEAD = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npositions: line\nevents: Ir\n\n"
Load = Callable[[str | bytes], Recording]
"""From the content of a file to what the importer makes of it."""


def bare(name: str) -> str:
    """A function name without what the tool, or the compiler, appends in square brackets."""
    return re.sub(r"( \[[^\]]*\])+$", "", name)


def self_by_name(recording: Recording, column: str = "self_instructions") -> Counter[str]:
    found: Counter[str] = Counter()
    for name, cost in zip(recording.records["symbol"].to_pylist(), recording.records[column].to_pylist(), strict=True):
        found[bare(name)] += cost
    return found
