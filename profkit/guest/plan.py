"""What is to be recorded of this program: told by the recorder through environment variables.

C++ programs are told by the same ones: `cpp/include/profkit/profkit.h`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from profkit.runner.region import Tool

CLAIM = "claim"
"""File in the control directory with the id of the process that is recorded: the first that comes to a step."""


@dataclass(frozen=True)
class Plan:
    """What to record.

    Attributes:
        tool: under which tool.
        warmup: steps before the region.
        steps: in the region; None to record until the program ends.
        report: file that tells the recorder what happened.
        control: directory shared with the recorder.
        stop: whether the program ends with the region.
        marks: whether only `profkit.step()` and `profkit.region()` count.
    """

    tool: Tool
    warmup: int
    steps: int | None
    report: Path
    control: Path
    stop: bool = False
    marks: bool = False

    def variables(self) -> dict[str, str]:
        """As environment variables."""
        optional = {
            "PROFKIT_ARTEFACT": self.tool.artefact,
            "PROFKIT_EXTENSION": self.tool.extension,
            "PROFKIT_STEPS": self.steps,
            "PROFKIT_STOP": 1 if self.stop else None,
            "PROFKIT_MARKS": 1 if self.marks else None,
        }
        return {
            "PROFKIT_TOOL": self.tool.name,
            "PROFKIT_WARMUP": str(self.warmup),
            "PROFKIT_REPORT": str(self.report),
            "PROFKIT_CONTROL": str(self.control),
            **{name: str(value) for name, value in optional.items() if value is not None},
        }


def plan_from(variables: Mapping[str, str] = os.environ) -> Plan | None:
    """The plan of the environment; None where nothing is to be recorded."""
    if "PROFKIT_TOOL" not in variables or "PROFKIT_CONTROL" not in variables:
        return None
    artefact, extension = (
        Path(variables[name]) if name in variables else None for name in ("PROFKIT_ARTEFACT", "PROFKIT_EXTENSION")
    )
    control = Path(variables["PROFKIT_CONTROL"])
    return Plan(
        tool=Tool(variables["PROFKIT_TOOL"], artefact, extension, control),
        warmup=int(variables["PROFKIT_WARMUP"]),
        steps=int(variables["PROFKIT_STEPS"]) if "PROFKIT_STEPS" in variables else None,
        report=Path(variables["PROFKIT_REPORT"]),
        control=control,
        stop="PROFKIT_STOP" in variables,
        marks="PROFKIT_MARKS" in variables,
    )
