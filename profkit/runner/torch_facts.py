"""Versions and flags of torch as they are in effect."""

from __future__ import annotations

import platform

import torch


def torch_versions() -> dict[str, str]:
    """Of torch and Python, and of CUDA's libraries where torch has them."""
    versions = {"torch": str(torch.__version__), "python": platform.python_version()}
    if torch.cuda.is_available():
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return versions


def torch_build() -> dict[str, str]:
    """How torch was built."""
    return {"torch": " ".join(torch.__config__.show().split())}


def torch_settings() -> dict[str, str]:
    """Instruction set and backend flags."""
    settings = {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": truth(torch.backends.mkldnn.is_available()),
        "deterministic": truth(torch.are_deterministic_algorithms_enabled()),
        "cudnn_benchmark": truth(torch.backends.cudnn.benchmark),
    }
    if torch.cuda.is_available():
        settings |= {
            "device_name": torch.cuda.get_device_name(),
            "cudnn_tf32": truth(torch.backends.cudnn.allow_tf32),
            "matmul_tf32": truth(torch.backends.cuda.matmul.allow_tf32),
        }
    return settings


def truth(value: bool) -> str:
    """As it stands in `run.json`."""
    return str(value).lower()
