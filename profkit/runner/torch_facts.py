"""Versions and flags of torch as they are in effect."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress

import torch

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
)
"""Of the environment, that choose instruction sets and place threads; `cpp/src/surroundings.cpp` has the same."""


def torch_versions() -> dict[str, str]:
    """Of torch and Python, and of CUDA's libraries where torch has them."""
    versions = {"torch": str(torch.__version__), "python": platform.python_version()}
    if torch.cuda.is_available():
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return versions


def library_versions() -> dict[str, str]:
    """Of the libraries with torch's kernels for the host, as far as it was built with them."""
    patterns = {"onednn": r"MKL-DNN v(\S+)", "mkl": r"Math Kernel Library Version (\S+)"}
    found = {name: re.search(pattern, torch.__config__.show()) for name, pattern in patterns.items()}
    return {name: match[1] for name, match in found.items() if match}


def torch_build() -> dict[str, str]:
    """How torch was built."""
    return {"torch": " ".join(torch.__config__.show().split())}


def torch_settings() -> dict[str, str]:
    """Instruction set and backend flags; `cpp/src/surroundings.cpp` has the same, but for the device's name."""
    settings = {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": truth(torch.backends.mkldnn.is_available()),
        "deterministic": truth(torch.are_deterministic_algorithms_enabled()),
        "cudnn_benchmark": truth(torch.backends.cudnn.benchmark),
        "interop_threads": str(torch.get_num_interop_threads()),
        **chosen_variables(),
    }
    # Torch refuses to answer where a program has chosen the precision of single operators.
    with suppress(RuntimeError):
        settings["cudnn_tf32"] = truth(torch.backends.cudnn.allow_tf32)
    with suppress(RuntimeError):
        settings["matmul_tf32"] = truth(torch.backends.cuda.matmul.allow_tf32)
    if torch.cuda.is_available():
        settings |= {"device_name": torch.cuda.get_device_name()}
    return settings


def chosen_variables() -> dict[str, str]:
    """Those of `VARIABLES` that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def flushes() -> bool:
    """Whether this thread takes subnormal numbers as zero, found by computing with one."""
    return bool((torch.tensor(1e-40) * 1.0 == 0).item())


def truth(value: bool) -> str:
    """As it stands in `run.json`."""
    return str(value).lower()
