"""A cost in its unit, as people read it."""

from __future__ import annotations

from profkit.units import format_count, format_ns, format_share


def format_cost(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A cost: `4.61 ms`, `46.8 M`, `12.3 %`; a dash where there is none.

    Args:
        value: in `unit`.
        unit: ns, instructions, samples or share.
        signed: whether a positive value gets a plus sign.
    """
    if value is None:
        return "-"
    sign = "+" if signed and value > 0 else ""
    if unit == "ns":
        return sign + format_ns(value)
    if unit == "share":
        return sign + format_share(value)
    return sign + format_count(value)


def name_of(value: str | None, dimension: str) -> str:
    """A key's value, or what it means that there is none."""
    return f"(no {dimension.replace('_', ' ')})" if value is None else value
