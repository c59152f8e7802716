"""A cost in its unit, as people read it."""

from __future__ import annotations

import msgspec

from profkit.quantities import QUANTITIES, Derived
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


def format_quantity(value: float | None, name: str) -> str:
    """A value of `QUANTITIES`: `1.23 G`; a dash where there is none."""
    if value is None:
        return "-"
    unit = QUANTITIES[name].unit
    return f"{value:.3g}" if unit in ("FLOP/byte", "FLOP/instruction") else format_count(value)


def quantity_cell(derived: Derived, name: str, row: int | None) -> str:
    """The value of a row, or of the whole, and `≥` before it where some operators have no formula."""
    value = derived.whole[name] if row is None else derived.values[name][row]
    return ("≥" if derived.least[name][-1 if row is None else row] else "") + format_quantity(value, name)


def plain_quantity(value: float | None, name: str) -> float | None:
    """The same for programs: counts are whole."""
    return int(value) if value is not None and QUANTITIES[name].additive else value


def name_of(value: str | None, dimension: str) -> str:
    """A key's value, or what it means that there is none."""
    if dimension == "input_shapes":
        return _shapes(value)
    return f"(no {dimension.replace('_', ' ')})" if value is None else value


def _shapes(text: str | None) -> str:
    """Shapes of the tensors: `8x16x11x11, 16x8x3x3`; of lists of tensors the first."""
    found = [] if text is None else msgspec.json.decode(text)
    sizes = [one[0] if one and isinstance(one[0], list) else one for one in found]
    return ", ".join("x".join(map(str, size)) for size in sizes if size) or "-"
