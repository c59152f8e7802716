"""What tensors of the program tell, read piece by piece: nothing is changed, and little memory is taken for it."""

from __future__ import annotations

import ctypes
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

PIECE = 1 << 20
"""Numbers looked at in one go."""

_BITS = {
    torch.float64: (torch.int64, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
    torch.float32: (torch.int32, 0x7F800000, 0x007FFFFF),
    torch.float16: (torch.int16, 0x7C00, 0x03FF),
    torch.bfloat16: (torch.int16, 0x7F80, 0x007F),
}
"""By type of number: the integer of its size, and its bits of exponent and fraction.

Compared as numbers, subnormal ones are zero where the processor takes them so.
"""


@contextmanager
def unnoticed() -> Iterator[None]:
    """What torch computes in here leaves no trace in gradients, and the program's own modes do not see it."""
    with torch.no_grad(), torch._C.DisableTorchFunction(), _disable_current_modes():
        yield


def statistics(tensor: torch.Tensor) -> dict[str, Any]:
    """Digest and statistics of a tensor, as `profkit.evidence.Inputs` has them."""
    digest, count, total, squares = hashlib.sha256(), tensor.numel(), 0.0, 0.0
    least, largest = math.inf, -math.inf
    for piece in _pieces(tensor):
        digest.update(ctypes.string_at(piece.data_ptr(), piece.numel() * piece.element_size()))
        numbers = piece.double()
        total += numbers.sum().item()
        squares += numbers.square().sum().item()
        least, largest = min(least, numbers.min().item()), max(largest, numbers.max().item())
    mean = total / count
    return {
        "sha256": digest.hexdigest(),
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "mean": mean,
        "deviation": math.sqrt(max(0.0, squares / count - mean * mean)),
        "minimum": least,
        "maximum": largest,
    }


def change(before: torch.Tensor, after: torch.Tensor) -> float:
    """L2 norm of a tensor's change over that of the tensor; the norm itself where the tensor was zero."""
    moved = was = 0.0
    for old, new in zip(_pieces(before), _pieces(after), strict=True):
        moved += (new.double() - old.double()).square().sum().item()
        was += old.double().square().sum().item()
    return math.sqrt(moved / was) if was else math.sqrt(moved)


def subnormal_share(tensors: Mapping[str, torch.Tensor]) -> tuple[float | None, str, float]:
    """Share of subnormal numbers in all of these tensors, which one has the largest share, and that share."""
    numbers = found = 0
    worst, most = "", 0.0
    for name, tensor in tensors.items():
        if tensor.dtype in _BITS and tensor.numel():
            here = sum(_subnormal(piece) for piece in _pieces(tensor))
            numbers, found = numbers + tensor.numel(), found + here
            if here / tensor.numel() > most:
                worst, most = name, here / tensor.numel()
    return (found / numbers if numbers else None), worst, most


def places(tensors: Iterable[torch.Tensor]) -> str:
    """Where they are: `cpu`, `cuda:0`; several with commas, nothing where there are none."""
    return ",".join(sorted({str(tensor.device) for tensor in tensors}))


def flushes_denormals() -> bool:
    """Whether this thread takes subnormal numbers as zero."""
    return not torch.tensor([1e-39], dtype=torch.float32).mul(1.5).view(torch.int32).item()


def _pieces(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Parts of the flattened tensor, each in memory of its own if it comes from a device."""
    for piece in tensor.detach().reshape(-1).split(PIECE):
        yield piece.to("cpu").contiguous()


def _subnormal(piece: torch.Tensor) -> int:
    integer, exponent, fraction = _BITS[piece.dtype]
    bits = piece.view(integer)
    return int((((bits & exponent) == 0) & ((bits & fraction) != 0)).sum().item())
