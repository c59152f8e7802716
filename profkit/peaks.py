"""What a machine can do at most: FLOP/s by type and threads, bytes/s by level of memory, the cost of a dispatch."""

from __future__ import annotations

from dataclasses import dataclass

from profkit.machine import Machine


@dataclass(frozen=True)
class Rate:
    """A measured quantity and how far its repeats were apart; a published one has no repeats.

    Attributes:
        value: the best of the repeats, as it is a limit.
        median: of the repeats.
        low: the worst repeat.
        repeats: how many.
    """

    value: float
    median: float | None = None
    low: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class ComputePeak:
    """Largest rate of arithmetic.

    Attributes:
        device: `cpu` or `cuda:0`.
        dtype: torch's name of the element type.
        threads: that computed together; 0 for a device that has no such thing.
        flop_per_s: FLOP/s.
        how: what was run, or where it is published.
    """

    device: str
    dtype: str
    threads: int
    flop_per_s: Rate
    how: str = ""


@dataclass(frozen=True)
class Bandwidth:
    """Largest rate of one level of the memory.

    Attributes:
        device: as above.
        level: `L1`, `L2`, `L3` or `memory`.
        threads: as above.
        bytes_per_s: bytes/s read and written together.
        capacity_bytes: that the level holds for these threads together; None for memory.
        how: as above.
    """

    device: str
    level: str
    threads: int
    bytes_per_s: Rate
    capacity_bytes: int | None = None
    how: str = ""


@dataclass(frozen=True)
class DispatchCost:
    """Time of an operator that has next to nothing to compute.

    Attributes:
        device: as above.
        language: `python` or `c++`.
        ns: time of one call [ns]; the smallest of the repeats is the value.
        how: as above.
    """

    device: str
    language: str
    ns: Rate
    how: str = ""


@dataclass(frozen=True)
class Peaks:
    """What a machine can do, and how that is known.

    Attributes:
        name: of the processor or the device.
        compute: peaks of arithmetic.
        bandwidth: peaks of memory.
        dispatch: costs of a call.
        source: `measured`, or where the numbers are published.
        machine: that they were measured on; None for published ones.
        measured_at: UTC, ISO 8601.
        theoretical_flop_per_s: by type, all cores: cores x clock x FLOP a cycle, as far as the processor tells.
        facts: versions, caches, clock and other circumstances, for people.
        notes: what could not be measured, and why.
    """

    name: str
    compute: tuple[ComputePeak, ...]
    bandwidth: tuple[Bandwidth, ...]
    dispatch: tuple[DispatchCost, ...] = ()
    source: str = "measured"
    machine: Machine | None = None
    measured_at: str | None = None
    theoretical_flop_per_s: dict[str, float] | None = None
    facts: dict[str, str] | None = None
    notes: tuple[str, ...] = ()
