"""What an ELF program's file tells of how it was built: its debug information, its notes, its symbols.

A compiler need not write any of this down; what is not told stays unknown.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from profkit.evidence import Binary

_BROKEN = (
    AssertionError,
    ConstructError,
    DWARFError,
    ELFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
    zlib.error,
)
"""What reading a file that is cut off, or newer than the library, comes to."""

_LEVEL = re.compile(r"(?<!\S)-O(?:\d|fast|[gsz])?(?!\S)")
_FLAGS = re.compile(r"(?<!\S)-\S.*", re.DOTALL)
_COMPILER = re.compile(r"^(?:GNU |clang|.*\bclang version )")

_START_FILES = re.compile(r"(?:^|/)(?:crt\w*|start|init|elf-init|static-reloc|abi-note)\.[cSs]$|sysdeps|(?:^|/)csu/")
_ASSEMBLERS = ("GNU AS", "LLVM Integrated Assembler")

_TRIVIAL = re.compile(
    r"_ZN?K?(?:St(?:3__1)?|3c10|9__gnu_cxx)(?P<owner>\w*?)"
    r"(?P<name>4size|6length|8capacity|8max_size|5begin|3end|4data|5c_str|4base|3get|7forward|4move|9addressof"
    r"|11__addressof|7_M_data|9_M_length|11_M_is_local|13_M_local_data|6_M_ptr|7_M_head)"
    r"(?:B\w{2,12})?(?:Ev|I\w+)$"
)
"""Functions of a line at most, mangled: every optimising compiler puts them into their callers."""

_TEMPLATES = re.compile(r"_ZNK?St(?:3__1)?\w*I\w+E")
_CONTAINERS = re.compile(r"(?:7__cxx11)?(?:6vector|12basic_string|5deque|4list|8_Rb_tree)I")
_MANY_TRIVIAL, _KINDS_OF_TRIVIAL, _OF_OTHERS = 6, 4, 2
"""An explicit instantiation of a container keeps all of its functions at any level; so some have to be of others."""
_MANY_TEMPLATES = 6
"""Without optimisation so many functions of the standard library cannot be but trivial ones among them."""

_CMAKE_ENTRY = re.compile(r"^(CMAKE_(?:BUILD_TYPE|CONFIGURATION_TYPES|CXX_FLAGS(?:_\w+)?)):\w+=(.*)$", re.MULTILINE)

_ASSERTIONS = ("__assert_fail", "__assert", "_ZSt21__glibcxx_assert_failPKciS0_S0_")


@dataclass(frozen=True)
class _Unit:
    """A compile unit with code.

    Attributes:
        producer: the compiler as it names itself, with flags where it writes them down.
        size: of its code [byte]; 0 where the file does not tell.
        folders: that it was compiled in, and of its source.
        has_main: whether the program's main function is in it.
    """

    producer: str
    size: int
    folders: tuple[str, ...]
    has_main: bool


@dataclass(frozen=True)
class _Told:
    """What one source in the file says."""

    level: str | None = None
    optimised: bool | None = None
    flags: str = ""
    says: tuple[str, ...] = ()


def binary_facts(path: Path) -> Binary | None:
    """What a program's file tells of how it was built.

    Debug information has the compiler's flags, if the compiler writes them there (gcc does, clang if asked to); so has
    a program compiled with `-frecord-gcc-switches` or `-frecord-command-line`. From names of functions only whether
    there was optimisation can be known.

    Args:
        path: of the program itself; what it is linked to is not read, and what was linked into it from elsewhere counts
            only where nothing is known of where it comes from.

    Returns:
        What is known; None where the file is no ELF file, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _facts(ELFFile(file))
    except _BROKEN:
        return None


def cmake_build(path: Path) -> dict[str, str]:
    """Build type and flags of the CMake build folder that a program lies in.

    Args:
        path: of the program.

    Returns:
        `type` and `flags`, as `Run.build` has them; empty where there is no such folder, it is configured for several
        types, or was configured again after the program was made.
    """
    try:
        made = path.stat().st_mtime
        cache = next(cache for folder in path.resolve().parents if (cache := folder / "CMakeCache.txt").is_file())
        if cache.stat().st_mtime > made:
            return {}
        said = dict(_CMAKE_ENTRY.findall(cache.read_text(errors="replace")))
    except (OSError, StopIteration):
        return {}
    if "CMAKE_CONFIGURATION_TYPES" in said or "CMAKE_BUILD_TYPE" not in said:
        return {}
    kind = said["CMAKE_BUILD_TYPE"]
    flags = (said.get("CMAKE_CXX_FLAGS", ""), said.get(f"CMAKE_CXX_FLAGS_{kind.upper()}", "") if kind else "")
    return {"type": kind, "flags": " ".join(part for part in flags if part)}


