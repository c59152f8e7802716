"""Python, torch and Numba."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys

from profkit.doctor import Seen, Surroundings, check, limited, missing, ok

SECTION = "Python"
_LOSES_EVENTS = ((3, 12, 0), (3, 12, 4))
"""First and last Python whose traces lack calls of C functions (pytorch#155446)."""


@check("profkit", SECTION)
def profkit(_: Surroundings) -> Seen:
    """Is what you look at."""
    return ok(distribution_version("profkit"), f"{platform.system()} {platform.release()}, {platform.machine()}")


@check("python", SECTION)
def python(_: Surroundings) -> Seen:
    """Runs profkit, and the programs of pytorch and numba."""
    version = platform.python_version()
    if _LOSES_EVENTS[0] <= sys.version_info[:3] <= _LOSES_EVENTS[1]:
        return limited(
            version, "traces with stacks lose calls of C functions (pytorch#155446)", "Python 3.12.5 or later"
        )
    return ok(version, sys.executable)


@check("torch", SECTION, needed_by=("torch", "pytorch", "libtorch", "numba"))
def torch(here: Surroundings) -> Seen:
    """Runs networks, in Python and in C++."""
    version = distribution_version("torch")
    if version is None:
        return missing("torch is not installed", "pip install 'profkit[torch]'")
    said = here.libraries()
    facts = said.get("torch") or said
    if "failure" in facts:
        return missing(facts["failure"], "pip install --force-reinstall 'profkit[torch]'", version=version)
    build = f"CUDA {facts['cuda_build']}" if facts["cuda_build"] else f"ROCm {facts['hip_build']}"
    return ok(version, f"{build if facts['cuda_build'] or facts['hip_build'] else 'CPU'} build")


@check("Kineto", SECTION, needed_by=("torch",))
def kineto(here: Surroundings) -> Seen:
    """Writes the traces of PyTorch Profiler."""
    facts = here.libraries().get("torch")
    if not facts or "failure" in facts:
        return missing("it is part of torch, which does not run here", "pip install 'profkit[torch]'")
    if facts["kineto"]:
        return ok(None, "in this torch")
    return missing("this torch is built without it", "pip install --force-reinstall 'profkit[torch]'")


@check("numba", SECTION, needed_by=("numba",))
def numba(_: Surroundings) -> Seen:
    """Compiles the hand-written kernels."""
    return _package("numba", "pip install 'profkit[numba]'")


@check("numba-cuda", SECTION, helps=("numba",), optional=True)
def numba_cuda(_: Surroundings) -> Seen:
    """Compiles the hand-written kernels for CUDA."""
    return _package("numba-cuda", "pip install 'profkit[numba]'")


def distribution_version(name: str) -> str | None:
    """The version of an installed distribution; None where it is not installed, or what it holds cannot be found."""
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return version if importlib.util.find_spec(name.replace("-", "_")) else None


def _package(name: str, remedy: str) -> Seen:
    version = distribution_version(name)
    return ok(version) if version else missing(f"{name} is not installed", remedy)
