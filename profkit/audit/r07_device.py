"""R07: model and data are really on the device that is claimed."""

from __future__ import annotations

from collections.abc import Iterator

from profkit.audit import Fact, Finding, Outcome, Rule, Sides, seen
from profkit.audit.devices import devices_of, places_of
from profkit.audit.objections import Objection, decided, names, of_each
from profkit.profile import Profile

SEES_KERNELS = {"torch": "cuda"}
"""By tool, the devices whose kernels are all in its trace, so that none of them means no kernel."""

_ADVICE = "move the network and every batch to the device, and say the device that is meant"
_RECORD = "record with profkit record, which looks where weights, inputs and optimizer state lie after the steps"


def check(sides: Sides) -> Finding:
    """Hold the claimed device against where tensors lay and kernels ran."""
    facts: dict[str, tuple[Fact, ...]] = {
        "claimed": seen(sides, _claim),
        **{what: tuple(places_of(side).get(what) for side in sides) for what in ("weights", "inputs", "state")},
        "kernels": seen(sides, lambda side: ", ".join(devices_of(side)) or None),
    }
    really = [_claim(side) or ", ".join(sorted(_really(side))) for side in sides]
    each = ", ".join(f"{name} on {device}" for name, device in zip(names(sides), really, strict=True))
    return decided(of_each(sides, _objections), f"all tensors and kernels are where they should be: {each}", facts)


def _claim(profile: Profile) -> str | None:
    return profile.run.settings.get("device") or None


def _really(profile: Profile) -> set[str]:
    """Devices that the tensors lay on."""
    return {device for place in places_of(profile).values() for device in place.split(",")}


def _fits(device: str, claim: str) -> bool:
    """Whether a device is the one claimed: `cuda` is any of its kind."""
    return device == claim or (":" not in claim and device.partition(":")[0] == claim)


def _objections(name: str, profile: Profile) -> Iterator[Objection]:
    claim, kernels = _claim(profile), devices_of(profile)
    places = places_of(profile)
    if claim is None:
        found = sorted({*_really(profile), *kernels})
        if places and len(found) > 1:
            says = f"nobody said what device {name} is for, and its tensors and kernels are on {' and '.join(found)}"
            yield Objection(Outcome.WARN, says, _ADVICE)
        elif not places:
            yield Objection(Outcome.UNKNOWN, f"nobody said what device {name} is for", _RECORD, ("claimed device",))
        return
    for what, where in places.items():
        if not all(_fits(device, claim) for device in where.split(",")):
            yield Objection(Outcome.FAIL, f"{name} claims {claim}, but {what} are on {where}", _ADVICE)
    if kernels and not all(_fits(device, claim) for device in kernels):
        yield Objection(Outcome.FAIL, f"{name} claims {claim}, but kernels ran on {', '.join(kernels)}", _ADVICE)
    sees = SEES_KERNELS.get(profile.run.tool)
    if not places and not kernels and sees and claim.startswith(sees):
        yield Objection(Outcome.FAIL, f"{name} claims {claim}, but no kernel in its trace ran there", _ADVICE)
    elif not places and not kernels:
        yield Objection(Outcome.UNKNOWN, f"nobody saw where the tensors of {name} lie", _RECORD, ("places of tensors",))


R07 = Rule(
    name="R07",
    demand="model and data are really on the device that is claimed",
    decides_on="claimed device; devices of weights, inputs and optimizer state after the steps; devices of kernels",
    unknown_when="no device is claimed, or the tool sees no kernels and nobody looked where the tensors lie",
    check=check,
)
