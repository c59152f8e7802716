"""Agreement: do two implementations compute the same from the same weights and the same batches?"""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from profkit.artefact import sha256
from profkit.bundle import Bundle
from profkit.cache import cache_directory
from profkit.errors import DisagreementError, UsageError
from profkit.implementations import REFERENCE, Implementation
from profkit.native import Say
from profkit.prepare import Task, prepare
from profkit.programs import Course, run_program
from profkit.registry import find, unknown
from profkit.rounding import (
    FACTOR,
    FLIPPED,
    FLIPPED_LOSS,
    TOLERANCE,
    Differences,
    Results,
    allowed,
    differences,
    jumps,
    largest,
    most,
    worst,
)
from profkit.run import Agreement, decode
from profkit.write import write_kept

MOST_STEPS, FEWEST_STEPS = 5, 2
BUDGET_MACS = 10**10
"""Multiply-adds forward that a check may take: small networks take all the steps, large ones as many as fit, and
never less than two, since momentum shows in the second."""

DEVICE_TOLERANCE = 1e-3
"""The least that is allowed where one side ran on an accelerator: its convolutions round their inputs to TF32 (10 bits)
by default."""


@dataclass(frozen=True)
class Platform:
    """An implementation on a device."""

    implementation: Implementation
    device: str

    @property
    def name(self) -> str:
        """As tables call it: `numba` on the host, `numba:cuda` elsewhere."""
        return self.implementation.name if self.device == "cpu" else f"{self.implementation.name}:{self.device}"


@dataclass(frozen=True)
class Check:
    """What was found of one workload.

    Attributes:
        workload: name.
        found: agreement of each two platforms, by `baseline, candidate`.
        refused: why each other platform cannot run it.
    """

    workload: str
    found: Mapping[str, Agreement]
    refused: Mapping[str, str]


def platforms(implementations: Sequence[Implementation], devices: str) -> list[Platform]:
    """Implementations on the devices of a comma list, or for `all` on every device that each has.

    Raises:
        UsageError: no implementation has a device of that name.
    """
    known = dict.fromkeys(device for implementation in implementations for device in implementation.devices)
    chosen = list(known) if devices == "all" else [device.strip() for device in devices.split(",")]
    for device in chosen:
        if device not in known:
            raise unknown("device", device, known)
    return [
        Platform(implementation, device)
        for implementation in implementations
        for device in chosen
        if devices != "all" or device in implementation.devices
    ]


def check_workload(task: Task, chosen: Sequence[Platform], threads: int, say: Say) -> Check:
    """Compare every two of the platforms that can run a workload, and one alone with the reference.

    Raises:
        ProfkitError: an option does not fit, or an implementation cannot be built or fails.
    """
    network = task.workload.network(task.options)
    reasons = {platform: platform.implementation.why_not(network, platform.device) for platform in chosen}
    able = [platform for platform, reason in reasons.items() if reason is None]
    reference = Platform(find("profkit.implementations", Implementation, REFERENCE), "cpu")
    if reference in able or len(able) == 1:
        able = [reference, *(platform for platform in able if platform != reference or len(able) == 1)]
    found: dict[Pair, Agreement] = {}
    if able:
        say(f"preparing {task.workload.name}")
        found = agreements(pairs(able), prepare(task), threads, say)
    return Check(
        task.workload.name,
        {f"{baseline.name}, {candidate.name}": agreement for (baseline, candidate), agreement in found.items()},
        {platform.name: reason for platform, reason in reasons.items() if reason is not None},
    )


def agreement_of(
    implementation: Implementation, bundle: Bundle, threads: int, say: Say, device: str = "cpu"
) -> Agreement:
    """Compare an implementation with the reference on the host; remembered in the cache.

    Raises:
        ProfkitError: one of them cannot be built or fails.
    """
    reference = Platform(find("profkit.implementations", Implementation, REFERENCE), "cpu")
    pair = (reference, Platform(implementation, device))
    return agreements([pair], bundle, threads, say)[pair]


Pair = tuple[Platform, Platform]


def pairs(chosen: Sequence[Platform]) -> list[Pair]:
    """Every two platforms."""
    return list(combinations(chosen, 2))


def agreements(wanted: Sequence[Pair], bundle: Bundle, threads: int, say: Say) -> dict[Pair, Agreement]:
    """Compare pairs of platforms on a bundle, each run once; remembered in the cache.

    Raises:
        ProfkitError: one of them cannot be built or fails.
    """
    commands = {platform: platform.implementation.command(say) for pair in wanted for platform in pair}
    files = {pair: _remembered(pair, commands, bundle, threads) for pair in wanted}
    results: dict[Platform, Results] = {}
    found = {}
    for pair, file in files.items():
        if file.exists():
            found[pair] = decode(file.read_bytes(), Agreement, str(file))
            continue
        baseline, candidate = pair
        for platform in pair:
            if platform not in results:
                results[platform] = results_of(commands[platform], platform, bundle, threads, say)
        second = results[candidate]
        if baseline == candidate:
            second = results_of(commands[candidate], candidate, bundle, threads, say)
        rounding, jumped = _rounding(bundle, threads, results, say)
        tolerance = TOLERANCE if baseline.device == candidate.device == "cpu" else DEVICE_TOLERANCE
        found[pair] = compare(
            results[baseline], second, expected_output(bundle), rounding, baseline.name, tolerance, jumped
        )
        _remember(file, found[pair])
    return found


def require_any(checks: Sequence[Check]) -> None:
    """Raise UsageError if nothing could be compared."""
    if not any(check.found for check in checks):
        reasons = dict.fromkeys(reason for check in checks for reason in check.refused.values())
        raise UsageError(f"nothing of this can run here: {'; '.join(reasons)}", "choose another --impl or --device")


