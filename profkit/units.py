"""Quantities as people read them: the only place where a number gets or loses its unit."""

from __future__ import annotations

_PREFIXES = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15))
_BINARY = (("B", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30), ("TiB", 2.0**40))
_TIMES = (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9))


def _scaled(value: float, steps: tuple[tuple[str, float], ...]) -> tuple[float, str]:
    """Pick the largest step whose three-digit rounding still has a digit before the point."""
    unit, factor = next(((unit, factor) for unit, factor in reversed(steps) if abs(value) >= 0.9995 * factor), steps[0])
    return value / factor, unit


def _digits(value: float) -> str:
    """Three significant digits, as many as any measurement here deserves, never in exponent form."""
    magnitude = abs(value)
    return f"{value:.0f}" if magnitude >= 99.95 else f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"


def format_ns(value: float) -> str:
    """A time given in nanoseconds.

    >>> format_ns(15_234_000)
    '15.2 ms'
    >>> format_ns(820)
    '820 ns'
    """
    number, unit = _scaled(value, _TIMES)
    return f"{number:.0f} ns" if unit == "ns" else f"{_digits(number)} {unit}"


def format_count(value: float, unit: str = "") -> str:
    """A count with an SI prefix.

    >>> format_count(46_812_345, "instructions")
    '46.8 M instructions'
    >>> format_count(12)
    '12'
    """
    number, prefix = _scaled(value, _PREFIXES)
    text = f"{number:.0f}" if not prefix and float(number).is_integer() else _digits(number)
    return " ".join(part for part in (text, prefix, unit) if part)


def format_size(value: float) -> str:
    """A capacity in bytes, with a binary prefix.

    >>> format_size(32768), format_size(1.5 * 2**30)
    ('32.0 KiB', '1.50 GiB')
    """
    number, prefix = _scaled(value, _BINARY)
    return f"{number:.0f} B" if prefix == "B" else f"{_digits(number)} {prefix}"


def format_share(value: float) -> str:
    """A share of a whole, as a percentage.

    >>> format_share(0.98765)
    '98.8 %'
    """
    return f"{100 * value:.1f} %"
