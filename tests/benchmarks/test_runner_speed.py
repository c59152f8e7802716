"""What the runners add to a plain loop, and what Numba takes beside PyTorch: ratios of paired runs, no clock compared.

    pytest tests/benchmarks/test_runner_speed.py --rounds 7

Each round runs both programs in fresh processes, one after the other, in alternating order; the ratio is that of the
medians of all steps of a round, and the median of the rounds is told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from profkit.bundle import Bundle, Contents, write_bundle
from profkit.native import sources
from profkit.programs import ENVIRONMENT, Course, run_program
from profkit.workloads.mnist_cnn import MNIST_CNN
from tests.small_bundles import samples

BATCH_SIZE, STEPS, WARMUP = 512, 30, 5
PLAIN_ARGUMENTS = (BATCH_SIZE, STEPS, WARMUP)
Program = Callable[[], list[int]]


def plain(*command: str | Path, threads: int) -> list[int]:
    """Step times of a plain program [ns], under the same settings as the runners."""
    words = [*map(str, command), *map(str, PLAIN_ARGUMENTS), str(threads)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **ENVIRONMENT})
    return json.loads(done.stdout)["step_ns"]


def runner(command: list[str], bundle: Bundle, threads: int) -> dict[str, Any]:
    course = Course(steps=STEPS, warmup=WARMUP, threads=threads)
    return run_program(command, bundle, course, lambda _: None)


def ratios(ours: Program, theirs: Program, rounds: int) -> list[float]:
    """Median step of ours over median step of theirs, of each round."""
    found = []
    for index in range(rounds):
        first, second = (ours, theirs) if index % 2 else (theirs, ours)
        medians = {first: median(first()), second: median(second())}
        found.append(medians[ours] / medians[theirs])
    return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of noise, as the plain programs have it: how fast a maximum is found depends on what the pictures show."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.pt"
    network = MNIST_CNN.network({})
    images = samples(4 * BATCH_SIZE, network.input_shape, seed=0)
    contents = Contents("mnist_cnn", "mnist", images, images, BATCH_SIZE, seed=0)
    return Bundle(path, write_bundle(path, network, contents), path.parent, network.macs * BATCH_SIZE)


@pytest.fixture(scope="module")
def plain_cpp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain program in C++, built as the runner is."""
    import torch

    build = tmp_path_factory.mktemp("plain")
    configure = ["cmake", "-S", sources(), "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DPROFKIT_TESTS=ON"]
    subprocess.run([*configure, f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"], check=True)
    subprocess.run(["cmake", "--build", build, "--target", "profkit_plain"], check=True)
    return build / "profkit_plain"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_runner_takes_as_long_as_a_plain_loop(
    benchmark: Callable[..., Any],
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
    bundle: Bundle,
    language: str,
    threads: int,
) -> None:
    if language == "python":
        loop: tuple[str | Path, ...] = (sys.executable, Path(__file__).with_name("plain_loop.py"))
        command = [sys.executable, "-m", "profkit.runner"]
    else:
        loop = (request.getfixturevalue("plain_cpp"),)
        command = [str(request.getfixturevalue("libtorch_build") / "profkit_run")]
    found = benchmark.pedantic(
        ratios,
        args=(
            lambda: runner(command, bundle, threads)["step_ns"],
            lambda: plain(*loop, threads=threads),
            pytestconfig.getoption("--rounds"),
        ),
        rounds=1,
    )
    benchmark.extra_info |= {"ratio": round(median(found), 3), "ratios": [round(one, 3) for one in found]}


@pytest.mark.parametrize("threads", [1, 2])
def test_numba_beside_pytorch(
    benchmark: Callable[..., Any], pytestconfig: pytest.Config, bundle: Bundle, threads: int
) -> None:
    numba, torch = ([sys.executable, "-m", "profkit.runner", "--engine", engine] for engine in ("numba", "torch"))
    found = benchmark.pedantic(
        ratios,
        args=(
            lambda: runner(numba, bundle, threads)["step_ns"],
            lambda: runner(torch, bundle, threads)["step_ns"],
            pytestconfig.getoption("--rounds"),
        ),
        rounds=1,
    )
    benchmark.extra_info |= {"ratio": round(median(found), 3), "ratios": [round(one, 3) for one in found]}
