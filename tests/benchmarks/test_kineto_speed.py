"""Speed and memory of reading a big trace, as ratios to plain JSON readers in the same run.

    pytest tests/benchmarks --trace-megabytes 300      (default 100)

Every reader runs in a fresh process, so that its peak memory is its own; it is read from /proc, because the peak that
`getrusage` tells begins with that of the process that forked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make_trace import make_trace

_MEASURE = """
import gc, json, re, sys, time
from pathlib import Path
{setup}
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps({{"seconds": seconds, "peak_bytes": 1024 * int(peak[1])}}))
"""
READERS = {
    "json": ("", "json.load(open(sys.argv[1]))"),
    "orjson": ("import orjson; gc.disable()", "orjson.loads(open(sys.argv[1], 'rb').read())"),
    "profkit": (
        "from pathlib import Path; from profkit.importers.kineto import KINETO; from profkit.layers import place; "
        "from profkit.aggregate import aggregate",
        "aggregate([place(KINETO.load(Path(sys.argv[1])))])",
    ),
}


def measure(reader: str, trace: Path) -> dict[str, Any]:
    """Seconds and peak bytes of a reader in a process of its own."""
    setup, body = READERS[reader]
    program = _MEASURE.format(setup=setup, body=body)
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}  # as the command line sets it
    command = [sys.executable, "-c", program, str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["shapes", "stack"])
def trace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / f"{request.param}.json"
    megabytes = request.config.getoption("--trace-megabytes")
    make_trace(path, megabytes * 1_000_000, shapes=request.param == "shapes", stack=request.param == "stack")
    return path


def test_a_trace_becomes_a_profile_no_slower_than_orjson_reads_it(benchmark: Callable[..., Any], trace: Path) -> None:
    found: list[dict[str, Any]] = []
    benchmark.pedantic(lambda: found.append(measure("profkit", trace)), rounds=3)
    ours = min(found, key=lambda one: one["seconds"])
    size = trace.stat().st_size
    benchmark.extra_info |= {"trace_bytes": size, **ours}
    for reader in ("orjson", "json"):
        theirs = min((measure(reader, trace) for _ in range(2)), key=lambda one: one["seconds"])
        time_ratio = ours["seconds"] / theirs["seconds"]
        memory_ratio = ours["peak_bytes"] / theirs["peak_bytes"]
        benchmark.extra_info |= {
            f"time_to_{reader}": round(time_ratio, 3),
            f"memory_to_{reader}": round(memory_ratio, 3),
        }
    assert ours["peak_bytes"] < 500e6
    assert benchmark.extra_info["time_to_json"] < 1
    # Python rows are short and many: there orjson has little to do for each.
    assert benchmark.extra_info["time_to_orjson"] < (1 if trace.stem == "shapes" else 1.5)
    if size > 250e6:
        assert benchmark.extra_info["memory_to_orjson"] < 0.25
