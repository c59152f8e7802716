"""What CUDA devices reach at most, by events of their own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch

from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, rate_of

DTYPES = ("float64", "float32", "tf32", "bfloat16", "float16", "int8")
SIZES = (1024, 2048, 4096, 8192)
SIZE_S, FEWEST, MOST = 0.3, 5, 30
"""Seconds that a size is worth, and its repeats at least and at most."""
CALLS, TIMES = 2000, 15
"""Calls in one repeat of the dispatch, and its repeats."""
LEAST_BYTES, CACHES = 2**30, 8
"""Working set of the triad: at least so much, and so many times the last cache."""

Tell = Callable[[str], None]


def cuda_peaks(tell: Tell) -> Iterator[Peaks]:
    """Measure each device in turn; nothing where there is none.

    Args:
        tell: told what is going on.
    """
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = f"cuda:{index}"
        with torch.cuda.device(index), torch.inference_mode():
            notes: list[str] = []
            compute = tuple(peak for dtype in DTYPES for peak in _gemm_peak(device, dtype, tell, notes))
            tell(f"memory: of {device}")
            bandwidth = (_triad(device),)
            tell(f"dispatch: Python to {device}")
            dispatch = (_dispatch(device),)
        torch.cuda.empty_cache()
        yield Peaks(torch.cuda.get_device_name(index), compute, bandwidth, dispatch, notes=tuple(notes))


def _gemm_peak(device: str, dtype: str, tell: Tell, notes: list[str]) -> Iterator[ComputePeak]:
    """The largest rate over the sizes; none, and a note, where the device or torch does not do this type."""
    tell(f"arithmetic: {dtype} on {device}")
    if dtype == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
        notes.append(f"no tf32 on {device}: its tensor cores are older than Ampere's")
        return
    with _float32_by("tf32" if dtype == "tf32" else "ieee"):
        try:
            yield max(_gemm_rates(device, dtype), key=lambda peak: peak.flop_per_s.value)
        except torch.OutOfMemoryError:
            notes.append(f"no {dtype} on {device}: its memory is in use")
        except (RuntimeError, NotImplementedError) as error:
            notes.append(f"no {dtype} on {device}: {str(error).strip().splitlines()[0]}")


def _gemm_rates(device: str, dtype: str) -> Iterator[ComputePeak]:
    """One size after the other while the next one fits the time."""
    for size in SIZES:
        multiply, name = _gemm(device, dtype, size)
        once = min(_seconds(multiply, 3))
        repeats = max(FEWEST, min(MOST, int(SIZE_S / once)))
        rates = [2 * size**3 / spent for spent in _seconds(multiply, repeats)]
        yield ComputePeak(device, dtype, 0, rate_of(rates), f"{name} of {size} x {size}")
        if 8 * once * FEWEST > 2 * SIZE_S:
            return


def _gemm(device: str, dtype: str, size: int) -> tuple[Callable[[], object], str]:
    """A product of square matrices and the operator's name; for int8 the sums are int32."""
    if dtype == "int8":
        left, right = (torch.randint(-8, 8, (size, size), dtype=torch.int8, device=device) for _ in range(2))
        return lambda: torch._int_mm(left, right), "aten::_int_mm"
    kind = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
    left, right = (torch.rand(size, size, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out), "aten::mm"


def _seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Time of each repeat between two events on the device; a first one is left out."""
    work()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    torch.cuda.synchronize()
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1e3 for before, after in pairwise(marks)]


def _triad(device: str) -> Bandwidth:
    """The bandwidth of the device's memory by `a = b + s * c`, far past its last cache."""
    cache: int = torch.cuda.get_device_properties(device).L2_cache_size
    free, _ = torch.cuda.mem_get_info(device)
    elements = min(max(LEAST_BYTES, CACHES * cache), free // 2) // 12
    read, also_read, written = (torch.ones(elements, device=device) for _ in range(3))
    spent = _seconds(lambda: torch.add(read, also_read, alpha=0.5, out=written), MOST)
    how = f"triad a = b + s*c by aten::add over {12 * elements} B; L2 holds {cache} B"
    return Bandwidth(device, "memory", 0, rate_of([12 * elements / each for each in spent]), None, how)


def _dispatch(device: str) -> DispatchCost:
    """The time of `torch.add` of tensors of one element by the host's clock, until the device has done all of them."""
    one = torch.ones(1, device=device)
    times = []
    for _ in range(TIMES + 1):
        torch.cuda.synchronize()
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            torch.add(one, one)
        torch.cuda.synchronize()
        times.append((time.perf_counter_ns() - start) / CALLS)
    how = f"torch.add of 1 element, {CALLS} calls queued and done a repeat"
    return DispatchCost(device, "python", rate_of(times[1:], best=min), how)


@contextmanager
def _float32_by(precision: str) -> Iterator[None]:
    """Products of float32 in full, or rounded to TF32 on the way in."""
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = precision
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
