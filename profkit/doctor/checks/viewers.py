"""What `profkit open` and `profkit export` need beside profkit."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import webbrowser

from profkit.doctor import Seen, Surroundings, check, limited, missing, ok
from profkit.doctor.answers import ask
from profkit.doctor.checks.python import distribution_version
from profkit.doctor.unbuilt import unless_built
from profkit.viewers.speedscope import VERSION, fetched

SECTION = "Viewers"
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_EXTRA = "pip install 'profkit[tensorboard]'"


@check("TensorBoard", SECTION, optional=True)
def tensorboard(_: Surroundings) -> Seen:
    """Shows open --in tensorboard."""
    version, plugin = distribution_version("tensorboard"), distribution_version("torch-tb-profiler")
    if version is None:
        return missing("tensorboard is not installed", _EXTRA)
    if plugin is None:
        return missing("its plugin torch-tb-profiler is not installed", _EXTRA, version=version)
    return ok(version, f"torch-tb-profiler {plugin}")


@check("npm", SECTION, optional=True)
def npm(_: Surroundings) -> Seen:
    """Fetches speedscope, once."""
    program = shutil.which("npm")
    if program is None:
        return missing("no 'npm' on PATH", "apt-get install npm")
    answer = ask([program, "--version"])
    return limited(None, answer.failure, "apt-get install npm") if answer.failure else ok(answer.version, program)


@check("speedscope", SECTION, optional=True)
def speedscope(_: Surroundings) -> Seen:
    """Shows open --in speedscope."""
    answer = unless_built(fetched)
    if answer is None:
        return ok(None, f"not fetched yet: the first use fetches {VERSION}")
    release, reason = answer
    return ok(VERSION, str(release)) if release else missing(reason, "apt-get install npm")


@check("browser", SECTION, optional=True)
def browser(_: Surroundings) -> Seen:
    """Shows what profkit open serves."""
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS):
        return missing("no screen here: open the printed address elsewhere", "ssh -L PORT:127.0.0.1:PORT this-machine")
    try:
        return ok(None, webbrowser.get().name)
    except webbrowser.Error:
        return missing("none is found", "export BROWSER=firefox")


@check("protobuf", SECTION, optional=True)
def protobuf(_: Surroundings) -> Seen:
    """Writes export --to pprof."""
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.protobuf"):
        return ok(None, "installed")
    return missing("protobuf is not installed", "pip install 'profkit[pprof]'")
