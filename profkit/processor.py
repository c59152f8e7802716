"""The processor as the system describes it: caches, cores, and the arithmetic that its instruction set allows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from profkit.machine import widest_vectors

SYSTEM = Path("/sys/devices/system/cpu")
ZEN_4 = ("AuthenticAMD", 25)


@dataclass(frozen=True)
class Cache:
    """A level of the caches.

    Attributes:
        level: `L1`, `L2`, `L3`; of L1 the one for data.
        capacity_bytes: of one instance.
        instances: that the available processors have between them.
    """

    level: str
    capacity_bytes: int
    instances: int


@dataclass(frozen=True)
class Processor:
    """What the theoretical peak and the sizes of working sets follow from.

    Attributes:
        logical: processors that this program may use.
        cores: that they lie on, as far as the system shows it.
        caches: smallest first; none where the system does not tell.
        flop_per_cycle: of one core, by type.
        assumptions: that `flop_per_cycle` rests on.
        advertised_hz: clock as the processor's name or the system tells it; None where neither does.
    """

    logical: int
    cores: int
    caches: tuple[Cache, ...]
    flop_per_cycle: Mapping[str, int]
    assumptions: str
    advertised_hz: float | None


def this_processor() -> Processor:
    """Describe the processor that this program runs on."""
    import cpuinfo
    import psutil

    facts = cpuinfo.get_cpu_info()
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    flags = frozenset(facts.get("flags", ()))
    flop, assumptions = flop_per_cycle(flags, facts.get("vendor_id_raw", ""), facts.get("family", 0))
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    advertised = max(facts.get("hz_advertised", (0,))[0], frequency.max * 1e6 if frequency else 0.0)
    return Processor(
        logical=len(available),
        cores=_shared(available, "topology/thread_siblings_list") or psutil.cpu_count(logical=False) or len(available),
        caches=caches(available),
        flop_per_cycle=flop,
        assumptions=assumptions,
        advertised_hz=advertised or None,
    )


def caches(processors: Iterable[int], system: Path = SYSTEM) -> tuple[Cache, ...]:
    """The caches of some logical processors, from Linux's /sys; none elsewhere.

    Args:
        processors: by their numbers; they are taken to be alike.
        system: folder with a folder `cpu0` for each.
    """
    instances: dict[tuple[int, int], set[str]] = {}
    for processor in processors:
        for place in sorted((system / f"cpu{processor}" / "cache").glob("index*")):
            told = {name: _read(place / name) for name in ("level", "type", "size", "shared_cpu_list")}
            if told["type"] == "Instruction" or not told["level"].isdigit() or not told["size"]:
                continue
            key = int(told["level"]), _bytes(told["size"])
            instances.setdefault(key, set()).add(told["shared_cpu_list"])
    found: dict[int, Cache] = {}
    for (level, capacity), shared in sorted(instances.items()):
        found.setdefault(level, Cache(f"L{level}", capacity, len(shared)))
    return tuple(found.values())


def flop_per_cycle(flags: frozenset[str], vendor: str, family: int) -> tuple[dict[str, int], str]:
    """What a core can do in one cycle, by type, if its units are those of the usual server processors.

    Args:
        flags: of the instruction set, as Linux names them.
        vendor: as the processor names itself.
        family: likewise.

    Returns:
        FLOP a cycle by torch's names of the types (for int8, integer operations; types that the instruction set has no
        arithmetic for are left out), and what was assumed.

    >>> flop_per_cycle(frozenset({"avx512f", "avx2", "fma"}), "GenuineIntel", 6)[0]
    {'float64': 32, 'float32': 64}
    >>> flop_per_cycle(frozenset({"avx512f", "avx2", "fma", "avx512_bf16"}), "AuthenticAMD", 25)[0]
    {'float64': 16, 'float32': 32, 'bfloat16': 64}
    """
    bits = {"avx512": 512, "avx2": 256, "avx": 256}.get(widest_vectors(flags), 128)
    halved = bits == 512 and (vendor, family) == ZEN_4
    lanes = (256 if halved else bits) // 32
    fused = "fma" in flags or "asimd" in flags
    units = (
        f"2 units of {lanes * 32} bits that multiply and add" if fused else f"1 multiplier and 1 adder of {bits} bits"
    )
    single = lanes * (4 if fused else 2)
    flop = {"float64": single // 2, "float32": single}
    for dtype, factor, vectors, tiles in (
        ("bfloat16", 2, ("avx512_bf16",), "amx_bf16"),
        ("float16", 2, ("avx512_fp16",), "amx_fp16"),
        ("int8", 4, ("avx512_vnni", "avx_vnni"), "amx_int8"),
    ):
        if tiles in flags:
            flop[dtype] = 512 * factor
        elif flags.intersection(vectors):
            flop[dtype] = single * factor
    return flop, f"{units} a core" + (", which take 512-bit vectors in halves" if halved else "")


def _shared(processors: Iterable[int], place: str) -> int:
    """How many different sets the processors fall into; 0 where the system does not tell."""
    return len({_read(SYSTEM / f"cpu{processor}" / place) for processor in processors} - {""})


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _bytes(size: str) -> int:
    """A size as Linux writes it.

    >>> _bytes("32K"), _bytes("2M")
    (32768, 2097152)
    """
    factor = {"K": 2**10, "M": 2**20, "G": 2**30}.get(size[-1], 1)
    return int(size.rstrip("KMG")) * factor
