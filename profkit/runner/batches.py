"""Batches: gather, augment and scale the images of a bundle; `cpp/src/batches.cpp` does it by the same operators."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch.nn import functional

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs float32 (batch size, *input shape) and targets int64 (batch size,)."""


class Batches:
    """The batches of one part of a bundle, each made when it is asked for.

    Args:
        bundle: what `torch.load` reads from `bundle.pt`.
        split: `train` or `test`.
        in_order: of the files and without augmentation; else in the order and with the crops of the epochs.
    """

    def __init__(self, bundle: Mapping[str, Any], split: str, *, in_order: bool) -> None:
        self.images: torch.Tensor = bundle[split]["images"]
        self.labels: torch.Tensor = bundle[split]["labels"]
        self.size: int = bundle["batch_size"]
        self.order: torch.Tensor = torch.arange(len(self.images))[None] if in_order else bundle["order"]
        self.crops: torch.Tensor | None = None if in_order or not bundle["crops"].numel() else bundle["crops"]
        self.padding: int = bundle["crop_padding"]
        self.mean: torch.Tensor = bundle["mean"][:, None, None]
        self.deviation: torch.Tensor = bundle["deviation"][:, None, None]

    def __len__(self) -> int:
        """Batches in an epoch; the last one may be smaller."""
        return -(-self.order.size(1) // self.size)

    def make(self, index: int) -> Batch:
        """Batch `index` since the first epoch; each epoch has its own order, and after the last comes the first."""
        epoch, number = divmod(index, len(self))
        epoch %= self.order.size(0)
        chosen = slice(number * self.size, (number + 1) * self.size)
        rows = self.order[epoch, chosen]
        images = self.images.index_select(0, rows)
        labels = self.labels.index_select(0, rows)
        if self.crops is not None:
            images = _crop(images, self.crops[epoch, chosen], self.padding)
        inputs = images.to(torch.float32).div_(255).sub_(self.mean).div_(self.deviation)
        return inputs, labels


def _crop(images: torch.Tensor, crops: torch.Tensor, padding: int) -> torch.Tensor:
    """A window of each image with zeros around it, mirrored where its crop says so.

    Args:
        images: uint8 (n, channels, height, width).
        crops: int64 (n, 3): top, left, flip.
        padding: pixels of zeros on each side.
    """
    count, channels, height, width = images.shape
    padded = functional.pad(images, (padding, padding, padding, padding))
    top, left, flip = crops.unbind(1)
    rows = top[:, None] + torch.arange(height)
    across = torch.arange(width)
    columns = left[:, None] + torch.where(flip[:, None] > 0, width - 1 - across, across)
    return padded[
        torch.arange(count)[:, None, None, None],
        torch.arange(channels)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


class Feed:
    """Hands out batches one after the other, made at once or ahead of time by threads.

    Args:
        batches: to hand out.
        workers: threads; 0 to make each batch when it is asked for.
        first: index of the first one.
        count: how many will be asked for.
    """

    def __init__(self, batches: Batches, workers: int, first: int, count: int) -> None:
        self._batches = batches
        self._next = first
        self._end = first + count
        self._ahead = 2 * workers
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._waiting: deque[Future[Batch]] = deque()
        self._submitted = first
        self._fill()

    def take(self) -> Batch:
        """The next batch."""
        index, self._next = self._next, self._next + 1
        if self._pool is None:
            return self._batches.make(index)
        batch = self._waiting.popleft().result()
        self._fill()
        return batch

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        if self._pool is None:
            return
        while len(self._waiting) < self._ahead and self._submitted < self._end:
            self._waiting.append(self._pool.submit(self._batches.make, self._submitted))
            self._submitted += 1