def _facts(elf: ELFFile) -> Binary:
    tables = [section for section in elf.iter_sections() if isinstance(section, SymbolTableSection)]
    defined = {name: value for table in tables for name, value in _functions(table)}
    units = _own(_units(elf, defined.get("main")))
    told = (_told_by_units(units), _told_by_switches(elf), _told_by_names(elf, defined))
    best = next((source for source in told if source.level or source.optimised is not None), _Told())
    assertions, checked_by = _assertions(elf)
    fast = ("symbols: set_fast_math, which takes subnormal numbers as zero",) if "set_fast_math" in defined else ()
    return Binary(
        compiler=_compiler(elf, units),
        optimisation=best.level,
        assertions=assertions,
        debug_info=bool(units),
        flags=next((source.flags for source in told if source.flags), ""),
        told_by=(*best.says, *fast, *checked_by),
        optimised=best.optimised if best.level is None else best.level != "-O0",
    )


def _functions(table: SymbolTableSection) -> Iterator[tuple[str, int]]:
    for symbol in table.iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            yield symbol.name, symbol["st_value"]


def _units(elf: ELFFile, main: int | None) -> list[_Unit]:
    """Units of the debug information; none where there is none, or it is broken."""
    if not elf.has_dwarf_info(strict=True):
        return []
    try:
        dwarf = elf.get_dwarf_info()
        code = _code(dwarf)
        return [_unit(unit, code.get(unit.cu_offset, []), main) for unit in dwarf.iter_CUs() if unit["unit_length"] > 0]
    except _BROKEN:
        return []


def _code(dwarf: DWARFInfo) -> dict[int, list[tuple[int, int]]]:
    """Addresses and lengths of each unit's code, by the unit's offset."""
    code: dict[int, list[tuple[int, int]]] = {}
    table = dwarf.get_aranges()
    for entry in table.entries if table else ():
        code.setdefault(entry.info_offset, []).append((entry.begin_addr, entry.length))
    return code


def _unit(unit: CompileUnit, code: Sequence[tuple[int, int]], main: int | None) -> _Unit:
    attributes = unit.get_top_DIE().attributes

    def text(name: str) -> str:
        value = attributes[name].value if name in attributes else b""
        return value.decode(errors="replace") if isinstance(value, bytes) else ""

    low, high = (attributes.get(f"DW_AT_{end}_pc") for end in ("low", "high"))
    if not code and low is not None and high is not None:
        is_length = high.form != "DW_FORM_addr"
        code = [(low.value, high.value if is_length else high.value - low.value)]
    compiled_in = text("DW_AT_comp_dir")
    source = PurePosixPath(compiled_in, text("DW_AT_name"))
    ours = not _START_FILES.search(str(source))
    return _Unit(
        producer=text("DW_AT_producer") if ours else "",
        size=sum(length for _, length in code),
        folders=tuple(os.path.normpath(folder) for folder in (compiled_in, source.parent)),
        has_main=main is not None and any(begin <= main < begin + length for begin, length in code),
    )


def _own(units: Sequence[_Unit]) -> list[_Unit]:
    """Units of the program itself: compiled with its main function, not brought by the C library or another one."""
    known = [unit for unit in units if unit.producer and not unit.producer.startswith(_ASSEMBLERS)]
    sized = [unit for unit in known if unit.size] or known
    home = next((unit.folders for unit in sized if unit.has_main), None)
    if home is None:
        return sized
    shared = os.path.commonpath(home) if all(PurePosixPath(folder).is_absolute() for folder in home) else ""
    if len(PurePosixPath(shared).parts) > 2:  # not just `/` or `/home`, where everything is
        home = (shared,)
    return [unit for unit in sized if any(PurePosixPath(unit.folders[0]).is_relative_to(place) for place in home)]


