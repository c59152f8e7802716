"""Build the C++ side on demand, once for each torch, compiler and source: the program and the Callgrind extension."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from profkit.cache import cache_directory
from profkit.errors import BuildError, MissingToolError, WriteError
from profkit.process import run_quietly

Say = Callable[[str], None]
"""Tells the user what is going on, one short line."""

PROGRAM, EXTENSION = "profkit_run", "profkit_callgrind.abi3.so"


@dataclass(frozen=True)
class NativeBuild:
    """What a build leaves in the cache.

    Attributes:
        program: the LibTorch twin of `python -m profkit.runner`.
        extension: Callgrind's client requests for Python.
    """

    program: Path
    extension: Path


def sources() -> Path:
    """The directory of the C++ sources, which the package carries with it."""
    return Path(__file__).parent / "cpp"


def build(say: Say) -> NativeBuild:
    """Return the build for this torch, compiler and source, made now if it is not in the cache.

    Raises:
        MissingToolError: torch, cmake, a compiler or Python's headers are missing.
        BuildError: cmake or the compiler fails; the message ends in its own words.
    """
    torch = _torch_directory()
    cmake, compiler = _tool("cmake", ("cmake",)), _tool("a C++ compiler", _compilers())
    directory = cache_directory() / "native" / _key(compiler)
    made = NativeBuild(directory / PROGRAM, directory / EXTENSION)
    if made.program.exists() and made.extension.exists():
        return made
    say(f"building the C++ side with {Path(compiler).name} (once)")
    with _scratch(directory.parent) as scratch:
        _run_cmake(scratch, cmake, compiler, torch)
        _publish(scratch, directory)
    return made


def _run_cmake(scratch: Path, cmake: str, compiler: str, torch: Path) -> None:
    configure = [
        cmake, "-S", str(sources()), "-B", str(scratch),
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        f"-DCMAKE_PREFIX_PATH={torch / 'share' / 'cmake'}",
        f"-DPROFKIT_PYTHON_INCLUDE={_python_include()}",
    ]  # fmt: skip
    for command in (configure, [cmake, "--build", str(scratch), "--parallel", str(os.cpu_count() or 1)]):
        status, output = run_quietly(command)
        if status:
            words = "\n".join(line for line in output.splitlines() if line.strip())[-4000:]
            step = "configuring" if command is configure else "compiling"
            raise BuildError(
                f"{step} the C++ side failed with status {status}:\n{words}", "the compiler's words above say why"
            )


def _publish(scratch: Path, directory: Path) -> None:
    """Move the two files into the cache in one rename; another process that was faster wins."""
    staging = scratch / "publish"
    staging.mkdir()
    for name in (PROGRAM, EXTENSION):
        shutil.copy2(scratch / name, staging)
    try:
        staging.rename(directory)
    except OSError:
        if not (directory / PROGRAM).exists():
            raise


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=parent) as scratch:
            yield Path(scratch)
    except OSError as error:
        raise WriteError(
            f"cannot build in {parent}: {error.strerror}", "set PROFKIT_CACHE to a writable directory"
        ) from error


def _compilers() -> tuple[str, ...]:
    return (os.environ["CXX"],) if os.environ.get("CXX") else ("c++", "g++", "clang++")


def _tool(what: str, names: tuple[str, ...]) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    tried = f"{what} ({', '.join(names)})" if (what,) != names else f"'{what}'"
    raise MissingToolError(f"the C++ side needs {tried}, which is not on PATH", "apt-get install cmake g++")


def _torch_directory() -> Path:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise MissingToolError("the C++ side needs torch, which is not installed", "pip install torch==2.13.0")
    return Path(spec.origin).parent


def _python_include() -> Path:
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        raise MissingToolError(
            f"the C++ side needs Python's headers, and there is no Python.h in {include}", "apt-get install python3-dev"
        )
    return include


def _key(compiler: str) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    digest = hashlib.sha256(
        f"{importlib.metadata.version('torch')}\n{_torch_directory()}\n{version}\n{_python_include()}".encode()
    )
    for path in sorted(path for path in sources().rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(sources())).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
