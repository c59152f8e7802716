"""R08: gradient mode and training mode are recorded and equal."""

from __future__ import annotations

from profkit.audit import Finding, Outcome, Rule, Sides, lacking, passes, seen

FITTING = {"train": "true", "infer": "false", "latency": "false"}
"""What gradients and training mode are in each mode."""

_WORDS = {"grad": "gradients", "training": "training mode"}
_ADVICE = "model.train() with gradients to train; model.eval() under torch.inference_mode() to infer; on both sides"
_RECORD = "record with profkit record, which sees both modes in the steps"


def check(sides: Sides) -> Finding:
    """Compare both modes with each other, then with what the run is for."""
    settings = seen(sides, lambda side: side.run.settings)
    for name, words in _WORDS.items():
        if unknown := lacking(words, [each.get(name) for each in settings], _RECORD):
            return unknown
    facts = {name: tuple(each.get(name) for each in settings) for name in ("mode", *_WORDS)}
    labels = ("A", "B") if len(sides) > 1 else ("it",)
    differ = [
        f"{words} {_state(settings[0][name])} in A and {_state(settings[-1][name])} in B"
        for name, words in _WORDS.items()
        if settings[0][name] != settings[-1][name]
    ]
    if differ:
        return Finding(Outcome.FAIL, "; ".join(differ), facts, advice=_ADVICE)
    unfit = [
        f"{label} has {words} {_state(each[name])} in mode {each['mode']}"
        for label, each in zip(labels, settings, strict=True)
        for name, words in _WORDS.items()
        if each.get("mode") in FITTING and each[name] != FITTING[each["mode"]]
    ]
    if unfit:
        return Finding(Outcome.WARN, "; ".join(unfit), facts, advice=_ADVICE)
    modes = {each["mode"] for each in settings if "mode" in each}
    if len(modes) > 1:
        says = f"A runs in mode {settings[0]['mode']} and B in mode {settings[-1]['mode']}"
        return Finding(Outcome.WARN, says, facts, advice="record both with one --mode")
    return passes(", ".join(f"{words} {_state(settings[0][name])}" for name, words in _WORDS.items()), facts)


def _state(value: str) -> str:
    return {"true": "on", "false": "off"}.get(value, value)


R08 = Rule(
    name="R08",
    demand="gradient mode and training mode are recorded and equal",
    decides_on="gradient mode, training or evaluation mode, and the mode that the run was asked for",
    unknown_when="the file was made by another program, which does not say in which modes the steps ran",
    check=check,
)
