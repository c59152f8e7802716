"""A training script with mistakes to choose from, as published comparisons made them; it knows nothing of profkit."""

from __future__ import annotations

import argparse
import cProfile
import io

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional


def picture(random: np.random.Generator) -> bytes:
    """One PNG file."""
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def decoded(files: list[bytes]) -> torch.Tensor:
    """A batch of PNG files as float32 (n, 3, 64, 64)."""
    pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(torch.float32).div(255)


def train(steps: int, decode: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    files = [picture(random) for _ in range(32)]
    labels = torch.from_numpy(random.integers(0, 10, 32))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 31 * 31, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    batch = decoded(files)
    for _ in range(steps):
        inputs = decoded(files) if decode == "inside" else batch
        optimizer.zero_grad()
        functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--decode", choices=("before", "inside"), default="before", help="the pictures of a step")
    parser.add_argument("--profile", action="store_true", help="have cProfile watch")
    arguments = parser.parse_args()
    if arguments.profile:
        with cProfile.Profile():
            train(arguments.steps, arguments.decode)
    else:
        train(arguments.steps, arguments.decode)


if __name__ == "__main__":
    main()
