"""Accelerators."""

from __future__ import annotations

import shutil
import sys

from profkit.doctor import Seen, Surroundings, check, limited, missing, ok
from profkit.doctor.answers import ask

SECTION = "Devices"
_IMPLEMENTATIONS = ("pytorch", "libtorch", "numba")


@check("NVIDIA driver", SECTION, helps=_IMPLEMENTATIONS, optional=True)
def driver(_: Surroundings) -> Seen | None:
    """Runs CUDA."""
    if sys.platform == "darwin":
        return None
    program = shutil.which("nvidia-smi")
    if program is None:
        return missing("no 'nvidia-smi' on PATH", "a driver for the GPU: https://www.nvidia.com/drivers")
    answer = ask([program, "--query-gpu=driver_version,name", "--format=csv,noheader"])
    if answer.failure or not answer.output.strip():
        said = answer.failure or "it lists no GPU"
        return missing(f"nvidia-smi: {said}", "a driver that fits the kernel: https://www.nvidia.com/drivers")
    return ok(answer.version, "; ".join(line.partition(", ")[2] for line in answer.output.strip().splitlines()))


@check("CUDA device", SECTION, helps=_IMPLEMENTATIONS, optional=True)
def cuda(here: Surroundings) -> Seen | None:
    """Runs what is given --device cuda."""
    if sys.platform == "darwin":
        return None
    facts = here.libraries().get("torch")
    if not facts or "failure" in facts:
        return missing("torch, which is asked for it, does not run here", "pip install 'profkit[torch]'")
    if facts["cuda"]:
        number = len(facts["cuda"])
        what = f"{number} devices: {', '.join(facts['cuda'])}" if number > 1 else facts["cuda"][0]
        return limited(None, what, *facts["warnings"]) if facts["warnings"] else ok(None, what)
    if not facts["cuda_build"] and not facts["hip_build"]:
        why, how = "this torch is a CPU build", "a CUDA build of torch: https://pytorch.org/get-started/locally"
    else:
        why = facts["warnings"][0] if facts["warnings"] else "torch finds none"
        how = "check the driver: nvidia-smi; a container needs --gpus all"
    return missing(why, how)


@check("Apple GPU", SECTION, helps=("pytorch",), optional=True)
def mps(here: Surroundings) -> Seen | None:
    """Runs what is given --device mps."""
    if sys.platform != "darwin":
        return None
    facts = here.libraries().get("torch") or {}
    return ok(None, "mps") if facts.get("mps") else missing("torch finds none", "macOS 14 on Apple silicon")
