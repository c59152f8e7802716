"""Try a tool as `profkit record` uses it: on a program that does nothing, in a directory that goes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from profkit.commands import NATIVE
from profkit.companion import accompanied
from profkit.doctor.answers import ask
from profkit.errors import ProfkitError
from profkit.process import end
from profkit.recorders import Recorder
from profkit.run_directory import artefact_name, attaching

LIMIT_S = 60.0
_POLL_S = 0.02
_BUSY = "import time; end = time.monotonic() + 1.5\nwhile time.monotonic() < end: sum(range(1000))\n"
"""Long enough for a sampler that refuses shorter programs."""
_ATTACHED = (
    "import sys; from pathlib import Path; from profkit.runner.attach import attach, detach; "
    "control = Path(sys.argv[1]); attach(control); detach(control)"
)


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        failure: why the tool does not work here; None where it does.
        remedy: what to do about it.
    """

    failure: str | None
    remedy: tuple[str, ...] = ()


def tried(recorder: Recorder, *, thorough: bool) -> Trial | None:
    """Try a tool that is installed.

    Args:
        recorder: the tool.
        thorough: also try what takes seconds.

    Returns:
        What came of it; None where it was not tried, as a tool within the program is not.
    """
    if recorder.inside or recorder.missing():
        return None
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        if recorder.attachment:
            return _attach(recorder, Path(folder))
        nothing = shutil.which("true")
        if NATIVE not in recorder.refuses and nothing:
            return _wrap(recorder, [nothing], Path(folder))
        if not thorough:
            return None
        script = Path(folder) / "busy.py"
        script.write_text(_BUSY)
        return _wrap(recorder, [sys.executable, str(script)], Path(folder))


def _wrap(recorder: Recorder, program: list[str], folder: Path) -> Trial:
    settings = recorder.settings({})
    artefact = folder / artefact_name(recorder, settings, 0, 1)
    answer = ask(recorder.wrap(program, artefact, settings), limit_s=LIMIT_S)
    recorder.settle(artefact)
    if artefact.exists() and artefact.stat().st_size:
        return Trial(None)
    said = answer.failure or "it wrote no artefact"
    return Trial(
        f"it does not record a program that does nothing: {said}",
        tuple({**recorder.programs, **recorder.modules}.values()),
    )


def _attach(recorder: Recorder, folder: Path) -> Trial:
    """Let a small Python program ask for the tool, as every recorded program does."""
    settings = recorder.settings({})
    artefact = folder / artefact_name(recorder, settings, 0, 1)
    program = [sys.executable, "-c", _ATTACHED, str(folder)]
    process = subprocess.Popen(
        program,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + LIMIT_S
    try:
        with accompanied(attaching(recorder, settings, artefact), folder) as companion:
            while companion and process.poll() is None:
                companion.attend()
                if time.monotonic() > until:
                    return Trial(f"it was not attached within {LIMIT_S:g} s")
                time.sleep(_POLL_S)
    except ProfkitError as error:
        return Trial(error.message, (error.hint,))
    finally:
        end(process)
    return Trial(None) if artefact.exists() else Trial("it recorded nothing of a program that does nothing")
