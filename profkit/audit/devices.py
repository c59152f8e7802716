"""What a profile tells of devices beside the processor."""

from __future__ import annotations

from profkit.columns import to_codes
from profkit.profile import Profile


def devices_of(profile: Profile) -> list[str]:
    """Devices that rows of the table ran on, other than the processor."""
    codes, devices = to_codes(profile.operators["device"])
    present = set(codes.tolist())
    return sorted(device for code, device in enumerate(devices) if code in present and device != "cpu")


def places_of(profile: Profile) -> dict[str, str]:
    """Where tensors lay after the steps, without those of which there are none."""
    return {what: where for what, where in profile.run.evidence.places.items() if where}


def on_device(profile: Profile) -> bool | None:
    """Whether anything ran beside the processor; None where neither the tool nor the program tells."""
    trace = profile.run.evidence.trace
    claim = profile.run.settings.get("device")
    places = [*places_of(profile).values(), *([claim] if claim else [])]
    if any(set(place.split(",")) != {"cpu"} for place in places) or devices_of(profile):
        return True
    if trace is not None and trace.device_ns:
        return True
    timed = profile.operators["self_ns"].null_count < profile.operators.num_rows
    return False if places or timed else None