def _told_by_units(units: Sequence[_Unit]) -> _Told:
    """The level that most of the program's code was compiled with."""
    flags = {unit.producer: _FLAGS.search(unit.producer) for unit in units}
    levels: Counter[str] = Counter()
    for unit in units:
        if found := flags[unit.producer]:
            levels[_level(found[0])] += max(unit.size, 1)
    if not levels:
        return _Told()
    level = levels.most_common(1)[0][0]
    chosen = next(found[0] for found in flags.values() if found and _level(found[0]) == level)
    share = f"{levels[level] / sum(max(unit.size, 1) for unit in units):.0%} of the program's code"
    others = ", ".join(other for other in sorted(levels) if other != level)
    says = f"debug information (DW_AT_producer): {level} for {share}" + (f", and {others}" if others else "")
    return _Told(level=level, flags=chosen, says=(says,))


def _level(flags: str) -> str:
    """The level that flags come to: the last one holds, and without any there is no optimisation."""
    last = next(reversed(_LEVEL.findall(flags)), "-O0")
    return {"-O": "-O1", "-O4": "-O3"}.get(last, last)


def _told_by_switches(elf: ELFFile) -> _Told:
    """What `-frecord-gcc-switches` and `-frecord-command-line` leave: a line for each way of compiling."""
    section = elf.get_section_by_name(".GCC.command.line")
    if section is None:
        return _Told()
    lines = [line for line in section.data().decode(errors="replace").split("\0") if line.strip()]
    if all(line.startswith("-") for line in lines):  # a switch each, as gcc had it before version 11
        lines = [" ".join(lines)]
    levels = {_level(line) for line in lines}
    flags = next((found[0] for line in lines if (found := _FLAGS.search(line))), "")
    if len(levels) != 1:
        return _Told(flags=flags)
    level = levels.pop()
    return _Told(level=level, flags=flags, says=(f"compiler switches in .GCC.command.line: {level}",))


def _told_by_names(elf: ELFFile, defined: dict[str, int]) -> _Told:
    """Whether there was optimisation, by which functions of the standard library are left as functions."""
    found = [match for name in defined if (match := _TRIVIAL.match(name))]
    kinds = {match["name"] for match in found}
    of_others = sum(not _CONTAINERS.match(match["owner"]) for match in found)
    if len(found) >= _MANY_TRIVIAL and len(kinds) >= _KINDS_OF_TRIVIAL and of_others >= _OF_OTHERS:
        says = f"symbols: {len(found)} functions like {_demangled(kinds)} that any optimisation inlines"
        return _Told(level="-O0", says=(says,))
    if elf.get_section_by_name(".symtab") is None:
        return _Told()
    if "main" in defined and "_start" in defined and defined["main"] < defined["_start"]:
        return _Told(optimised=True, says=("symbols: main stands where gcc puts it from -O2 on, before _start",))
    templates = sum(bool(_TEMPLATES.match(name)) for name in defined)
    if not found and templates >= _MANY_TEMPLATES:
        says = f"symbols: {templates} functions of the standard library, and none that any optimisation inlines"
        return _Told(optimised=True, says=(says,))
    return _Told()


def _demangled(names: set[str]) -> str:
    return ", ".join(sorted(name.lstrip("0123456789") for name in names)[:3])


def _assertions(elf: ELFFile) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the program calls what a failed assertion calls; a static one has it from the C library in any case."""
    table = elf.get_section_by_name(".dynsym")
    if not isinstance(table, SymbolTableSection):
        return None, ()
    imported = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}
    calls = [name for name in _ASSERTIONS if name in imported]
    says = f"imports {calls[0]}" if calls else f"does not import {_ASSERTIONS[0]}"
    return bool(calls), (says,)


def _compiler(elf: ELFFile, units: Sequence[_Unit]) -> str:
    """The compiler: of the largest unit, or of the file's comments, where the start files' own compiler is too."""
    comment = elf.get_section_by_name(".comment")
    lines = comment.data().decode(errors="replace").split("\0") if comment else []
    compilers = list(dict.fromkeys(line for line in lines if line.startswith("GCC:") or _COMPILER.match(line)))
    clang = [line for line in compilers if "clang" in line]
    if len(clang or compilers) == 1:
        return (clang or compilers)[0]
    largest = max(units, key=lambda unit: unit.size, default=None)
    if largest is not None:
        return _FLAGS.sub("", largest.producer).strip()
    return ", ".join(clang or compilers)
