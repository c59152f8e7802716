"""Which LibTorch a native program is linked to: read from its ELF header, and asked of the loader that starts it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from profkit.errors import InputError, MissingToolError, UsageError

_ELF, _SCRIPT = b"\x7fELF", b"#!"
_HEADER = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<I52x")
_64_BIT, _LITTLE_ENDIAN, _INTERPRETER = 2, 1, 3
_MACHINES = {"x86_64": 62, "AMD64": 62, "aarch64": 183, "arm64": 183}
_LIBRARIES = ("libtorch_cpu.so", "libtorch.so")
_RESOLVED = re.compile(r"^\s*(?P<name>\S+) => (?:(?P<path>/.*) \(0x|(?P<missing>not found))", re.MULTILINE)
_VERSION = re.compile(r"#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)")
_VERSION_HEADERS = ("torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h")


@dataclass(frozen=True)
class LibTorch:
    """A LibTorch that some program is linked to.

    Attributes:
        libraries: folder of its shared libraries.
        headers: folder of `torch/`, `ATen/` and `c10/`; None where they are not installed beside the libraries.
        version: of the headers, such as `2.13.0`; None without them.
    """

    libraries: Path
    headers: Path | None
    version: str | None


def libtorch_of(program: Path) -> LibTorch:
    """Find the LibTorch that the loader would give to a program.

    Raises:
        InputError: it is not there, no native program of this machine, linked statically, not linked to LibTorch, or
            lacks a library.
        UsageError: it may not be executed, or runs with the rights of its owner.
        MissingToolError: there is no `ldd`.
    """
    _check(program)
    found = _libraries(program)
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise InputError(
            f"the loader does not find {', '.join(missing)}, which {program} is linked to",
            "set LD_LIBRARY_PATH to the folder of LibTorch's libraries",
        )
    path = next((found[name] for name in _LIBRARIES if name in found), None)
    if path is None:
        raise InputError(
            f"{program} is not linked to LibTorch",
            "a program that loads it while it runs can include profkit/profkit.h and mark its own steps",
        )
    libraries = path.resolve().parent
    headers = _headers(libraries)
    return LibTorch(libraries, headers, _version(headers) if headers else None)


def _check(program: Path) -> None:
    """Refuse what cannot be a program that a library is loaded into."""
    try:
        status = program.stat()
        with program.open("rb") as file:
            head = file.read(_HEADER.size)
            _check_header(program, head)
            start, length = _segment_table(head)
            file.seek(start)
            segments = {kind for (kind,) in _SEGMENT.iter_unpack(_whole(file.read(length)))}
    except OSError as error:
        raise InputError(f"cannot read {program}: {error.strerror}", "give the path of a native program") from error
    if _INTERPRETER not in segments:
        raise InputError(
            f"{program} is linked statically, or is a library", "build the program against LibTorch's shared libraries"
        )
    if not os.access(program, os.X_OK):
        raise UsageError(f"{program} is not executable", f"chmod +x {program}")
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise UsageError(
            f"{program} runs with the rights of its owner, and the loader preloads nothing into such a program",
            f"chmod ug-s {program}",
        )


def _check_header(program: Path, head: bytes) -> None:
    if head.startswith(_SCRIPT):
        raise InputError(f"{program} is a script, not a native program", "give the program that the script starts")
    if not head.startswith(_ELF) or len(head) < _HEADER.size:
        raise InputError(f"{program} is not a native program of Linux", "give the program that the linker made")
    _, bits, order, _, machine, *_ = _HEADER.unpack(head)
    if (bits, order, machine) != (_64_BIT, _LITTLE_ENDIAN, _MACHINES.get(platform.machine(), machine)):
        raise InputError(
            f"{program} is not for this machine, which is {platform.machine()}", "build it here, or record it there"
        )


def _segment_table(head: bytes) -> tuple[int, int]:
    """Offset and length of the table of segments [byte]."""
    _, _, _, _, _, _, _, start, *_, count, _, _, _ = _HEADER.unpack(head)
    return start, count * _SEGMENT.size


def _whole(table: bytes) -> bytes:
    """As much of a table as holds whole entries: a damaged file may end in it."""
    return table[: len(table) // _SEGMENT.size * _SEGMENT.size]


def _libraries(program: Path) -> dict[str, Path | None]:
    """Path of each library that the program is linked to; None where the loader finds none."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise MissingToolError(
            "to find a program's LibTorch takes 'ldd', which is not on PATH", "apt-get install libc-bin"
        )
    done = subprocess.run([ldd, str(program.absolute())], capture_output=True, text=True, check=False)
    return {match["name"]: Path(match["path"]) if match["path"] else None for match in _RESOLVED.finditer(done.stdout)}


def _headers(libraries: Path) -> Path | None:
    """Where headers stand for `lib/`, as in a LibTorch folder and in Python's torch, and for `lib/<machine>/`."""
    for prefix in (libraries.parent, libraries.parent.parent):
        if any((prefix / "include" / name).is_file() for name in _VERSION_HEADERS):
            return prefix / "include"
    return None


def _version(headers: Path) -> str | None:
    for name in _VERSION_HEADERS:
        if (headers / name).is_file() and (numbers := _VERSION.findall((headers / name).read_text())):
            return ".".join(numbers)
    return None
