"""Why two runs are not comparable, and what can be said of them all the same."""

from __future__ import annotations

from profkit.audit import Audit
from profkit.profile import Profile
from profkit.views.markdown import escaped
from profkit.views.run import name
from profkit.work import FLOP, MACS, PerWork, samples_a_step, step_work, verdict_per_work

_WORDS = {"R01": "not the same work", "R02": "not the same training", "R14": "not the same machine"}
_FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 8: "an eighth", 10: "a tenth", 100: "a hundredth"}
_NEAR = 0.05
"""Relative difference within which a fraction is called by its name."""


def refusal_lines(found: Audit, baseline: Profile, candidate: Profile) -> list[str]:
    """The verdict in place of a comparison, what each decisive rule found, and what would do.

    Returns:
        Nothing where no decisive rule failed.
    """
    if not found.refusals:
        return []
    lines = [f"NOT COMPARABLE: {_verdict(found, baseline, candidate)}."]
    for rule in found.refusals:
        finding = found.findings[rule]
        lines.append(
            f"{rule}, {_WORDS[rule]}: {finding.says}." + (f" {_sentence(finding.advice)}" * bool(finding.advice))
        )
    return [*lines, "--force shows the rest; profkit audit all rules."]


def refusal_markdown(found: Audit, baseline: Profile, candidate: Profile) -> str:
    """The same as a summary for a pull request."""
    first, *rest = refusal_lines(found, baseline, candidate)
    return "\n".join([f"### ❌ profkit: {escaped(first)}", "", *(f"- {escaped(line)}" for line in rest)]) + "\n"


def _verdict(found: Audit, baseline: Profile, candidate: Profile) -> str:
    """The measured ratio, and what is left of it when the work is taken out."""
    who = f"{name(candidate.run)} (B)" if name(candidate.run) != name(baseline.run) else "B"
    per_work = verdict_per_work(baseline, candidate)
    if "R01" not in found.refusals or "R14" in found.refusals or per_work is None:
        return "; ".join(f"{_WORDS[rule]} ({rule})" for rule in found.refusals)
    measured = f"{who} takes {_factor(per_work.times)} a step"
    if abs(per_work.work - 1) < _NEAR / 10:
        return f"{measured}, but {_WORDS['R01']}"
    return (
        f"{who} does {fraction(per_work.work)}{_amount(baseline, candidate)}; "
        f"per {FLOP} it is {_speed(per_work)} ({measured.removeprefix(f'{who} ')})"
    )


def fraction(ratio: float) -> str:
    """How much of the baseline's work it is, in words where they fit.

    >>> fraction(0.1006), fraction(0.31), fraction(9.94)
    ('a tenth of the work', '0.31 of the work', '9.94 times the work')
    """
    if ratio > 1:
        return f"{ratio:.3g} times the work"
    near = round(1 / ratio)
    share = _FRACTIONS[near] if near in _FRACTIONS and abs(ratio * near - 1) < _NEAR else f"{ratio:.2g}"
    return f"{share} of the work"


def _amount(baseline: Profile, candidate: Profile) -> str:
    """What the work was counted in."""
    work = step_work(baseline, candidate)
    if work is None:
        return ""
    what = "multiply-adds" if work.unit == MACS else work.unit
    same_batch = samples_a_step(baseline.run) == samples_a_step(candidate.run)
    return f" ({what} {'a sample' if same_batch and work.per_sample else 'a step'})"


def _speed(per_work: PerWork) -> str:
    ratio = per_work.per_work
    if abs(ratio - 1) < _NEAR:
        return "as fast"
    return f"{max(ratio, 1 / ratio):.2g} times {'slower' if ratio > 1 else 'faster'}"


def _factor(ratio: float) -> str:
    return f"{ratio:.3g} times A's time" if ratio >= 1 else f"1/{1 / ratio:.3g} of A's time"


def _sentence(advice: str) -> str:
    return f"{advice[:1].upper()}{advice[1:]}."
