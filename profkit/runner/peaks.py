"""`python -m profkit.runner.peaks`: what torch reaches here at most, and what a call costs that computes nothing."""

from __future__ import annotations

import argparse
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, rate_of, write_peaks
from profkit.runner.cuda_peaks import cuda_peaks
from profkit.runner.torch_facts import torch_versions

DTYPES = ("float64", "float32", "bfloat16", "float16", "int8")
SIZES = (256, 512, 1024, 2048, 4096)
SIZE_S, FEWEST, MOST = 0.5, 3, 30
"""Seconds that a size is worth, and its repeats at least and at most."""
CALLS, TIMES = 5000, 31
"""Calls in one repeat of the dispatch, and its repeats."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What is to be measured.

    Attributes:
        threads: counts to measure with.
        triad_bytes: working set of the bandwidth of the memory; 0 where somebody else measures it.
    """

    threads: tuple[int, ...]
    triad_bytes: int


def main() -> None:
    """Measure what the command line says and write it as a machine file."""
    parser = argparse.ArgumentParser(prog="python -m profkit.runner.peaks")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--progress", type=Path, required=True)
    parser.add_argument("--threads", type=int, nargs="+", required=True)
    parser.add_argument("--triad-bytes", type=int, default=0)
    arguments = parser.parse_args()
    with arguments.progress.open("a", buffering=1) as progress:
        wishes = Wishes(tuple(arguments.threads), arguments.triad_bytes)
        peaks = measured(wishes, lambda line: print(line, file=progress))
    write_peaks(peaks, arguments.report)


def measured(wishes: Wishes, tell: Tell) -> Peaks:
    """Measure the processor and every CUDA device.

    Args:
        wishes: what to measure.
        tell: told what is going on.
    """
    notes: list[str] = []
    with torch.inference_mode():
        compute = [peak for dtype in DTYPES for peak in gemm_peaks(dtype, wishes.threads, tell, notes)]
        bandwidth = [triad_peak(threads, wishes.triad_bytes, tell) for threads in wishes.threads if wishes.triad_bytes]
    tell("dispatch: Python")
    dispatch = [dispatch_cost()]
    for device in cuda_peaks(tell):
        compute += device.compute
        bandwidth += device.bandwidth
        dispatch += device.dispatch
        notes += device.notes
    return Peaks("", tuple(compute), tuple(bandwidth), tuple(dispatch), facts=torch_versions(), notes=tuple(notes))


def gemm_peaks(dtype: str, threads: Sequence[int], tell: Tell, notes: list[str]) -> Iterator[ComputePeak]:
    """The rate of square matrix products at the size where it is largest.

    Args:
        dtype: torch's name of the element type.
        threads: counts to measure with.
        tell: told what is going on.
        notes: told why torch does not do this; then nothing is yielded.
    """
    for count in threads:
        torch.set_num_threads(count)
        tell(f"arithmetic: {dtype}, threads {count}")
        try:
            yield max(_gemm_rates(dtype, count), key=lambda peak: peak.flop_per_s.value)
        except (RuntimeError, NotImplementedError) as error:
            notes.append(f"no {dtype} on cpu: {str(error).strip().splitlines()[0]}")
            return


def _gemm_rates(dtype: str, threads: int) -> Iterator[ComputePeak]:
    """One size after the other while the next one fits the time."""
    for size in SIZES:
        multiply = gemm("cpu", dtype, size)
        multiply()  # the first call sets up
        once = seconds(multiply)
        repeats = max(FEWEST, min(MOST, int(SIZE_S / once)))
        rates = [2 * size**3 / seconds(multiply) for _ in range(repeats)]
        yield ComputePeak("cpu", dtype, threads, rate_of(rates), f"{gemm_name(dtype)} of {size} x {size}")
        if 8 * once * FEWEST > 2 * SIZE_S:
            return


def gemm_name(dtype: str) -> str:
    """The operator that multiplies matrices of a type."""
    return "aten::_int_mm" if dtype == "int8" else "aten::mm"


def gemm(device: str, dtype: str, size: int) -> Callable[[], object]:
    """A product of square matrices; for int8 the sums are int32.

    Args:
        device: where.
        dtype: torch's name of the element type.
        size: rows and columns.
    """
    kind: torch.dtype = getattr(torch, dtype)
    if dtype == "int8":
        left, right = (torch.randint(-8, 8, (size, size), dtype=kind, device=device) for _ in range(2))
        return lambda: torch._int_mm(left, right)
    left, right = (torch.rand(size, size, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def triad_peak(threads: int, working_set: int, tell: Tell) -> Bandwidth:
    """The bandwidth of the memory by `a = b + s * c`, where the C++ program cannot measure it.

    Args:
        threads: that work together.
        working_set: of the three arrays [byte].
        tell: told what is going on.
    """
    tell(f"memory: threads {threads}")
    torch.set_num_threads(threads)
    elements = working_set // 24
    read, also_read, written = (torch.ones(elements, dtype=torch.float64) for _ in range(3))
    torch.add(read, also_read, alpha=0.5, out=written)
    moved = 24 * elements
    rates = [moved / seconds(lambda: torch.add(read, also_read, alpha=0.5, out=written)) for _ in range(TIMES)]
    return Bandwidth("cpu", "memory", threads, rate_of(rates), None, f"triad a = b + s*c by aten::add over {moved} B")


def dispatch_cost() -> DispatchCost:
    """The time of `torch.add` of tensors of one element, without gradients; the loop around it is part of it."""
    torch.set_num_threads(1)
    one = torch.ones(1)
    with torch.no_grad():
        timer = timeit.Timer("add(one, one)", globals={"add": torch.add, "one": one})
        timer.timeit(CALLS)
        times = [1e9 * spent / CALLS for spent in timer.repeat(TIMES, CALLS)]
    return DispatchCost("cpu", "python", rate_of(times, best=min), f"torch.add of 1 element, {CALLS} calls a repeat")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
