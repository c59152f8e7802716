"""Options of a workload or a tool: declared with a default and what they may be, given as `name=value`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profkit.errors import UsageError
from profkit.registry import unknown

Value = bool | int | float | str
Options = Mapping[str, Value]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        default: its value where none is given; the type of it is the type of every value.
        meaning: one line.
        choices: the only values there are; empty for any.
        least: the smallest number.
    """

    default: Value
    meaning: str
    choices: tuple[Value, ...] = ()
    least: float = 1


_BETWEEN_PAIRS = re.compile(r",(?=\w+=)")
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def parse_options(texts: Sequence[str], flag: str = "--option", example: str = "filters1=16") -> dict[str, str]:
    """Read `name=value` pairs.

    Args:
        texts: as given, one pair each or several with commas.
        flag: that they were given with.
        example: of one.

    Raises:
        UsageError: one is not of that form.
    """
    options = {}
    for pair in (pair for text in texts for pair in _BETWEEN_PAIRS.split(text)):
        name, separator, value = pair.partition("=")
        if not separator or not name or not value:
            raise UsageError(f"{flag} '{pair}' is not name=value", f"for example {flag} {example}")
        options[name] = value
    return options


def complete(what: str, known: Mapping[str, Option], given: Mapping[str, Value]) -> dict[str, Value]:
    """All options: the given ones, typed and checked, over the defaults.

    Args:
        what: such an option is called in an error.
        known: every option there is.
        given: values as typed or as text.

    Raises:
        UsageError: an option that does not exist or a value that it cannot have.
    """
    for name in given:
        if name not in known:
            raise unknown(what, name, known)
    return {
        name: _checked(name, option, given[name]) if name in given else option.default for name, option in known.items()
    }


def _checked(name: str, option: Option, value: Value) -> Value:
    """The value in the option's type."""
    typed = _typed(name, option, value)
    if option.choices and typed not in option.choices:
        raise UsageError(
            f"option {name} is {value}", f"it is one of {', '.join(str(choice) for choice in option.choices if choice)}"
        )
    if not isinstance(typed, str | bool) and not typed >= option.least:
        raise UsageError(f"option {name} is {value}", f"it is a number from {option.least:g}")
    return typed


def _typed(name: str, option: Option, value: Value) -> Value:
    if isinstance(option.default, str):
        return str(value)
    if isinstance(option.default, bool):
        if str(value).lower() not in _TRUTHS:
            raise UsageError(f"option {name} is '{value}'", "it is true or false")
        return _TRUTHS[str(value).lower()]
    kind = type(option.default)
    try:
        return kind(value)
    except ValueError as error:
        number = "whole number" if kind is int else "number"
        raise UsageError(f"option {name} is '{value}'", f"it is a {number}") from error
