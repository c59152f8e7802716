"""What a compiled program's file tells of how it was built; every program of gcc is compiled for the test.

Those of clang 22 lie in `golden`, made of the same source where there was one:

    clang++ -x c++ -std=c++17 -g1 -O0 -fPIE -c program.cpp -o program.o && g++ program.o -o clang-O0
    gzip -9n clang-O0

likewise with -O2 (`clang-O2`), and with -O1 -grecord-command-line (`clang-O1-recorded`).
"""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from profkit.binary import binary_facts, cmake_build

PROGRAM = """
#include <cassert>
#include <iostream>
#include <memory>
#include <string>
#include <vector>
struct Layer { std::vector<float> weights; std::string name; };
float total(const std::vector<Layer>& layers) {
    float sum = 0;
    for (const auto& layer : layers) for (float weight : layer.weights) sum += weight;
    return sum;
}
int main(int count, char**) {
    std::vector<Layer> layers;
    for (int i = 0; i < count + 3; ++i) {
        Layer layer{std::vector<float>(i + 1, 1.f), "l" + std::to_string(i)};
        layers.push_back(std::move(layer));
    }
    auto last = std::make_unique<Layer>(layers.back());
    assert(layers.size() > 2);
    std::cout << total(layers) << last->name;
}
"""
OPTIMISED = ("-Og", "-O1", "-O2", "-O3", "-Os")
LEVELS = ("-O0", *OPTIMISED)
GOLDEN = Path(__file__).parent / "golden"


def compiled(folder: Path, *flags: str, source: str = PROGRAM) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    written, program = folder / "program.cpp", folder / "program"
    written.write_text(source)
    subprocess.run(["g++", "-std=c++17", *flags, written, "-o", program], check=True, cwd=folder)
    return program


@pytest.mark.parametrize("level", LEVELS)
def test_debug_information_tells_the_level_and_the_flags(tmp_path: Path, level: str) -> None:
    told = binary_facts(compiled(tmp_path, "-g", level, "-march=x86-64", "-DNDEBUG"))
    assert told is not None
    assert (told.optimisation, told.optimised, told.debug_info) == (level, level != "-O0", True)
    assert told.assertions is False
    assert told.compiler.startswith("GCC: ")
    assert {level, "-g", "-march=x86-64"} <= set(told.flags.split())
    assert told.told_by[0] == f"debug information (DW_AT_producer): {level} for 100% of the program's code"


@pytest.mark.parametrize(("flags", "level"), [((), "-O0"), (("-O",), "-O1"), (("-O3", "-O2"), "-O2")])
def test_the_last_level_holds_and_none_is_no_optimisation(tmp_path: Path, flags: tuple[str, ...], level: str) -> None:
    told = binary_facts(compiled(tmp_path, "-g", *flags))
    assert told is not None
    assert told.optimisation == level


def test_without_debug_information_unoptimised_code_shows_by_its_functions(tmp_path: Path) -> None:
    told = binary_facts(compiled(tmp_path, "-O0"))
    assert told is not None
    assert (told.optimisation, told.optimised, told.debug_info, told.flags) == ("-O0", False, False, "")
    assert told.assertions is True
    assert told.told_by[0].startswith("symbols: ")
    assert "imports __assert_fail" in told.told_by


@pytest.mark.parametrize("level", OPTIMISED)
def test_without_debug_information_optimised_code_shows_but_not_its_level(tmp_path: Path, level: str) -> None:
    told = binary_facts(compiled(tmp_path, level))
    assert told is not None
    assert (told.optimisation, told.optimised) == (None, True)
    assert told.told_by[0].startswith("symbols: ")


@pytest.mark.parametrize("level", LEVELS)
def test_a_stripped_program_tells_of_its_assertions_only(tmp_path: Path, level: str) -> None:
    told = binary_facts(compiled(tmp_path, level, "-g", "-s"))
    assert told is not None
    assert (told.optimisation, told.optimised, told.debug_info) == (None, None, False)
    assert told.assertions is True


def test_an_instantiated_template_is_no_sign_of_a_debug_build(tmp_path: Path) -> None:
    wanted = "template class std::vector<double>; template class std::basic_string<char>;"
    told = binary_facts(compiled(tmp_path, "-O1", source=f"{PROGRAM}\n#include <list>\n{wanted}"))
    assert told is not None
    assert told.optimisation is None
    assert told.optimised is not False


def test_recorded_switches_tell_where_there_is_no_debug_information(tmp_path: Path) -> None:
    told = binary_facts(compiled(tmp_path, "-O2", "-frecord-gcc-switches"))
    assert told is not None
    assert (told.optimisation, told.optimised) == ("-O2", True)
    assert "-O2" in told.flags
    assert told.told_by[0].startswith("compiler switches")


