"""What a command line starts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from profkit.commands import NATIVE, PYTHON, SCRIPT, resolve, split_python
from profkit.errors import MissingToolError, UsageError


def test_a_command_of_python_is_taken_apart() -> None:
    parts = split_python(["python3", "-u", "-X", "dev", "-m", "pkg.train", "--epochs", "2"])
    assert (parts.flags, parts.target, parts.arguments) == (
        ("-u", "-X", "dev"),
        ("-m", "pkg.train"),
        ("--epochs", "2"),
    )
    assert split_python(["python3", "train.py", "-m", "x"]).target == ("train.py",)


@pytest.mark.parametrize(
    ("flags", "isolating"), [(["-I"], "-I"), (["-uE"], "-uE"), (["-S"], "-S"), (["-u"], None), (["-X", "dev"], None)]
)
def test_the_flags_that_keep_profkit_out_are_known(flags: list[str], isolating: str | None) -> None:
    assert split_python(["python3", *flags, "train.py"]).isolating() == isolating


def test_this_interpreter_is_python_and_a_compiled_program_is_not() -> None:
    assert resolve([sys.executable, "train.py"]).language == PYTHON
    assert resolve(["env"]).language == NATIVE
    assert resolve(["env"]).command[0] == shutil.which("env")


def _script(directory: Path, shebang: str, name: str = "train") -> Path:
    path = directory / name
    path.write_text(f"{shebang}\nprint('hello')\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("shebang", [f"#!{sys.executable}", "#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u"])
def test_a_script_with_a_shebang_is_started_through_its_interpreter(tmp_path: Path, shebang: str) -> None:
    script = _script(tmp_path, shebang)
    program = resolve([str(script), "--steps", "1"])
    assert program.language == PYTHON
    assert program.command[-3:] == (str(script), "--steps", "1")
    assert program.name == "train"


def test_a_shell_script_is_a_script(tmp_path: Path) -> None:
    assert resolve([str(_script(tmp_path, "#!/bin/sh", "run.sh"))]).language == SCRIPT


def test_what_cannot_be_started_is_told_with_what_to_do(tmp_path: Path) -> None:
    plain = tmp_path / "train.py"
    plain.write_text("print(1)\n")
    with pytest.raises(MissingToolError, match="no program 'nosuch'"):
        resolve(["nosuch"])
    with pytest.raises(UsageError, match="is not executable") as caught:
        resolve([str(plain)])
    assert f"python {plain}" in caught.value.hint
    with pytest.raises(UsageError, match="is a directory"):
        resolve([str(tmp_path)])
    with pytest.raises(UsageError, match="no program after --"):
        resolve([])
    with pytest.raises(MissingToolError, match="'python9'"):
        resolve([str(_script(tmp_path, "#!/usr/bin/env python9"))])
