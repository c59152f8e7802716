"""Who wrote a Chrome trace, by its first bytes: torch, or any other tool."""

from __future__ import annotations

import re

_TORCH = re.compile(
    rb'"(?:schemaVersion|deviceProperties)"\s*:'
    rb'|"cat"\s*:\s*"(?:cpu_op|user_annotation|python_function|gpu_memcpy|gpu_memset|gpu_user_annotation|cuda_runtime'
    rb'|cuda_driver|hip_runtime|xpu_runtime|privateuse1_runtime|cpu_instant_event|fwdbwd|ac2g)"'
    rb'|"pid"\s*:\s*"(?:CPU functions|CUDA functions|Spans|Traces)"'
    rb'|"(?:baseTimeNanoseconds|with_stack|record_shapes|profile_memory)"\s*:'
    rb'|"name"\s*:\s*"(?:Iteration Start: PyTorch Profiler|Record Window End|ProfilerStep#\d+)"'
)
_LABELS = re.compile(rb'"labels"\s*:\s*"(?:CPU|GPU \d+)"')
"""Torch calls the processes and devices of a trace so, in rows of metadata that may fill the beginning of a file."""
_EVENT = re.compile(rb'"ph"\s*:\s*"')
_SPEEDSCOPE = b"speedscope.app/file-format-schema.json"
_EVENTS = re.compile(rb'"traceEvents"\s*:\s*\[')


def by_torch(head: bytes) -> bool:
    """Whether a file that begins so is a trace of torch."""
    if _SPEEDSCOPE in head:  # whose frames may be called as torch calls steps
        return False
    return _outer(head) != b"" and bool(_TORCH.search(head) or _LABELS.search(head))


def by_others(head: bytes) -> bool:
    """Whether a file that begins so is a Chrome trace that is none of torch's."""
    outer = _outer(head)
    is_trace = _EVENTS.search(head) is not None if outer == b"{" else outer == b"[" and _EVENT.search(head) is not None
    return is_trace and not by_torch(head)


def _outer(head: bytes) -> bytes:
    """The bracket that the JSON text begins with, or nothing."""
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return first if first in (b"[", b"{") else b""
