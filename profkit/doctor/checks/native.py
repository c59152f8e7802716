"""What the C++ side is built with, and whether it is built."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from profkit.doctor import Seen, Surroundings, check, missing, ok
from profkit.doctor.answers import ask, older
from profkit.doctor.unbuilt import unless_built
from profkit.errors import ProfkitError
from profkit.native import build

SECTION = "C++"
_TOOLS = ("callgrind", "torch", "wallclock")
_CMAKE = (3, 21)
_COMPILERS = ("c++", "g++", "clang++")
_PROGRAM = "#include <span>\n#include <concepts>\nint main() { return std::span<int>{}.size(); }\n"


@check("cmake", SECTION, needed_by=("libtorch",), helps=_TOOLS)
def cmake(_: Surroundings) -> Seen:
    """Builds the C++ side."""
    program = shutil.which("cmake")
    if program is None:
        return missing("no 'cmake' on PATH", "apt-get install cmake")
    answer = ask([program, "--version"])
    if answer.failure or older(answer.version, _CMAKE):
        why = answer.failure or f"{'.'.join(map(str, _CMAKE))} or later is needed"
        return missing(why, "pip install 'cmake>=3.21'", version=answer.version)
    return ok(answer.version, program)


@check("C++ compiler", SECTION, needed_by=("libtorch",), helps=_TOOLS)
def compiler(_: Surroundings) -> Seen:
    """Builds the C++ side, in C++20."""
    wanted = (os.environ["CXX"],) if os.environ.get("CXX") else _COMPILERS
    program = next(filter(None, map(shutil.which, wanted)), None)
    if program is None:
        hint = "unset CXX, or let it name a compiler" if os.environ.get("CXX") else "apt-get install g++"
        return missing(f"no {' or '.join(map(repr, wanted))} on PATH", hint)
    version = ask([program, "-dumpfullversion", "-dumpversion"]).output.strip() or None
    if failure := ask([program, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"], _PROGRAM).failure:
        return missing(f"{program} compiles no C++20: {failure}", "apt-get install g++", version=version)
    return ok(version, f"{program}, C++20")


@check("Python.h", SECTION, needed_by=("libtorch",), helps=_TOOLS)
def headers(_: Surroundings) -> Seen:
    """Compile Callgrind's region for Python."""
    include = Path(sysconfig.get_paths()["include"])
    if (include / "Python.h").is_file():
        return ok(None, str(include))
    return missing(f"not in {include}", "apt-get install python3-dev")


@check("C++ side", SECTION, needed_by=("libtorch",), helps=_TOOLS)
def built(_: Surroundings) -> Seen:
    """Is libtorch, and Callgrind's region in Python."""
    try:
        made = unless_built(build)
    except ProfkitError as error:
        return missing(error.message, error.hint)
    return ok(None, "built" if made else "not built yet: the first use builds it, in a minute or two")
