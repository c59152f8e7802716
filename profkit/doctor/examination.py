"""Examine this machine: run every check, try every tool, ask every implementation; nothing is built or installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from profkit.commands import find_program
from profkit.doctor import Check, Finding, Surroundings
from profkit.doctor.answers import ask
from profkit.doctor.checks.python import distribution_version
from profkit.doctor.libraries import look_inside
from profkit.doctor.matrix import OWN, Matrix, Subject, Tool, matrix_of
from profkit.doctor.trial import tried
from profkit.doctor.unbuilt import unless_built
from profkit.errors import ProfkitError
from profkit.implementations import Implementation
from profkit.recorders import Recorder
from profkit.registry import discover, find

SECTIONS = ("Python", "Devices", "C++", "Needed by tools", "Viewers", "Machine")
"""In the order of reading; those of other people's checks follow."""

_AT_ONCE = 4
"""Checks that run together: they wait for other programs more than they work."""


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        findings: of the checks, by section.
        tools: every recorder, or the one in focus.
        subjects: every implementation, then the user's own programs.
        matrix: which tool records which subject.
        focus: the tool that was asked about; empty for all.
    """

    findings: tuple[Finding, ...]
    tools: tuple[Tool, ...]
    subjects: tuple[Subject, ...]
    matrix: Matrix
    focus: str = ""

    def lacking(self) -> list[str]:
        """Names of all that does not work and is not optional; of the focus alone, where there is one."""
        if self.focus:
            return [tool.name for tool in self.tools if tool.problem]
        names = [finding.check.name for finding in self.findings if finding.lacks]
        names += [tool.name for tool in self.tools if tool.problem]
        names += [subject.name for subject in self.subjects if subject.problem]
        return list(dict.fromkeys(names))


def examine(*, thorough: bool = False) -> Examination:
    """Look at everything, several things at once.

    Args:
        thorough: also try tools that take long to start.
    """
    recorders = discover("profkit.recorders", Recorder).values()
    implementations = discover("profkit.implementations", Implementation).values()
    with ThreadPoolExecutor(max(_AT_ONCE, os.cpu_count() or 1)) as pool:
        libraries = pool.submit(look_inside)  # the first in the queue, so that no check waits for one behind it
        here = Surroundings(libraries.result)
        trials = [pool.submit(_tool, recorder, thorough) for recorder in recorders]
        looks = [(check, pool.submit(check.look, here)) for check in _checks()]
        seen = [(check, look.result()) for check, look in looks]
        findings = [Finding(check, found) for check, found in seen if found is not None]
        tools = [_tool_with_needs(trial.result(), findings) for trial in trials]
        subjects = [_subject(implementation, libraries.result(), findings) for implementation in implementations]
    everything = (*subjects, *OWN)
    matrix = matrix_of(tools, everything, _lack(findings, "C++ side"), _no_preload(findings))
    return Examination(tuple(findings), tuple(tools), everything, matrix)


def only(examination: Examination, tool: str) -> Examination:
    """What concerns one tool.

    Raises:
        UsageError: there is no such tool.
    """
    name = find("profkit.recorders", Recorder, tool, "tool").name
    return replace(
        examination,
        findings=tuple(found for found in examination.findings if name in found.check.needed_by + found.check.helps),
        tools=tuple(known for known in examination.tools if known.name == name),
        matrix={name: examination.matrix[name]},
        focus=name,
    )


def _checks() -> list[Check]:
    """Every check, in the order of reading."""
    place = {section: number for number, section in enumerate(SECTIONS)}
    found = discover("profkit.doctor.checks", Check).values()
    return sorted(found, key=lambda check: (place.get(check.section, len(place)), check.section, check.name.lower()))


def _tool(recorder: Recorder, thorough: bool) -> Tool:
    if lacks := recorder.missing():
        return Tool(recorder, None, f"needs {' and '.join(lacks)}", tuple(dict.fromkeys(lacks.values())))
    trial = tried(recorder, thorough=thorough)
    if trial is None:
        return Tool(recorder, _version(recorder), None)
    return Tool(recorder, _version(recorder), trial.failure, trial.remedy, tried=True)


def _version(recorder: Recorder) -> str | None:
    """As the tool says it; None for one that comes with torch."""
    if recorder.version:
        program, *flags = recorder.version
        return ask([find_program(program) or program, *flags]).output.strip() or None
    return next(filter(None, map(distribution_version, recorder.modules)), None)


def _tool_with_needs(tool: Tool, findings: Sequence[Finding]) -> Tool:
    """The tool, which does not work where a check misses what it needs."""
    lack = _needed(tool.name, findings)
    return replace(tool, problem=lack.seen.note, remedy=lack.seen.remedy) if lack and not tool.problem else tool


def _needed(name: str, findings: Sequence[Finding]) -> Finding | None:
    """The first finding that keeps a tool or an implementation from working."""
    return next((found for found in findings if found.lacks and name in found.check.needed_by), None)


def _subject(implementation: Implementation, facts: Mapping[str, Any], findings: Sequence[Finding]) -> Subject:
    refused = facts.get("devices", {}).get(implementation.name, {})
    devices = {name: _everywhere(refused.get(name), facts) for name in implementation.devices}
    subject = Subject(implementation.name, implementation.summary, implementation.language, devices)
    if lack := _needed(implementation.name, findings):
        return replace(subject, problem=lack.seen.note, remedy=lack.seen.remedy)
    try:
        ready = unless_built(implementation.command) is not None
    except ProfkitError as error:
        return replace(subject, problem=error.message, remedy=(error.hint,))
    if devices and all(devices.values()):
        return replace(subject, problem=next(iter(devices.values())))
    return replace(subject, note="; ".join(_notes(refused, devices, ready=ready)))


def _everywhere(reasons: Mapping[str, str | None] | None, facts: Mapping[str, Any]) -> str | None:
    """Why a device can run no workload at all; None where it can run one."""
    if reasons is None:
        return str(facts.get("failure", "it did not say"))
    return next(iter(reasons.values()), None) if all(reasons.values()) else None


def _notes(
    refused: Mapping[str, Mapping[str, str | None]], devices: Mapping[str, str | None], *, ready: bool
) -> list[str]:
    """What does not run on the devices that work, and whether the first use builds something."""
    notes = [] if ready else ["the first use builds it"]
    for device, reasons in refused.items():
        if not devices.get(device):
            notes += [f"not {workload} on {device}: {reason}" for workload, reason in reasons.items() if reason]
    return notes


def _lack(findings: Sequence[Finding], name: str) -> str | None:
    """Why something that a check looks for cannot be had; None where it can."""
    return next((found.seen.note for found in findings if found.check.name == name and found.lacks), None)


def _no_preload(findings: Sequence[Finding]) -> str | None:
    """Why nothing can be loaded into a C++ program that was not written for it; None where it can."""
    if not sys.platform.startswith("linux"):
        return "only Linux loads a library into it; include profkit/profkit.h in it"
    lack = _lack(findings, "cmake") or _lack(findings, "C++ compiler")
    return f"what is loaded into it is built first: {lack}; else include profkit/profkit.h in it" if lack else None
