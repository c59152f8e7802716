"""Build the C++ side on demand, once for each torch, compiler and source.

The program and the Callgrind extension are built against Python's torch; the library that is loaded into a LibTorch
program of the user, against that program's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import mmap
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from profkit.cache import cache_directory
from profkit.errors import BuildError, InputError, MissingToolError, WriteError
from profkit.libtorch_of import LibTorch
from profkit.process import run_quietly

Say = Callable[[str], None]
"""Tells the user what is going on, one short line."""

PROGRAM, EXTENSION, PRELOAD = "profkit_run", "profkit_callgrind.abi3.so", "libprofkit_preload.so"
MACHINE = "profkit_machine"

RELEASE = "release"
BUILD_TYPES = {RELEASE: "Release", "debug": "Debug"}
"""What CMake calls each variant of the C++ side, by the names of its presets; the first is what is timed."""

_REGION_MARK = b"profkit-region-v1"
"""Bytes that every program has in it that uses `profkit/profkit.h`."""


@dataclass(frozen=True)
class NativeBuild:
    """What a build leaves in the cache.

    Attributes:
        program: the LibTorch twin of `python -m profkit.runner`.
        extension: Callgrind's client requests for Python.
        machine: measures bandwidths and the cost of a dispatch.
    """

    program: Path
    extension: Path
    machine: Path


def sources() -> Path:
    """The directory of the C++ sources, which the package carries with it."""
    return Path(__file__).parent / "cpp"


cmake_prefix_path = str(sources())
"""What `find_package(profkit)` of a CMake project needs in its CMAKE_PREFIX_PATH."""


def build(say: Say) -> NativeBuild:
    """Return the build for this torch, compiler and source, made now if it is not in the cache.

    Args:
        say: told if it is built, which takes a minute or two.

    Raises:
        MissingToolError: torch, cmake, a compiler or Python's headers are missing.
        BuildError: cmake or the compiler fails; the message ends in its own words.
    """
    options = {"PROFKIT_PYTHON_INCLUDE": _python_include()}
    directory = _built(RELEASE, options, (PROGRAM, EXTENSION, MACHINE), say)
    return NativeBuild(directory / PROGRAM, directory / EXTENSION, directory / MACHINE)


def build_program(say: Say, variant: str) -> Path:
    """Return the LibTorch runner in one of the variants of `BUILD_TYPES`; raises what `build` raises."""
    return build(say).program if variant == RELEASE else _built(variant, {}, (PROGRAM,), say) / PROGRAM


def _built(variant: str, options: Mapping[str, object], names: Sequence[str], say: Say) -> Path:
    """Directory in the cache with these products of a variant."""
    torch = _torch_directory()
    cmake, compiler = _tool("cmake", ("cmake",)), _tool("a C++ compiler", _compilers())
    facts = (torch, _version(compiler), *options.values())
    key = _key(importlib.metadata.version("torch"), *facts, without="preload")
    directory = cache_directory() / "native" / (key if variant == RELEASE else f"{variant}-{key}")
    if all((directory / name).exists() for name in names):
        return directory
    kind = "" if variant == RELEASE else f"a {variant} build of "
    say(f"building {kind}the C++ side with {Path(compiler).name} (once)")
    options = {**options, "CMAKE_CXX_COMPILER": compiler, "CMAKE_PREFIX_PATH": torch / "share" / "cmake"}
    with _scratch(directory.parent) as scratch:
        _run_cmake(cmake, sources(), scratch, options, BUILD_TYPES[variant], names)
        _publish(scratch, directory, names)
    return directory


def build_preload(libtorch: LibTorch, say: Say) -> Path:
    """Return the library that records a LibTorch program which was not written for it, made now if it is not cached.

    Args:
        libtorch: that the program is linked to; the library fits no other.
        say: told if it is built, which takes half a minute.

    Raises:
        MissingToolError: this LibTorch has no headers, or cmake or a compiler is missing.
        BuildError: cmake or the compiler fails; the message ends in its own words.
    """
    if libtorch.headers is None:
        raise MissingToolError(
            f"there are no headers for the LibTorch in {libtorch.libraries}",
            "install what belongs to it: libtorch-dev of Debian, or the LibTorch archive of pytorch.org",
        )
    cmake, compiler = _tool("cmake", ("cmake",)), _tool("a C++ compiler", _compilers())
    facts = (libtorch.libraries / "libtorch_cpu.so").stat()
    key = _key(libtorch, facts.st_size, facts.st_mtime_ns, _version(compiler), without="tests")
    directory = cache_directory() / "native" / f"preload-{key}"
    if not (directory / PRELOAD).exists():
        say(f"building what records LibTorch {libtorch.version} with {Path(compiler).name} (once)")
        options: dict[str, object] = {"CMAKE_CXX_COMPILER": compiler, "Torch_INCLUDE_DIR": libtorch.headers}
        for name in ("torch", "torch_cpu", "c10"):
            options[f"Torch_{name}_LIBRARY"] = libtorch.libraries / f"lib{name}.so"
        with _scratch(directory.parent) as scratch:
            _run_cmake(cmake, sources() / "preload", scratch, options)
            _publish(scratch, directory, (PRELOAD,))
    return directory / PRELOAD


def has_own_region(program: Path) -> bool:
    """Whether a program says itself, through `profkit/profkit.h`, what is to be recorded of it.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_REGION_MARK) >= 0
    except OSError as error:
        raise InputError(f"cannot read {program}: {error.strerror}", "give the path of a native program") from error
    except ValueError:  # there is nothing in it
        return False


def _run_cmake(
    cmake: str,
    source: Path,
    scratch: Path,
    options: Mapping[str, object],
    build_type: str = BUILD_TYPES[RELEASE],
    products: Sequence[str] = (),
) -> None:
    """Configure and compile what makes these products, or everything."""
    definitions = (f"-D{name}={value}" for name, value in options.items())
    configure = [cmake, "-S", str(source), "-B", str(scratch), f"-DCMAKE_BUILD_TYPE={build_type}", *definitions]
    targets = [word for product in products for word in ("--target", product.partition(".")[0])]
    compiling = [cmake, "--build", str(scratch), "--parallel", str(os.cpu_count() or 1), *targets]
    for command in (configure, compiling):
        status, output = run_quietly(command)
        if status:
            words = "\n".join(line for line in output.splitlines() if line.strip())[-4000:]
            step = "configuring" if command is configure else "compiling"
            raise BuildError(
                f"{step} the C++ side failed with status {status}:\n{words}", "the compiler's words above say why"
            )


def _publish(scratch: Path, directory: Path, names: Sequence[str]) -> None:
    """Move the files into the cache in one rename; another process that was faster wins."""
    staging = scratch / "publish"
    staging.mkdir()
    for name in names:
        shutil.copy2(scratch / name, staging)
    try:
        staging.rename(directory)
    except OSError:
        if not (directory / names[0]).exists():
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


def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout


def _key(*facts: object, without: str) -> str:
    """Name of the build that follows from these facts and from the sources, but for a folder that it does not need."""
    digest = hashlib.sha256("\n".join(map(str, facts)).encode())
    for path in sorted(path for path in sources().rglob("*") if path.is_file()):
        if path.is_relative_to(sources() / without):
            continue
        digest.update(str(path.relative_to(sources())).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
