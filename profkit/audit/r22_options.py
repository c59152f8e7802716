"""R22: a mistyped option fails."""

from __future__ import annotations

from profkit.audit import Finding, Outcome, Rule, Sides, lacking, seen
from profkit.audit.objections import Objection, decided, of_each

_RECORD_ADVICE = "give the program an option that does not exist: it must refuse it"
_REFUSE_ADVICE = "have the program refuse what it does not know (argparse does); check the options that it ran with"


def check(sides: Sides) -> Finding:
    """Check that the program refuses options that it does not know."""
    checked = seen(sides, lambda profile: profile.run.evidence.options_checked)
    if unknown := lacking("whether a mistyped option fails", checked, _RECORD_ADVICE):
        return unknown
    objections = of_each(
        sides,
        lambda name, profile: (
            [Objection(Outcome.WARN, f"{name} takes options that it does not know, and ignores them", _REFUSE_ADVICE)]
            if profile.run.evidence.options_checked is False
            else []
        ),
    )
    return decided(objections, "an option that does not exist is refused", {"options checked": checked})


R22 = Rule(
    name="R22",
    demand="a mistyped option fails",
    decides_on="whether the program refuses an option that it does not know",
    unknown_when="the program is your own: nobody mistypes its options to find out",
    check=check,
)
