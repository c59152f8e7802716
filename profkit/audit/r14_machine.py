"""R14: both ran on one machine."""

from __future__ import annotations

from dataclasses import fields

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, passes, seen
from profkit.machine import Machine
from profkit.profile import Profile

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
    attributes = [field.name for field in fields(Machine) if field.name != "accelerators"]
    pairs = {name: (str(getattr(first, name)), str(getattr(last, name))) for name in attributes}
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} | _other_accelerators(sides)
    if not different:
        return passes(f"{'both' if len(sides) > 1 else 'it'} ran on {first.processor}, {first.cores} cores", prints)
    words = "; ".join(f"{name} {before} and {after}" for name, (before, after) in different.items())
    return Finding(Outcome.FAIL, f"the machines differ: {words}", {**prints, **different}, advice=_ADVICE)


def _other_accelerators(sides: Sides) -> dict[str, tuple[str, str]]:
    """Where both ran on one, and not on the same; a program that runs on the processor alone names none."""
    first, last = _accelerators(sides[0]), _accelerators(sides[-1])
    return {"accelerators": (first, last)} if first and last and first != last else {}


def _accelerators(profile: Profile) -> str:
    """What the machine has, as far as it was recorded, else what the program found."""
    machine = profile.run.machine
    named = ", ".join(machine.accelerators) if machine else ""
    return named or profile.run.settings.get("device_name", "")


R14 = Rule(
    name="R14",
    demand="both ran on one machine",
    decides_on="fingerprint of the machine: processor, instruction set, cores, memory, system; "
    "accelerators, where both sides name theirs",
    unknown_when="the file was made by another program, or by a profkit that did not record the machine",
    check=check,
)
