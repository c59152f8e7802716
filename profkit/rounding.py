"""How far two results are apart, and how far rounding alone brings them: pure, on tensors.

Two correct implementations sum in another order, and training amplifies the last digit: by little in small networks
under SGD, by far more under Adam, which takes a gradient that is nothing but rounding, of a bias ahead of a batch norm,
for a whole step. So what rounding explains is measured, not guessed: the reference runs in float64 too, and how far
float32 is from that, tensor by tensor, is what a correct implementation is allowed `FACTOR` times.

One thing cannot be measured so, because it happens or it does not: a ReLU or a maximum that falls the other way, since
its inputs differ in the last digit only. It leads the gradient of a pixel elsewhere, a jump of about one part in all
pixels: nothing under SGD, but Adam, again, takes it for more. So weights and statistics may also differ, under
Adam, by `FLIPPED` of how far training moved them, and losses by `FLIPPED_LOSS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FACTOR = 10
"""Other orders of summation have other luck with their roundings: by a few times, not by a hundred."""

TOLERANCE = 1e-5
"""The least that is allowed: about a hundred roundings of float32 (2**-23), relative to the largest value of a tensor
where that is above one. A missing gradient, another scaling or a sum instead of a mean is thousands of times larger."""

FLIPPED, FLIPPED_LOSS = 5e-2, 1e-3
"""Shares of a tensor's movement, and of how far the loss fell, that a few pixels of other gradients explain to Adam."""

STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")


@dataclass(frozen=True)
class Results:
    """What one implementation computed.

    Attributes:
        output: (batch size, ...), of the first batch in evaluation mode before training.
        losses: float64 (steps,).
        weights: parameters and buffers by name, after the last step.
        reconstruction: of an autoencoder, (samples, *input shape), after the last step; empty for others.
    """

    output: Any
    losses: Any
    weights: dict[str, Any]
    reconstruction: Any = field(default=())


Differences = Mapping[str, float]
"""Of `output`, `loss <step>`, `weight <name>` and `statistics <name>`: the largest of each tensor, relative to its
largest value where that is above one."""


def differences(baseline: Results, candidate: Results) -> dict[str, float]:
    """How far two results are apart; infinite where shapes or names of the weights differ, NaN where a value is."""
    found = {"output": largest(baseline.output, candidate.output)}
    if baseline.losses.shape != candidate.losses.shape:
        found["loss"] = float("inf")
    else:
        pairs = enumerate(zip(baseline.losses, candidate.losses, strict=True))
        found |= {f"loss {step}": largest(one, other) for step, (one, other) in pairs}
    for name in dict.fromkeys((*baseline.weights, *candidate.weights)):
        kind = "statistics" if name.endswith(STATISTICS) else "weight"
        both = name in baseline.weights and name in candidate.weights
        found[f"{kind} {name}"] = largest(baseline.weights[name], candidate.weights[name]) if both else float("inf")
    return found


def jumps(before: Mapping[str, Any], after: Results) -> dict[str, float]:
    """What gradients of a few pixels, led elsewhere, explain under Adam; named and scaled as `differences` does.

    Args:
        before: the weights and buffers that training began with.
        after: what it came to.
    """
    moved = differences(replace(after, weights=dict(before)), after)
    found = {name: FLIPPED * value for name, value in moved.items() if name.startswith(("weight ", "statistics "))}
    fallen = enumerate(abs(float(loss - after.losses[0])) for loss in after.losses)
    return {**found, **{f"loss {step}": FLIPPED_LOSS * value for step, value in fallen}}


def allowed(rounding: Differences, tolerance: float, jumps: Differences | None = None) -> dict[str, float]:
    """The difference of each tensor that rounding explains; of a loss, that of all steps so far.

    Args:
        rounding: how far float32 is from float64 in the reference.
        tolerance: the least that is allowed.
        jumps: what `jumps` found.
    """
    found, so_far = {}, 0.0
    for name, value in rounding.items():
        explained = max(FACTOR * value, (jumps or {}).get(name, 0.0))
        if name.startswith("loss"):
            so_far = explained = max(so_far, explained)
        found[name] = max(tolerance, explained)
    return found


def worst(found: Differences, limits: Differences) -> tuple[str, float]:
    """The tensor that is furthest beyond, or next to, what is allowed, and the share of it that it takes."""
    shares = {name: value / limits.get(name, TOLERANCE) for name, value in found.items()}
    name = max(shares, key=lambda key: (shares[key] != shares[key], shares[key]))
    return name, shares[name]


def most(found: Differences, kind: str) -> float:
    """The largest difference of a kind (`weight`); NaN where there is one, 0 of none."""
    values = [value for name, value in found.items() if name.split(" ")[0] == kind]
    return next((value for value in values if value != value), max(values, default=0.0))


def largest(baseline: Any, candidate: Any) -> float:
    """Largest difference of two tensors, relative to the largest value where that is above one; NaN stays NaN."""
    if baseline.shape != candidate.shape:
        return float("inf")
    if not baseline.numel():
        return 0.0
    baseline, candidate = baseline.double(), candidate.double()
    return float((baseline - candidate).abs().max() / max(1.0, float(baseline.abs().max())))
