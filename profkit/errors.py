"""What can go wrong, in kinds a script can tell apart by exit code.

An error says what happened, with the value, and a hint says what to do. It is raised once, where it is noticed, and
caught once, in `profkit.cli`.
"""

from __future__ import annotations


class ProfkitError(Exception):
    """Base of every error that profkit raises on purpose.

    Args:
        message: what happened, with the offending value.
        hint: what to do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ProfkitError):
    """An option, a name or a value that does not exist or does not fit."""

    exit_code = 2


class InputError(ProfkitError):
    """A file that cannot be read, or is not what it was taken for."""

    exit_code = 3


class MissingToolError(ProfkitError):
    """A program or package that this needs is not installed."""

    exit_code = 4


class BuildError(ProfkitError):
    """The C++ side could not be built."""

    exit_code = 5


class ProgramError(ProfkitError):
    """The recorded program, or the tool around it, failed."""

    exit_code = 6


class WriteError(ProfkitError):
    """A result could not be written; nothing half-written is left behind."""

    exit_code = 7


class DisagreementError(ProfkitError):
    """Two implementations of one workload do not compute the same."""

    exit_code = 8


class WarnedError(ProfkitError):
    """An audit warns: the comparison may be unfair, or is by little."""

    exit_code = 10


class UnfairError(ProfkitError):
    """An audit fails: the comparison says something wrong, or there is none."""

    exit_code = 11


class GateError(ProfkitError):
    """The candidate is slower than the baseline by more than is allowed."""

    exit_code = 12


class InterruptedRunError(ProfkitError):
    """Stopped from outside; what was finished is kept, and the same command goes on."""

    exit_code = 130


class DataError(ProfkitError):
    """A table that breaks its own schema or its own sums: a defect, or a profile edited by hand."""

    exit_code = 9
