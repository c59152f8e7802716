"""R14: both ran on one machine."""

from __future__ import annotations

from dataclasses import replace

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, lacking, passes, seen
from profkit.machine import Machine, differences
from profkit.profile import Profile

_ADVICE = "run both on one machine, with profkit record or profkit bench"


def check(sides: Sides) -> Finding:
    """Compare the machines, and name what differs."""
    machines = seen(sides, lambda profile: profile.run.machine)
    if unknown := lacking("the machine", machines, _ADVICE):
        return unknown
    known = [machine for machine in machines if machine is not None]
    prints: dict[str, tuple[Fact, ...]] = {"fingerprint": tuple(machine.fingerprint for machine in known)}
    found = [_with_device(machine, side) for machine, side in zip(known, sides, strict=True)]
    first, last = found[0], found[-1]
    different = differences(first, last)
    if not different:
        return passes(f"{'both' if len(sides) > 1 else 'it'} ran on {first.processor}, {first.cores} cores", prints)
    words = "; ".join(f"{name} {before} and {after}" for name, (before, after) in different.items())
    return Finding(Outcome.FAIL, f"the machines differ: {words}", {**prints, **different}, advice=_ADVICE)


def _with_device(machine: Machine, profile: Profile) -> Machine:
    """The machine with the accelerator that the program found, where none was recorded of it."""
    found = profile.run.settings.get("device_name")
    return replace(machine, accelerators=(found,)) if found and not machine.accelerators else machine


R14 = Rule(
    name="R14",
    demand="both ran on one machine",
    decides_on="fingerprint of the machine: processor, instruction set, cores, memory, system; "
    "accelerators, where both sides name theirs",
    unknown_when="the file was made by another program, or by a profkit that did not record the machine",
    check=check,
)
