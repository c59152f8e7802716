"""Programs of users, recorded as they are; each recording is made once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from profkit.loader import load
from profkit.profile import Profile

EXAMPLES = Path(__file__).parents[2] / "examples"
TRAIN_CNN = EXAMPLES / "training_script" / "train_cnn.py"
TRAIN_RESNET = EXAMPLES / "training_script" / "train_resnet.py"


@dataclass(frozen=True)
class Recorded:
    """What `profkit record` left.

    Attributes:
        exit_code: of profkit.
        stdout: of profkit and the program.
        stderr: likewise.
        path: of the profile, which may not be there.
    """

    exit_code: int
    stdout: str
    stderr: str
    path: Path

    @property
    def profile(self) -> Profile:
        assert self.path.exists(), self.stderr
        return load(self.path)

    @property
    def report(self) -> dict[str, object]:
        return json.loads(self.path.read_bytes())["run"]


Record = Callable[..., Recorded]


def record(directory: Path, *words: object, text: str = "", environment: Mapping[str, str] | None = None) -> Recorded:
    """Run `profkit record -o ... WORDS` in a directory."""
    path = directory / "profile.json"
    command = [sys.executable, "-m", "profkit", "record", "-o", str(path), *map(str, words)]
    done = subprocess.run(
        command, cwd=directory, input=text, capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    return Recorded(done.returncode, done.stdout, done.stderr, path)


@pytest.fixture
def recorded(tmp_path: Path) -> Record:
    """Record in a directory of the test's own."""
    return lambda *words, **more: record(tmp_path, *words, **more)


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Recorded]:
    """The examples' recordings by tool and script, each made once."""
    made: dict[tuple[str, Path], Recorded] = {}
    few = {"callgrind": ("--steps", 1, "--warmup", 1, "--stop")}
    sizes = {TRAIN_CNN: ("--steps", 120, "--workers", 2), TRAIN_RESNET: ("--steps", 30, "--batch-size", 4)}
    lengths = {TRAIN_CNN: ("--steps", 90), TRAIN_RESNET: ("--steps", 20)}

    def get(tool: str, script: Path) -> Recorded:
        if (tool, script) not in made:
            how = few.get(tool, lengths[script])
            made[tool, script] = record(
                tmp_path_factory.mktemp(tool), "--tool", tool, *how, "--", sys.executable, script, *sizes[script]
            )
        return made[tool, script]

    return get
