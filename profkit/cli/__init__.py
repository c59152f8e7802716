"""The command line: one file a command; each parses, calls and prints. Errors are caught here and nowhere else."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
from types import FrameType

import typer

from profkit.errors import ProfkitError

INTERRUPTED = 130


class PassedOn(SystemExit):
    """The exit code is that of the recorded program, which has said itself what it had to say."""


app = typer.Typer(
    name="profkit",
    help="Where does the time go when one network runs in Python and in C++, and why do they differ?",
    epilog="Begin with: profkit record --impl pytorch -o python.json; profkit show python.json",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    _examples = "\n\n".join(("[bold]Examples[/bold]", *_module.EXAMPLES))
    app.command(_found.name.rstrip("_"), epilog=_examples)(_module.command)


def main() -> None:
    """Run the command line; exit with the code of what happened."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Arrow's own pool keeps what it frees: a tenth of the memory that a large trace takes.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        app()
    except ProfkitError as error:
        _complain(error.message, error.hint)
        sys.exit(error.exit_code)
    except SystemExit as done:
        if done.code == INTERRUPTED and not isinstance(done, PassedOn):
            _complain("interrupted", "nothing half-written is left; run it again")
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Take a polite request to end like Ctrl-C, so that children and half-written files go too."""
    raise KeyboardInterrupt


def _complain(message: str, hint: str) -> None:
    """One message and one hint on standard error."""
    print(f"profkit: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
