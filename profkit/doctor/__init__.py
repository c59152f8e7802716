"""What works on this machine: one check a function in `profkit.doctor.checks`, each found by itself.

A check looks at one thing and says what it saw; tools and implementations are not checks, for they say themselves what
they need. Other distributions add checks through the entry-point group `profkit.doctor.checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OK, LIMITED, MISSING = "ok", "limited", "missing"


@dataclass(frozen=True)
class Seen:
    """What a check saw.

    Attributes:
        status: `ok`, `limited` (it works, but not all of it) or `missing`.
        version: as the thing itself says it; None where it has none or says none.
        note: what is wrong, or worth knowing; may be empty.
        remedy: how to get it or to mend it, one command or setting an entry.
    """

    status: str
    version: str | None = None
    note: str = ""
    remedy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What several checks share.

    Attributes:
        libraries: what a child process with torch and Numba in it found, asked once (`profkit.doctor.libraries`).
    """

    libraries: Callable[[], Mapping[str, Any]]


Look = Callable[[Surroundings], Seen | None]


@dataclass(frozen=True)
class Check:
    """Looks at one thing.

    Attributes:
        name: of the thing.
        section: that it stands in.
        purpose: what it is for, in a few words.
        look: says what is there; None where the thing has no meaning on this machine.
        needed_by: tools and implementations that do not work without it.
        helps: tools and implementations that work without it, but not in all.
        optional: whether nothing much is lost without it.
    """

    name: str
    section: str
    purpose: str
    look: Look
    needed_by: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Finding:
    """A check and what it saw."""

    check: Check
    seen: Seen

    @property
    def lacks(self) -> bool:
        """Whether something is missing that is not optional."""
        return self.seen.status == MISSING and not self.check.optional


def check(
    name: str,
    section: str,
    *,
    needed_by: tuple[str, ...] = (),
    helps: tuple[str, ...] = (),
    optional: bool = False,
) -> Callable[[Look], Check]:
    """Make a check of a function, so that it is found; the first line of its docstring is the purpose."""

    def made(look: Look) -> Check:
        words = (look.__doc__ or "").partition("\n")[0].rstrip(".")
        return Check(name, section, words[:1].lower() + words[1:], look, needed_by, helps, optional)

    return made


def ok(version: str | None = None, note: str = "") -> Seen:
    """It is there and works."""
    return Seen(OK, version, note)


def limited(version: str | None, note: str, *remedy: str) -> Seen:
    """It works, but not all of it."""
    return Seen(LIMITED, version, note, remedy)


def missing(note: str, *remedy: str, version: str | None = None) -> Seen:
    """It is not there, or does not work."""
    return Seen(MISSING, version, note, remedy)