def require(found: Mapping[str, Agreement]) -> None:
    """Raise DisagreementError if any agreement does not hold."""
    wrong = {name: agreement for name, agreement in found.items() if not agreement.holds}
    if wrong:
        agreement = next(iter(wrong.values()))
        raise DisagreementError(
            f"{' and '.join(wrong)} {'does' if len(wrong) == 1 else 'do'} not compute what "
            f"{agreement.reference} computes: {agreement.worst} differs by {agreement.excess or 0:.3g} times what "
            "rounding explains",
            "times of implementations that disagree must not be compared",
        )


def steps_for(bundle: Bundle) -> int:
    """Training steps that a check takes: fewer for a large network."""
    return min(max(BUDGET_MACS // max(bundle.macs, 1), FEWEST_STEPS), MOST_STEPS)


def results_of(
    command: Sequence[str], platform: Platform, bundle: Bundle, threads: int, say: Say, *more: str
) -> Results:
    """Run a few training steps of a bundle and return what came out.

    Raises:
        ProgramError: the implementation fails.
    """
    import torch

    title = f"checking that {platform.name} computes what others compute"
    course = Course(steps=steps_for(bundle), threads=threads, device=platform.device, masks=True)
    with tempfile.TemporaryDirectory(prefix="profkit-") as scratch:
        file = Path(scratch, "results.pt")
        flags = ["--results", str(file), *more]
        run_program(command, bundle, course, lambda line: say(f"{title}: {line}"), more=flags)
        return Results(**torch.load(file, weights_only=True))


def _rounding(
    bundle: Bundle, threads: int, results: dict[Platform, Results], say: Say
) -> tuple[Differences, Differences]:
    """How far float32 is from float64 in the reference, and what else explains a difference; remembered in the cache.

    Args:
        bundle: the work.
        threads: intra-operator threads.
        results: of float32; those of the reference are added where they are not there yet.
        say: told what is going on.
    """
    reference = Platform(find("profkit.implementations", Implementation, REFERENCE), "cpu")
    command = reference.implementation.command(say)
    settings = (bundle.sha256, threads, steps_for(bundle), FLIPPED, FLIPPED_LOSS, _identity(command))
    key = hashlib.sha256(repr(settings).encode()).hexdigest()
    file = cache_directory() / "agreements" / f"{key[:16]}-rounding.json"
    if not file.exists():
        if reference not in results:
            results[reference] = results_of(command, reference, bundle, threads, say)
        exact = results_of(command, reference, bundle, threads, say, "--double")
        jumped = jumps(_of_bundle(bundle, "weights"), exact) if _of_bundle(bundle, "optimizer") == "adam" else {}
        _remember(file, {"rounding": differences(exact, results[reference]), "jumps": jumped})
    kept = decode(file.read_bytes(), dict[str, dict[str, float]], str(file))
    return kept["rounding"], kept["jumps"]


def expected_output(bundle: Bundle) -> Any:
    """The output that the first samples of the first batch have in float64 arithmetic."""
    return _of_bundle(bundle, "expected_output")


def _of_bundle(bundle: Bundle, key: str) -> Any:
    import torch

    return torch.load(bundle.path, weights_only=True, mmap=True)[key]


def compare(
    baseline: Results,
    candidate: Results,
    expected: Any,
    rounding: Differences,
    reference: str,
    tolerance: float = TOLERANCE,
    jumped: Differences | None = None,
) -> Agreement:
    """Hold the differences of two results against what rounding explains.

    Args:
        baseline: what the first of the pair computed.
        candidate: what the second did.
        expected: output of the first samples in float64 arithmetic.
        rounding: how far float32 is from float64 in the reference.
        reference: name of the first.
        tolerance: the least that is allowed.
        jumped: what gradients of a few pixels, led elsewhere, explain.
    """
    found = differences(baseline, candidate)
    exact = largest(expected, candidate.output[: len(expected)])
    limits = allowed(rounding, tolerance, jumped)
    name, excess = worst({**found, "exact": exact}, {"exact": limits["output"], **limits})
    return Agreement(
        reference=reference,
        steps=len(baseline.losses),
        exact=_finite(exact),
        output=_finite(most(found, "output")),
        loss=_finite(most(found, "loss")),
        weight=_finite(most(found, "weight")),
        statistics=_finite(most(found, "statistics")),
        tolerance=tolerance,
        excess=_finite(excess),
        worst=name,
    )


def _finite(value: float) -> float:
    """The value, or the largest there is: JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else sys.float_info.max


def _remembered(pair: Pair, commands: Mapping[Platform, list[str]], bundle: Bundle, threads: int) -> Path:
    """Where the agreement of a pair is kept: by everything that it follows from."""
    who = [(platform.device, _identity(commands[platform])) for platform in pair]
    settings = (
        bundle.sha256,
        threads,
        steps_for(bundle),
        TOLERANCE,
        DEVICE_TOLERANCE,
        FACTOR,
        FLIPPED,
        FLIPPED_LOSS,
        who,
    )
    key = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    return cache_directory() / "agreements" / f"{key}.json"


def _remember(file: Path, found: Agreement | Mapping[str, Differences]) -> None:
    write_kept(file, msgspec.json.encode(found))


def _identity(command: Sequence[str]) -> str:
    """A program by its content: the file that is started, the Python runner's sources, and torch's version."""
    sources = sorted(Path(__file__).parent.glob("runner/**/*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return f"{list(command)} {sha256(Path(command[0]))} {digest} {importlib.metadata.version('torch')}"
