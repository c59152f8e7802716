"""Speed and memory of reading a big Callgrind file, as ratios to callgrind_annotate on the same file in the same run.

    pytest tests/benchmarks/test_callgrind_speed.py --trace-megabytes 250      (default 100)

Both run in a fresh process, so that its peak memory is its own. The files are real recordings repeated, each time with
functions of its own, as if the program had that many more: of one long part (the start of a large program, instruction
by instruction), and of many short parts full of operators.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make_callgrind import repeat_parts

SAMPLE = Path(__file__).parents[3] / "shared/samples/own/callgrind-python-3-steps.out.gz"
pytestmark = [
    pytest.mark.skipif(not shutil.which("callgrind_annotate"), reason="callgrind_annotate is not installed"),
]

_MEASURE = """
import json, re, resource, sys, time
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
print(json.dumps({{"seconds": seconds, "peak_bytes": 1024 * {peak_kib}}}))
"""
# What getrusage tells of a process itself begins with the peak of the one that it was forked from.
_OWN_PEAK = "int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
_PEAK_OF_CHILDREN = "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss"
_PROFKIT = """
from pathlib import Path
from profkit.aggregate import aggregate
from profkit.importers.callgrind import CALLGRIND
from profkit.layers import place
aggregate([place(CALLGRIND.load(Path(sys.argv[1])))])
"""
_ANNOTATE = """
import subprocess
subprocess.run(["callgrind_annotate", sys.argv[1]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
"""


def measure(body: str, peak_kib: str, path: Path) -> dict[str, Any]:
    """Seconds and peak bytes of a reader in a process of its own, its start and imports included."""
    command = [sys.executable, "-c", _MEASURE.format(body=body, peak_kib=peak_kib), str(path)]
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}  # as the command line sets it
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def one_part(directory: Path) -> bytes:
    """What Callgrind counts while Python imports torch."""
    out = directory / "import.out"
    options = ["--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={out}"]
    subprocess.run(["valgrind", *options, sys.executable, "-c", "import torch"], capture_output=True, check=True)
    return out.read_bytes()


def many_parts(_directory: Path) -> bytes:
    """Three training steps of others, layer by layer."""
    if not SAMPLE.is_file():
        pytest.skip("the folder of real samples, ../shared/samples, is absent")
    return gzip.decompress(SAMPLE.read_bytes())


@pytest.fixture(scope="module", params=[one_part, many_parts])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("callgrind")
    size = request.config.getoption("--trace-megabytes") * 1_000_000
    path = directory / f"{request.param.__name__}.out"
    path.write_bytes(repeat_parts(request.param(directory), size, distinct=True))
    return path


def test_a_callgrind_file_becomes_a_profile_many_times_faster(benchmark: Callable[..., Any], large: Path) -> None:
    found: list[dict[str, Any]] = []
    benchmark.pedantic(lambda: found.append(measure(_PROFKIT, _OWN_PEAK, large)), rounds=3)
    ours = min(found, key=lambda one: one["seconds"])
    theirs = measure(_ANNOTATE, _PEAK_OF_CHILDREN, large)
    speed, memory = theirs["seconds"] / ours["seconds"], ours["peak_bytes"] / theirs["peak_bytes"]
    size = large.stat().st_size
    benchmark.extra_info |= {"bytes": size, "times_faster": round(speed, 1), "memory": round(memory, 3)}
    if size > 50e6:  # a smaller file costs less than the imports
        assert speed > (10 if large.stem == "one_part" else 6), benchmark.extra_info
        most = 0.3 if large.stem == "one_part" else 0.4 if size > 200e6 else 0.55
        assert memory < most, benchmark.extra_info
