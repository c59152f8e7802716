"""One value a file: find every value of a type in a package's modules, and in other people's packages.

A recorder, an importer, a workload or an implementation is a frozen dataclass value in a module of its own. Nothing
lists them: `discover` imports the modules of the package and collects the values. Other distributions add theirs
through entry points in the group named like the package (`profkit.recorders`, `profkit.importers`, ...).
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

from profkit.errors import UsageError


class Named(Protocol):
    """Anything with a name to be found by."""

    @property
    def name(self) -> str:
        """What `find` looks for."""
        ...


T = TypeVar("T", bound=Named)


@cache
def discover(package: str, kind: type[T]) -> dict[str, T]:
    """Collect every module-level value of type `kind` in `package` and in its entry-point group.

    Args:
        package: dotted name of a package, also the name of the entry-point group.
        kind: the type of the values; it has a `name`.

    Returns:
        The values by name, in alphabetical order.
    """
    modules = (
        importlib.import_module(f"{package}.{module.name}")
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    )
    values = [value for module in modules for value in vars(module).values()]
    values += [entry_point.load() for entry_point in entry_points(group=package)]
    found = {value.name: value for value in values if isinstance(value, kind)}
    return dict(sorted(found.items()))


def find(package: str, kind: type[T], name: str, what: str = "") -> T:
    """Return the value called `name`.

    Args:
        package: dotted name of a package.
        kind: the type of the values.
        name: wanted.
        what: what users call such a value, for the error; else the name of the type.

    Raises:
        UsageError: there is none; the nearest names are in the hint.
    """
    values = discover(package, kind)
    if name not in values:
        raise unknown(what or kind.__name__.lower(), name, values)
    return values[name]


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that does not exist: the nearest names first, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UsageError(f"unknown {what} '{name}'", hint)
