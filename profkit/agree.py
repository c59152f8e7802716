"""Agreement: do two implementations compute the same from the same weights and the same batches?"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from profkit.artefact import sha256
from profkit.bundle import Bundle
from profkit.errors import DisagreementError, WriteError
from profkit.implementations import REFERENCE, Implementation
from profkit.native import cache_directory
from profkit.process import run_watched
from profkit.registry import find
from profkit.run import Agreement, decode
from profkit.write import write_whole

STEPS = 20

TOLERANCE = 1e-5
"""About a hundred roundings of float32 (2**-23) at values around one. Two correct implementations may sum in another
order, and twenty steps add such differences up; a missing gradient, another scaling or a sum instead of a mean is
thousands of times larger."""


@dataclass(frozen=True)
class Results:
    """What one implementation computed.

    Attributes:
        output: float32 (batch size, classes), of the first batch before training.
        losses: float64 (steps,).
        weights: by name, after the last step.
    """

    output: Any
    losses: Any
    weights: dict[str, Any]


def agreement_of(implementation: Implementation, bundle: Bundle, threads: int, say: Callable[[str], None]) -> Agreement:
    """Compare an implementation with the reference on a bundle; remembered in the cache.

    Raises:
        ProfkitError: one of them cannot be built or fails.
    """
    reference = find("profkit.implementations", Implementation, REFERENCE)
    commands = [reference.command(say), implementation.command(say)]
    key = hashlib.sha256(
        repr((bundle.sha256, threads, STEPS, TOLERANCE, [_identity(command) for command in commands])).encode()
    )
    remembered = cache_directory() / "agreements" / f"{key.hexdigest()[:16]}.json"
    if remembered.exists():
        return decode(remembered.read_bytes(), Agreement, str(remembered))
    say(f"checking that {implementation.name} agrees with {REFERENCE}")
    baseline, candidate = (results_of(command, bundle, threads) for command in commands)
    agreement = compare(baseline, candidate, expected_output(bundle), REFERENCE)
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot write {remembered.parent}: {error.strerror}", "set PROFKIT_CACHE to a writable directory"
        ) from error
    write_whole(remembered, msgspec.json.encode(agreement))
    return agreement


def require(found: Mapping[str, Agreement]) -> None:
    """Raise DisagreementError if any implementation disagrees."""
    wrong = [name for name, agreement in found.items() if not agreement.holds]
    if wrong:
        raise DisagreementError(
            f"{' and '.join(wrong)} does not compute what {REFERENCE} computes",
            "times of implementations that disagree must not be compared",
        )


def results_of(command: list[str], bundle: Bundle, threads: int) -> Results:
    """Run `STEPS` training steps of a bundle and return what came out.

    Raises:
        ProgramError: the implementation fails.
    """
    import torch

    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch, "results.pt")
        flags = [
            "--bundle",
            str(bundle.path),
            "--steps",
            str(STEPS),
            "--threads",
            str(threads),
            "--results",
            str(results),
        ]
        report = ["--report", str(Path(scratch, "report.json"))]
        run_watched([*command, *flags, *report], {}, Path(scratch, "progress"), lambda _: None)
        return Results(**torch.load(results, weights_only=True))


def expected_output(bundle: Bundle) -> Any:
    """The output that the bundle's first batch has in float64 arithmetic, (batch size, classes)."""
    import torch

    return torch.load(bundle.path, weights_only=True)["expected_output"]


def compare(baseline: Results, candidate: Results, expected: Any, reference: str) -> Agreement:
    """Largest absolute differences; infinite where shapes or names of the weights differ.

    Args:
        baseline: of the reference implementation.
        candidate: of the one to judge; the same one for the reference itself, which then shows that it repeats itself.
        expected: output in float64 arithmetic.
        reference: name of the reference implementation.
    """
    same_names = baseline.weights.keys() == candidate.weights.keys()
    weight = (
        max((_largest(baseline.weights[name], candidate.weights[name]) for name in baseline.weights), default=0.0)
        if same_names
        else float("inf")
    )
    return Agreement(
        reference=reference,
        steps=len(baseline.losses),
        exact=_largest(expected, candidate.output),
        output=_largest(baseline.output, candidate.output),
        loss=_largest(baseline.losses, candidate.losses),
        weight=weight,
        tolerance=TOLERANCE,
    )


def _largest(baseline: Any, candidate: Any) -> float:
    """Largest absolute difference of two tensors; NaN stays NaN, and so never agrees."""
    if baseline.shape != candidate.shape:
        return float("inf")
    return float((baseline.double() - candidate.double()).abs().max())


def _identity(command: list[str]) -> str:
    """A program by its content, the interpreter's runner by torch's version, which its environment fixes."""
    import importlib.metadata

    program = Path(command[0])
    return f"{command} {sha256(program)} {importlib.metadata.version('torch')}"
