"""The tool around the recorded steps of a program that is not ours."""

from __future__ import annotations

from contextlib import ExitStack

from profkit.errors import ProgramError
from profkit.runner.region import REGIONS, Tool
from profkit.runner.scope import NO_SCOPES, Scopes


class RecordedRegion:
    """Starts and stops a tool, and tells it of steps; never raises into the program.

    Args:
        tool: that records.

    Attributes:
        scopes: that the tool is told of; nobody listens to them outside of the region.
        starting: whether it is being started.
        failure: why the tool could not do its work, empty where it could.
    """

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.scopes: Scopes = NO_SCOPES
        self.failure = ""
        self.starting = False
        self._open = ExitStack()
        self._step = ExitStack()

    def start(self) -> bool:
        """Start the tool; whether it could be."""
        self.starting = True
        try:
            self.scopes = self._open.enter_context(REGIONS[self.tool.name](self.tool))
        except (ImportError, OSError, ProgramError, RuntimeError) as error:
            self.failure = str(error)
        self.starting = False
        return not self.failure

    def enter_step(self, index: int) -> None:
        """A step begins, and the one before it ends."""
        self._step.close()
        self._step.enter_context(self.scopes(f"ProfilerStep#{index}"))

    def stop(self) -> None:
        """Stop the tool; it writes its artefact."""
        self.scopes = NO_SCOPES
        try:
            self._step.close()
            self._open.close()
        except (OSError, ProgramError, RuntimeError) as error:
            self.failure = str(error)

    def forget(self) -> None:
        """Tell the tool of nothing any more: this process was forked, and the tool is not in it."""
        self.scopes = NO_SCOPES
