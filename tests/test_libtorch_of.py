"""Which LibTorch a program is linked to; and whatever a library cannot be loaded into is refused with what to do."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from profkit.errors import InputError, MissingToolError, ProfkitError, UsageError
from profkit.libtorch_of import libtorch_of
from profkit.native import build_preload

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
VERSION = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 31\n#define TORCH_VERSION_PATCH 4\n"


def compile_c(output: Path, text: str, *flags: str) -> None:
    source = output.with_suffix(".c")
    source.write_text(text)
    subprocess.run(("cc", str(source), "-o", str(output), *flags), check=True)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A program that is linked to something of LibTorch's name, in a folder like LibTorch's."""
    library = tmp_path / "libtorch" / "lib" / "libtorch_cpu.so"
    library.parent.mkdir(parents=True)
    compile_c(library, "int torch(void) { return 0; }", "-shared", "-fPIC")
    program = tmp_path / "program"
    folder = str(library.parent)
    compile_c(program, "int torch(void); int main(void) { return torch(); }", f"-L{folder}", "-ltorch_cpu")
    return program


def test_libtorch_is_found_as_the_loader_finds_it(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = linked.parent / "libtorch" / "lib"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    found = libtorch_of(linked)
    assert (found.libraries, found.headers, found.version) == (libraries, None, None)
    header = libraries.parent / "include" / "torch" / "headeronly" / "version.h"
    header.parent.mkdir(parents=True)
    header.write_text(VERSION)
    found = libtorch_of(linked)
    assert (found.headers, found.version) == (libraries.parent / "include", "2.31.4")


def test_without_headers_nothing_can_be_built_for_it(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(linked.parent / "libtorch" / "lib"))
    with pytest.raises(MissingToolError, match="there are no headers for the LibTorch in ") as caught:
        build_preload(libtorch_of(linked), print)
    assert "libtorch-dev" in caught.value.hint


def test_a_library_that_the_loader_does_not_find_is_named(linked: Path) -> None:
    with pytest.raises(InputError, match=r"does not find libtorch_cpu\.so") as caught:
        libtorch_of(linked)
    assert "LD_LIBRARY_PATH" in caught.value.hint


def foreign(head: bytes) -> bytes:
    """The header of another machine."""
    return head[:18] + struct.pack("<H", 8) + head[20:]


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"#!/bin/sh\n./train\n", InputError, "is a script"),
        (b"", InputError, "is not a native program of Linux"),
        (b"\x7fELF", InputError, "is not a native program of Linux"),
        (b"MZ" + bytes(100), InputError, "is not a native program of Linux"),
        (foreign(Path("/bin/sh").read_bytes()[:200]), InputError, "is not for this machine"),
        (Path("/bin/sh").read_bytes()[:70], InputError, "is linked statically, or is a library"),
    ],
    ids=["script", "empty", "short", "windows", "foreign", "cut"],
)
def test_a_file_that_is_no_native_program_is_refused(
    tmp_path: Path, content: bytes, kind: type[ProfkitError], message: str
) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(0o755)
    with pytest.raises(kind, match=message) as caught:
        libtorch_of(program)
    assert str(program) in caught.value.message
    assert caught.value.hint


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        libtorch_of(tmp_path / "absent")
    with pytest.raises(InputError, match="Is a directory"):
        libtorch_of(tmp_path)


def test_a_static_program_is_refused(tmp_path: Path) -> None:
    compile_c(tmp_path / "program", "int main(void) { return 0; }", "-static")
    with pytest.raises(InputError, match="is linked statically"):
        libtorch_of(tmp_path / "program")


def test_a_program_without_libtorch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not linked to LibTorch") as caught:
        libtorch_of(Path(sys.executable).resolve())
    assert "profkit/profkit.h" in caught.value.hint


@pytest.mark.parametrize(
    ("mode", "message"),
    [(0o644, "is not executable"), (0o4755, "rights of its owner"), (0o2755, "rights of its owner")],
)
def test_a_program_that_nothing_can_be_loaded_into_is_refused(linked: Path, mode: int, message: str) -> None:
    linked.chmod(mode)
    with pytest.raises(UsageError, match=message) as caught:
        libtorch_of(linked)
    assert "chmod" in caught.value.hint
