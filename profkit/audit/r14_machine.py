"""R14: both ran on one machine."""

from __future__ import annotations

from dataclasses import fields

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, passes, seen
from profkit.machine import Machine

_ADVICE = "run both on one machine, with profkit record or profkit bench"


def check(sides: Sides) -> Finding:
    """Compare the machines, and name what differs."""
    machines = seen(sides, lambda profile: profile.run.machine)
    if unknown := lacking("the machine", machines, _ADVICE):
        return unknown
    first, last = machines[0], machines[-1]
    assert first is not None
    assert last is not None
    prints: dict[str, tuple[Fact, ...]] = {
        "fingerprint": tuple(machine.fingerprint for machine in machines if machine is not None)
    }
    different = {
        field.name: (_words(first, field.name), _words(last, field.name))
        for field in fields(Machine)
        if _words(first, field.name) != _words(last, field.name)
    }
    if not different:
        return passes(f"{'both' if len(sides) > 1 else 'it'} ran on {first.processor}, {first.cores} cores", prints)
    words = "; ".join(f"{name} {before} and {after}" for name, (before, after) in different.items())
    return Finding(Outcome.FAIL, f"the machines differ: {words}", {**prints, **different}, advice=_ADVICE)


def _words(machine: Machine, attribute: str) -> str:
    value = getattr(machine, attribute)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


R14 = Rule(
    name="R14",
    demand="both ran on one machine",
    decides_on="fingerprint of the machine: processor, instruction set, cores, memory, system, accelerators",
    unknown_when="the file was made by another program, or by a profkit that did not record the machine",
    check=check,
)
