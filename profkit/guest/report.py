"""The report: what a recorded program tells of its steps; `cpp/src/program.cpp` writes the same."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Report:
    """How far a recording came.

    Attributes:
        region: what was recorded.
        reason: why nothing was; empty where something was.
        by_marks: whether only the program itself told of its steps.
        complete: whether all steps that were asked for are in it.
        warmup_ns: times of the steps before the region.
        step_ns: of those in it.
        after_ns: of those after it, without the tool.
    """

    region: str = "steps"
    reason: str = ""
    by_marks: bool = False
    complete: bool = False
    warmup_ns: list[int] = field(default_factory=list)
    step_ns: list[int] = field(default_factory=list)
    after_ns: list[int] = field(default_factory=list)

    @property
    def counted(self) -> int:
        """Steps up to the end of the region."""
        return len(self.warmup_ns) + len(self.step_ns)

    def write(self, path: Path, seen: Mapping[str, Any], settings: Mapping[str, str]) -> None:
        """Write it with what the program runs with: the file is whole whenever it is there.

        Args:
            path: of the file.
            seen: what else is known of the program.
            settings: besides torch's.
        """
        facts = _facts()
        facts["settings"] |= settings
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({**seen, **asdict(self), **facts}))
        partial.replace(path)


def _facts() -> dict[str, Any]:
    if "torch" not in sys.modules:
        return {"versions": {"python": platform.python_version()}, "build": {}, "settings": {}, "threads": None}
    import torch

    from profkit.runner.torch_facts import torch_build, torch_settings, torch_versions

    return {
        "versions": torch_versions(),
        "build": torch_build(),
        "settings": torch_settings(),
        "threads": torch.get_num_threads(),
    }
