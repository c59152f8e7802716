"""R23: it runs headless from any directory."""

from __future__ import annotations

from profkit.audit import Finding, Rule, Sides, seen
from profkit.audit.objections import decided, unseen

_ADVICE = "record it once in another directory and without DISPLAY, as a build server would"


def check(sides: Sides) -> Finding:
    """Check that it did run without a display, and elsewhere than beside its source."""
    headless = seen(sides, lambda profile: profile.run.evidence.headless)
    elsewhere = seen(sides, lambda profile: profile.run.evidence.directory)
    # That it ran with a display, or at home, does not show that it needs them.
    objections = [
        *unseen("a run without a display", [fact or None for fact in headless], _ADVICE),
        *unseen("a run in another directory than the source's", [fact or None for fact in elsewhere], _ADVICE),
    ]
    otherwise = f"{'both' if len(sides) > 1 else 'it'} ran without a display, away from the source"
    return decided(objections, otherwise, {"headless": headless, "elsewhere": elsewhere})


R23 = Rule(
    name="R23",
    demand="it runs headless from any directory",
    decides_on="whether it ran without a display, and in another directory than its source's",
    unknown_when="it ran with a display or beside its source, which does not show that it needs them",
    check=check,
)
