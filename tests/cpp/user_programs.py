"""LibTorch programs of users: the example and those of the tests, built as users build them, and started."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

import profkit
from profkit.cache import cache_directory

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT / "examples" / "libtorch_program", Path(__file__).parent / "programs")
PROGRAMS = ("train", "train_with_layers", "ways", "own_region")
CALLGRIND = ("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--combine-dumps=yes")


@dataclass(frozen=True)
class Ended:
    """A program that came to its end."""

    status: int
    stdout: str
    stderr: str
    artefact: Path
    report: dict[str, Any]


def _key() -> str:
    digest = hashlib.sha256(torch.__version__.encode())
    ours = Path(profkit.cmake_prefix_path)
    compiled = (ours / "cmake" / "profkitScopes.cmake").read_text()
    folders = (*PROJECTS, *(ours / name for name in ("cmake", "include", "src")))
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        if path.parent.name == "src" and path.name not in compiled:
            continue  # the runner's
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(project: Path, folder: Path) -> None:
    prefixes = f"{torch.utils.cmake_prefix_path};{profkit.cmake_prefix_path}"
    options = (f"-DCMAKE_PREFIX_PATH={prefixes}", "-DCMAKE_BUILD_TYPE=Release")
    for command in (
        ("cmake", "-S", str(project), "-B", str(folder), *options),
        ("cmake", "--build", str(folder), "--parallel", str(os.cpu_count())),
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout


def _make(home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        made = Path(scratch, "made")
        made.mkdir()
        for project in PROJECTS:
            folder = Path(scratch, project.name)
            _build(project, folder)
            for name in PROGRAMS:
                if (folder / name).exists():
                    (folder / name).rename(made / name)
        made.rename(home)


def build_programs() -> dict[str, Path]:
    """The programs as their users build them, by name; made now if their sources have changed, by one test process."""
    home = cache_directory() / "tests" / _key()
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not home.exists():
            _make(home)
    return {name: home / name for name in PROGRAMS}


def settings(
    folder: Path, tool: str, *, warmup: int = 0, steps: int | None = None, stop: bool = False
) -> dict[str, str]:
    """The environment by which a program is told what is to be recorded."""
    variables = {
        "PROFKIT_TOOL": tool,
        "PROFKIT_ARTEFACT": str(folder / "artefact.json"),
        "PROFKIT_REPORT": str(folder / "report.json"),
        "PROFKIT_WARMUP": str(warmup),
    }
    if steps is not None:
        variables["PROFKIT_STEPS"] = str(steps)
    return variables | ({"PROFKIT_STOP": "1"} if stop else {})


def ended(process: subprocess.Popen[str], folder: Path) -> Ended:
    """Wait for a program that was started with `settings` of this folder."""
    stdout, stderr = process.communicate(timeout=600)
    report = folder / "report.json"
    said = json.loads(report.read_text()) if report.exists() else {}
    return Ended(process.returncode, stdout, stderr, folder / "artefact.json", said)


def start(command: Sequence[str | Path], variables: dict[str, str]) -> subprocess.Popen[str]:
    """Start a program with these variables over our environment."""
    return subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
