"""The machine that a run took place on, and a fingerprint to tell two of them apart."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Collection
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class Machine:
    """What decides how fast a program runs here.

    Attributes:
        processor: model name.
        instruction_set: widest vector extension that programs may use here (`avx512`, `avx2`, ...).
        cores: logical processors, also those that this program is not bound to.
        memory_bytes: physical memory.
        system: kernel and release.
        accelerators: names of the devices found by the run, in order.
    """

    processor: str
    instruction_set: str
    cores: int
    memory_bytes: int
    system: str
    accelerators: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits, equal where every attribute is."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:12]


def differences(first: Machine, last: Machine) -> dict[str, tuple[str, str]]:
    """What tells two machines apart, by attribute, as text; empty of one and the same.

    Accelerators count where both name theirs: only a program that uses one finds it.
    """
    pairs = {field.name: (_told(first, field.name), _told(last, field.name)) for field in fields(Machine)}
    if not (first.accelerators and last.accelerators):
        del pairs["accelerators"]
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _told(machine: Machine, attribute: str) -> str:
    value = getattr(machine, attribute)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def widest_vectors(flags: Collection[str]) -> str:
    """Name of the widest vector extension among a processor's flags.

    >>> widest_vectors(["sse4_2", "avx", "avx2", "avx512f"])
    'avx512'
    """
    widest = next((name for name in ("avx512f", "avx2", "avx", "asimd", "sse4_2") if name in flags), "unknown")
    return "avx512" if widest == "avx512f" else widest


def this_machine() -> Machine:
    """Describe the machine that this process runs on."""
    import cpuinfo
    import psutil

    facts = cpuinfo.get_cpu_info()
    return Machine(
        processor=facts.get("brand_raw", platform.processor() or platform.machine()),
        instruction_set=widest_vectors(facts.get("flags", ())),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
    )
