"""Recorders: one tool a module, each a value that says how to run a program under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Recorder:
    """Runs a program under one tool.

    Attributes:
        name: on the command line.
        summary: one line.
        artefact: name of the tool's raw file in the run directory.
        format: importer that reads it.
        wrap: from (command of the runner, artefact) to the command to start.
        needs: programs that must be on PATH, each with how to get it.
        languages: of implementations that it can record.
        steps: default number of steps, fewer where the tool is slow.
        warmup: default number of steps before the region.
        client_requests: whether the program speaks to the tool through the compiled extension.
        environment: variables set for the program.
        version: command that prints the tool's version; None where it is torch's.
    """

    name: str
    summary: str
    artefact: str
    format: str
    wrap: Callable[[list[str], Path], list[str]]
    needs: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ("python", "c++")
    steps: int = 20
    warmup: int = 5
    client_requests: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    version: tuple[str, ...] | None = None