def test_the_program_itself_counts_and_not_what_is_linked_into_it(tmp_path: Path) -> None:
    library = tmp_path / "elsewhere" / "library" / "library.cpp"
    library.parent.mkdir(parents=True)
    library.write_text("\n".join(f"int f{n}(int x) {{ return x * {n} % 7 + {n}; }}" for n in range(400)))
    subprocess.run(["g++", "-g", "-O0", "-c", library, "-o", library.with_suffix(".o")], check=True, cwd=library.parent)
    body = 'int f7(int);\n#include <cstdio>\nint main(int n, char**) { std::printf("%d", f7(n)); }'
    home = tmp_path / "home" / "program"
    told = binary_facts(compiled(home, "-g", "-O2", str(library.with_suffix(".o")), source=body))
    assert told is not None
    assert told.optimisation == "-O2"


def test_most_of_the_code_decides_and_the_rest_is_told(tmp_path: Path) -> None:
    (tmp_path / "small.cpp").write_text("int twice(int x) { return 2 * x; }")
    subprocess.run(["g++", "-g", "-O3", "-c", "small.cpp"], check=True, cwd=tmp_path)
    told = binary_facts(compiled(tmp_path, "-g", "-O0", str(tmp_path / "small.o")))
    assert told is not None
    assert told.optimisation == "-O0"
    assert told.told_by[0].endswith("of the program's code, and -O3")


def test_fast_math_is_told(tmp_path: Path) -> None:
    told = binary_facts(compiled(tmp_path, "-Ofast"))
    assert told is not None
    assert any("subnormal" in words for words in told.told_by)
    assert told.debug_info is False  # that of the start files is not the program's


@pytest.mark.parametrize(
    ("name", "level", "optimised"),
    [("clang-O0", "-O0", False), ("clang-O2", None, None), ("clang-O1-recorded", "-O1", True)],
)
def test_clang_keeps_its_flags_to_itself_unless_asked(
    tmp_path: Path, name: str, level: str | None, optimised: bool | None
) -> None:
    program = tmp_path / "program"
    program.write_bytes(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()))
    told = binary_facts(program)
    assert told is not None
    assert (told.optimisation, told.optimised, told.debug_info, told.assertions) == (level, optimised, True, True)
    assert told.compiler.startswith("clang version 22")
    assert ("-std=c++17" in told.flags) == ("recorded" in name)


def test_what_is_no_elf_file_tells_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert binary_facts(script) is None
    assert binary_facts(tmp_path / "missing") is None


@pytest.mark.parametrize("kept", [10, 64, 600, 5000])
def test_a_file_that_is_cut_off_raises_nothing(tmp_path: Path, kept: int) -> None:
    program = compiled(tmp_path, "-g")
    program.write_bytes(program.read_bytes()[:kept])
    told = binary_facts(program)
    assert told is None or told.optimisation is None


def test_compressed_debug_information_that_is_broken_raises_nothing(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-g", "-gz=zlib")
    whole = binary_facts(program)
    assert whole is not None
    assert whole.debug_info is True
    with program.open("rb") as file:
        places = {section.name: section["sh_offset"] for section in ELFFile(file).iter_sections()}
    content = bytearray(program.read_bytes())
    begin = places[".debug_info"] + 24  # behind the header of the compressed section
    content[begin + 20 : begin + 60] = bytes(range(40))
    program.write_bytes(content)
    told = binary_facts(program)
    assert told is not None
    assert told.flags == ""


def test_a_section_that_claims_to_be_larger_than_memory_raises_nothing(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-g")
    with program.open("rb") as file:
        elf = ELFFile(file)
        header = elf.header["e_shoff"] + elf.get_section_index(".symtab") * elf.header["e_shentsize"]
    content = bytearray(program.read_bytes())
    content[header + 32 : header + 40] = (1 << 62).to_bytes(8, "little")  # its size
    program.write_bytes(content)
    told = binary_facts(program)
    assert told is None or told.optimisation in (None, "-O0")


def test_a_build_folder_of_cmake_tells_type_and_flags(tmp_path: Path) -> None:
    cache, program = tmp_path / "CMakeCache.txt", tmp_path / "bin" / "program"
    program.parent.mkdir()
    program.touch()
    assert cmake_build(program) == {}
    cache.write_text(
        "CMAKE_BUILD_TYPE:STRING=Release\nCMAKE_CXX_FLAGS:STRING=-march=native\n"
        "CMAKE_CXX_FLAGS_RELEASE:STRING=-O3 -DNDEBUG\nCMAKE_CXX_FLAGS_DEBUG:STRING=-g\n"
    )
    os.utime(cache, (1, 1))
    assert cmake_build(program) == {"type": "Release", "flags": "-march=native -O3 -DNDEBUG"}
    cache.write_text("CMAKE_BUILD_TYPE:STRING=\nCMAKE_CXX_FLAGS:STRING=\n")
    os.utime(cache, (1, 1))
    assert cmake_build(program) == {"type": "", "flags": ""}
    os.utime(program, (0, 0))
    assert cmake_build(program) == {}  # configured again since
