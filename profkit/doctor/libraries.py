"""What torch and Numba say of themselves and of the devices, asked in a child: a broken build may end its process.

The child is `python -m profkit.doctor.libraries FILE` and writes JSON; nothing here imports torch into the parent.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from profkit.doctor.answers import ask
from profkit.implementations import Implementation
from profkit.registry import discover
from profkit.spec import Workload

LIMIT_S = 120.0
BREAKS = (ImportError, OSError, RuntimeError, AttributeError)
"""What a library that does not fit this machine raises when it is imported or asked."""


def look_inside() -> Mapping[str, Any]:
    """Ask the child.

    Returns:
        `torch`: its facts, or why it cannot be imported as `failure`, or None where it is not installed;
        `devices`: of each implementation, for each device, for each workload why not, null where it can;
        only `failure` where the child died.
    """
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        file = Path(folder) / "facts.json"
        answer = ask([sys.executable, "-m", __name__, str(file)], limit_s=LIMIT_S)
        if not file.exists():
            return {"failure": f"a process that imports torch and Numba failed: {answer.failure}"}
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])


def tell(file: Path) -> None:
    """What the child does."""
    facts = {"torch": _torch(), "devices": _devices()}
    file.write_bytes(msgspec.json.encode(facts))


def _torch() -> dict[str, Any] | None:
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        import torch

        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            cuda = torch.cuda.is_available()
        return {
            "version": str(torch.__version__),
            "cuda_build": torch.version.cuda,
            "hip_build": torch.version.hip,
            "kineto": torch.profiler.kineto_available(),
            "threads": torch.get_num_threads(),
            "cuda": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if cuda else [],
            "warnings": [str(warning.message).partition("\n")[0] for warning in heard],
            "mps": torch.backends.mps.is_available(),
        }
    except BREAKS as error:
        return {"failure": _words(error)}


def _devices() -> dict[str, dict[str, dict[str, str | None]]]:
    """By implementation, device and workload: why not."""
    implementations = discover("profkit.implementations", Implementation)
    return {
        name: {device: _workloads(implementation, device) for device in implementation.devices}
        for name, implementation in implementations.items()
    }


def _workloads(implementation: Implementation, device: str) -> dict[str, str | None]:
    refused: dict[str, str | None] = {}
    for name, workload in discover("profkit.workloads", Workload).items():
        try:
            refused[name] = implementation.why_not(workload.network({}), device)
        except BREAKS as error:
            refused[name] = _words(error)
    return refused


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'it says nothing'}"


if __name__ == "__main__":
    tell(Path(sys.argv[1]))
