"""R15: memory is comparable: of every allocator, on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, seen
from profkit.audit.objections import Objection, decided, of_each, unseen
from profkit.evidence import Memory
from profkit.profile import Profile
from profkit.units import format_size

_RECORD_ADVICE = "record it with profkit record, which asks every allocator at the end"
_SAME_ADVICE = "compare only memory that both sides told, by name: resident is not allocated, allocated not reserved"

_NEVER_ABOVE = (
    ("rss_bytes", "peak_rss_bytes"),
    ("device_allocated_bytes", "device_reserved_bytes"),
    ("device_allocated_bytes", "device_peak_bytes"),
)
_WORDS = {
    "rss_bytes": "resident memory",
    "peak_rss_bytes": "peak resident memory",
    "device_allocated_bytes": "allocated device memory",
    "device_reserved_bytes": "reserved device memory",
    "device_peak_bytes": "peak device memory",
}


def check(sides: Sides) -> Finding:
    """Check that the same allocators told their memory, and numbers that can be."""
    memory = seen(sides, lambda profile: profile.run.evidence.memory)
    told = [_told(each) for each in memory]
    known = all(told)
    lonely = sorted(set(told[0]) ^ set(told[-1]), key=list(_WORDS).index) if known else []
    objections = [
        *unseen("memory", [each if each and _told(each) else None for each in memory], _RECORD_ADVICE),
        *(_only(name, told[0]) for name in lonely),
        *of_each(sides, _possible),
        *of_each(sides, _device),
    ]
    evidence: dict[str, tuple[Fact, ...]] = {
        _WORDS[name]: tuple(each.get(name) for each in told) for name in _WORDS if any(name in each for each in told)
    }
    parts = ", ".join(
        f"{_WORDS[name]} {' and '.join(format_size(each[name]) for each in told)}"
        for name in _WORDS
        if all(name in each for each in told)
    )
    return decided(objections, f"{'both told' if len(sides) > 1 else 'it told'} {parts}", evidence)


def _told(memory: Memory | None) -> dict[str, int]:
    return {name: value for name, value in asdict(memory).items() if value is not None} if memory else {}


def _only(name: str, first: dict[str, int]) -> Objection:
    side = "A" if name in first else "B"
    return Objection(Outcome.WARN, f"only {side} told its {_WORDS[name]}", _SAME_ADVICE)


def _possible(name: str, profile: Profile) -> Iterator[Objection]:
    told = _told(profile.run.evidence.memory)
    for less, more in _NEVER_ABOVE:
        if less in told and more in told and told[less] > told[more]:
            values = f"{format_size(told[less])} above {format_size(told[more])}"
            says = f"{_WORDS[less]} of {name} is above its {_WORDS[more]} ({values}): one is of something else"
            yield Objection(Outcome.FAIL, says, "look at where the two numbers come from")


def _device(name: str, profile: Profile) -> Iterator[Objection]:
    """A program on a device has its tensors there, so the process's memory says little."""
    device, told = profile.run.settings.get("device", "cpu"), _told(profile.run.evidence.memory)
    if device != "cpu" and told and not any(part.startswith("device_") for part in told):
        says = f"{name} ran on {device} and told nothing of its memory there"
        yield Objection(Outcome.WARN, says, _RECORD_ADVICE)


R15 = Rule(
    name="R15",
    demand="memory is comparable: allocated, reserved, context, RSS, peak, of every allocator",
    decides_on="memory of the process and of torch's device allocator at the end of the steps",
    unknown_when="nobody asked the allocators, as in a trace of another program",
    check=check,
)
