"""`python -m profkit.runner.peaks`: what torch reaches here at most, and what a call costs that computes nothing."""

from __future__ import annotations

import argparse
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar

import torch

from profkit.peaks import Bandwidth, ComputePeak, DispatchCost, Peaks, rate_of, write_peaks
from profkit.runner.cuda_peaks import cuda_peaks
from profkit.runner.torch_facts import torch_versions

DTYPES = ("float64", "float32", "bfloat16", "float16", "int8")
SIZES = (256, 512, 1024, 2048, 4096)
ROUNDS, MOST_ROUNDS, ARITHMETIC_S = 3, 8, 25.0
"""Times that everything is gone through at least and at most, and the time [s] after which no other is begun."""
SIZE_S, FEWEST, MOST = 0.25, 3, 30
"""Seconds that a size is worth in a round, and its repeats at least and at most."""
CALLS, TIMES = 5000, 31
"""Calls in one repeat of the dispatch, and its repeats."""

T = TypeVar("T")
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
        compute = gemm_peaks(DTYPES, wishes.threads, tell, notes)
        bandwidth = [triad_peak(threads, wishes.triad_bytes, tell) for threads in wishes.threads if wishes.triad_bytes]
    tell("dispatch: Python")
    dispatch = [dispatch_cost()]
    for device in cuda_peaks(tell):
        compute += device.compute
        bandwidth += device.bandwidth
        dispatch += device.dispatch
        notes += device.notes
    return Peaks("", tuple(compute), tuple(bandwidth), tuple(dispatch), facts=torch_versions(), notes=tuple(notes))


def gemm_peaks(dtypes: Sequence[str], threads: Sequence[int], tell: Tell, notes: list[str]) -> list[ComputePeak]:
    """The rate of square matrix products, of each type and thread count at the size where it is largest.

    All are gone through several times, so that what else runs here for a while spoils no one of them.

    Args:
        dtypes: torch's names of the element types.
        threads: counts to measure with.
        tell: told what is going on.
        notes: told which type torch does not multiply, and why.
    """
    rates: dict[tuple[str, int, int], list[float]] = {}
    refused: dict[str, str] = {}
    for dtype, count in _in_rounds(list(product(dtypes, threads))):
        if dtype in refused:
            continue
        tell(f"arithmetic: {dtype}, threads {count}")
        torch.set_num_threads(count)
        try:
            for size, repeats in _gemm_rates(dtype):
                rates.setdefault((dtype, count, size), []).extend(repeats)
        except (RuntimeError, NotImplementedError) as error:
            refused[dtype] = str(error).strip().splitlines()[0]
    notes += [f"no {dtype} on cpu: {why}" for dtype, why in refused.items()]
    peaks: dict[tuple[str, int], ComputePeak] = {}
    for (dtype, count, size), repeats in sorted(rates.items(), key=lambda each: max(each[1])):
        if dtype not in refused:
            how = f"{gemm_name(dtype)} of {size} x {size}"
            peaks[dtype, count] = ComputePeak("cpu", dtype, count, rate_of(repeats), how)
    return [peaks[key] for key in product(dtypes, threads) if key in peaks]


def _in_rounds(everything: Sequence[T]) -> Iterator[T]:
    """Everything again and again: the more often, the likelier that nothing else ran here at one of the times."""
    end = time.monotonic() + ARITHMETIC_S
    for number in range(MOST_ROUNDS):
        if number >= ROUNDS and time.monotonic() > end:
            return
        yield from everything


def _gemm_rates(dtype: str) -> Iterator[tuple[int, list[float]]]:
    """One size after the other while the next one fits the time: FLOP/s of each repeat."""
    for size in SIZES:
        multiply = gemm("cpu", dtype, size)
        multiply()  # the first call sets up
        once = min(seconds(multiply) for _ in range(2))
        repeats = max(FEWEST, min(MOST, int(SIZE_S / once)))
        yield size, [2 * size**3 / seconds(multiply) for _ in range(repeats)]
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
