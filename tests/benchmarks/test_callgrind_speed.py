"""Speed and memory of reading a big Callgrind file, as ratios to callgrind_annotate on the same file in the same run.

    pytest tests/benchmarks/test_callgrind_speed.py --trace-megabytes 250      (default 100)

Both run in a fresh process, so that its peak memory is its own. The file is a real recording repeated, each time with
functions of its own: as large a program as the file says.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make_callgrind import repeat_parts

SAMPLE = Path(__file__).parents[3] / "shared" / "samples" / "own" / "callgrind-python-3-steps.out.gz"
pytestmark = [
    pytest.mark.skipif(not shutil.which("callgrind_annotate"), reason="callgrind_annotate is not installed"),
    pytest.mark.skipif(not SAMPLE.is_file(), reason="the folder of real samples, ../shared/samples, is absent"),
]

_MEASURE = """
import json, resource, sys, time
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.{who}).ru_maxrss * 1024
print(json.dumps({{"seconds": seconds, "peak_bytes": peak}}))
"""
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


def measure(body: str, who: str, path: Path) -> dict[str, Any]:
    """Seconds and peak bytes of a reader in a process of its own, its start and imports included."""
    command = [sys.executable, "-c", _MEASURE.format(body=body, who=who), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("callgrind") / "callgrind.out"
    size = request.config.getoption("--trace-megabytes") * 1_000_000
    path.write_bytes(repeat_parts(gzip.decompress(SAMPLE.read_bytes()), size, distinct=True))
    return path


def test_a_callgrind_file_becomes_a_profile_many_times_faster(benchmark: Callable[..., Any], large: Path) -> None:
    found: list[dict[str, Any]] = []
    benchmark.pedantic(lambda: found.append(measure(_PROFKIT, "RUSAGE_SELF", large)), rounds=3)
    ours = min(found, key=lambda one: one["seconds"])
    theirs = measure(_ANNOTATE, "RUSAGE_CHILDREN", large)
    speed, memory = theirs["seconds"] / ours["seconds"], ours["peak_bytes"] / theirs["peak_bytes"]
    size = large.stat().st_size
    benchmark.extra_info |= {"bytes": size, "times_faster": round(speed, 1), "memory": round(memory, 3)}
    assert speed > (6 if size > 50e6 else 1), benchmark.extra_info
    if size > 50e6:  # a smaller file costs less than the imports
        assert memory < (0.4 if size > 200e6 else 0.55), benchmark.extra_info
