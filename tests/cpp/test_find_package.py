"""A CMake project of the user finds profkit in the installed package and compiles it against its own torch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch

import profkit
from tests.cpp.user_programs import PROJECTS

EXAMPLE = PROJECTS[0]


def configure(source: Path, folder: Path, *prefixes: str) -> subprocess.CompletedProcess[str]:
    options = (f"-DCMAKE_PREFIX_PATH={';'.join(prefixes)}", "-DCMAKE_BUILD_TYPE=Release")
    command = ("cmake", "-S", str(source), "-B", str(folder), *options)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def targets(folder: Path) -> set[str]:
    help_text = subprocess.run(
        ("cmake", "--build", str(folder), "--target", "help"), capture_output=True, text=True, check=True
    ).stdout
    return set(help_text.replace("...", " ").split())


def test_the_prefix_path_is_that_of_the_package() -> None:
    assert Path(profkit.cmake_prefix_path, "cmake", "profkitConfig.cmake").is_file()
    assert Path(profkit.cmake_prefix_path).parent == Path(profkit.__file__).parent


def test_the_example_finds_it_after_the_official_torch(tmp_path: Path) -> None:
    done = configure(EXAMPLE, tmp_path, torch.utils.cmake_prefix_path, profkit.cmake_prefix_path)
    assert done.returncode == 0, done.stderr
    assert {"train", "train_with_layers", "profkit_scopes"} <= targets(tmp_path)


def test_the_example_needs_it_only_for_the_program_that_uses_it(tmp_path: Path) -> None:
    done = configure(EXAMPLE, tmp_path, torch.utils.cmake_prefix_path)
    assert done.returncode == 0, done.stderr
    assert "train" in targets(tmp_path)
    assert "train_with_layers" not in targets(tmp_path)


def test_without_torch_the_project_is_told_to_find_it_first(tmp_path: Path) -> None:
    done = configure(PROJECTS[1], tmp_path, profkit.cmake_prefix_path)
    assert done.returncode != 0
    assert "call find_package(Torch REQUIRED) before" in " ".join(done.stderr.split())


def test_both_ways_to_find_torch_give_programs_that_run(user_programs: dict[str, Path]) -> None:
    for command in ((user_programs["train_with_layers"], "--steps", "1"), (user_programs["own_region"], "record")):
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_example_differs_from_itself_by_the_lines_of_profkit_alone() -> None:
    plain, marked = ((EXAMPLE / name).read_text().splitlines() for name in ("train.cpp", "train_with_layers.cpp"))
    new = [line for line in marked if line not in plain]
    assert all("profkit" in line or "train_with_layers" in line or line.startswith("///") for line in new)
    assert len(marked) == len(plain) + 2
