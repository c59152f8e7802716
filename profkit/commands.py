"""Command lines: which program one starts, in which language, and what of it is whose argument."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profkit.errors import MissingToolError, UsageError

PYTHON, NATIVE, SCRIPT = "python", "c++", "script"
_PYTHON_NAME = re.compile(r"(?:python|pypy)[\d.]*(?:t|d|\.exe)?$")
_ELF, _SHEBANG = b"\x7fELF", b"#!"
_FLAGS_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_ISOLATING = "IES"
"""Flags of Python that keep it from reading PYTHONPATH or from importing sitecustomize."""


def find_program(name: str) -> str | None:
    """Where a program is: beside this interpreter, as pip puts it there, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(name)


@dataclass(frozen=True)
class PythonCommand:
    """A command that starts Python.

    Attributes:
        interpreter: path of Python.
        flags: of the interpreter.
        target: what it runs: a script's path, or `-m` or `-c` and what belongs to that; empty for none.
        arguments: of the program.
    """

    interpreter: str
    flags: tuple[str, ...]
    target: tuple[str, ...]
    arguments: tuple[str, ...]

    def isolating(self) -> str | None:
        """The first flag that keeps the program from being looked into, such as `-I`."""
        for flag in self.flags:
            if not flag.startswith("--") and any(letter in flag[1:] for letter in _ISOLATING):
                return flag if flag[:2] not in _FLAGS_WITH_VALUE else None
        return None


@dataclass(frozen=True)
class Program:
    """What a command line starts.

    Attributes:
        language: `python`, `c++` (any native program) or `script` (of another interpreter).
        command: to start, with the path of the program found.
    """

    language: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """What people call it: the script, the module or the program."""
        if self.language != PYTHON:
            return Path(self.command[0]).name
        target = split_python(self.command).target
        return Path(target[-1]).name if target and target[0] != "-c" else "python"


def resolve(command: Sequence[str]) -> Program:
    """What a command of the user starts.

    A script with a `#!` line is started through the interpreter that it names, as the system would.

    Raises:
        MissingToolError: there is no such program.
        UsageError: nothing is given, or it is not executable.
    """
    if not command:
        raise UsageError("there is no program after --", "profkit record --tool torch -- python train.py")
    path = shutil.which(command[0])
    if path is None:
        raise _unstartable(command[0])
    with Path(path).open("rb") as file:
        head = file.read(256)
    if head.startswith(_SHEBANG):
        interpreter = shlex.split(head[2:].partition(b"\n")[0].decode(errors="replace"))
        if interpreter and Path(interpreter[0]).name == "env":
            interpreter = [word for word in interpreter[1:] if word != "-S"]
        if interpreter and _is_python(interpreter[0]):
            found = shutil.which(interpreter[0])
            if found is None:
                raise MissingToolError(
                    f"{path} is for the interpreter '{interpreter[0]}', which is not there", "install it, or mend #!"
                )
            return Program(PYTHON, (found, *interpreter[1:], path, *command[1:]))
        return Program(SCRIPT, (path, *command[1:]))
    language = PYTHON if _is_python(path) else NATIVE
    return Program(language, (path, *command[1:]))


def split_python(command: Sequence[str]) -> PythonCommand:
    """Take a command that starts Python apart."""
    flags, rest = [], list(command[1:])
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "-m", "-c"):
        flags.append(rest.pop(0))
        if flags[-1] in _FLAGS_WITH_VALUE and rest:
            flags.append(rest.pop(0))
    words = 2 if rest and rest[0] in ("-m", "-c") else 1
    return PythonCommand(command[0], tuple(flags), tuple(rest[:words]), tuple(rest[words:]))


def _is_python(path: str) -> bool:
    return _PYTHON_NAME.match(Path(path).name) is not None


def _unstartable(name: str) -> MissingToolError | UsageError:
    path = Path(name)
    if path.is_dir():
        return UsageError(f"{name} is a directory", "name the program in it")
    if path.is_file():
        hint = f"python {name}, or chmod +x {name}" if path.suffix == ".py" else f"chmod +x {name}"
        if os.access(path, os.X_OK):
            hint = f"./{name}: a program in the current directory is named so"
        return UsageError(f"{name} is not executable", hint)
    return MissingToolError(f"there is no program '{name}'", "check its name, or give its path")
